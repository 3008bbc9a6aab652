"""`reworld video generate`: futures of clips and scenes, as videos beside the real ones."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from reworld_agent.cli.video.model_choice import clip_setting, load_model, number, whole
from reworld_agent.clips.decode import read_frames
from reworld_agent.clips.index import listing
from reworld_agent.clips.video_out import write_video
from reworld_agent.config import CONFIG_NAMES, ClipConfig
from reworld_agent.core.arguments import Words, parse
from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import DataError, UsageError
from reworld_agent.core.provenance import code_version, weights_hash
from reworld_agent.core.result_tables import check_same_settings, check_writable
from reworld_agent.core.text import shown
from reworld_agent.generation.generate import TILE, Settings, generate
from reworld_agent.generation.jobs import Job, asked_for
from reworld_agent.generation.manifest import DONE, MISSING, OTHER_PANELS, Kept
from reworld_agent.generation.samples import Sample, other_future
from reworld_agent.generation.side_by_side import contact_sheet, side_by_side, write_picture
from reworld_agent.generation.text_conditioning import Teller
from reworld_agent.model import ReWorldModel
from reworld_agent.training.stages import STAGES, load_stage

USAGE = (
    "reworld video generate clip=FILE | index=FILE row=N|A:B|all [split=NAME] | "
    "scene token=TOKEN [checkpoint=DIR] [gamma=1.4] [steps=30] [seed=0] [size=HxW] [batch=1] "
    "[other=FILE] [output=DIR]"
)
HELP = f"""{USAGE}

Imagine how a clip goes on, and write it as mp4, beside what really came.

  clip=FILE       a video, or a folder of images; start=N begins at frame N
  index=FILE      clips of `reworld video index`; row=3, row=0:16 or row=all, counted in split=NAME
                  where it is given; root=DIR where the data have moved
  scene token=T   a scene of NAVSIM or the town; data_split=town_test
  checkpoint=DIR  a saved model (the shipped tiny weights)
  gamma=G         self-guidance, 1 = off (of the checkpoint's config)
  steps=N         Euler steps (of the checkpoint's config)
  cfg=S, t5=DIR   classifier-free guidance and the T5 encoder, of models that are told sentences
  seed=N          clip number k gets the noise of seed + k (0)
  size=HxW        pixels of a frame (of the checkpoint's config)
  fps=, history=, future=   rate and frames, where they shall differ from the checkpoint's
  batch=N         clips at once (1)
  tile=N          decode in tiles of N pixels (512); 0: whole frames
  device=NAME     cpu or cuda (cuda where there is one)
  other=FILE      another model's future, shown beside ours; with an index a folder of NAME.mp4
  output=DIR      (outputs/generated)

Written: clips/ (history and future), side_by_side/ (mp4 and png), and without loss futures/ and
real/, which `reworld video score real=DIR/real generated=DIR/futures` takes. What is there already
is not made again; with another other= it is drawn again. An index must have the model's rate or a
higher one, and clips that hold history and future: the shipped model sees 4 frames and imagines 8,
at 2 frames a second.

example: reworld video index source=town part=town_val fps=2 frames=12 output=town.parquet
         reworld video generate index=town.parquet row=0:4 gamma=1.4 output=outputs/generated
"""
KNOWN = (
    *("clip", "start", "index", "row", "split", "root", "token", "data_split", "checkpoint"),
    *("gamma", "steps", "cfg", "seed", "size", "fps", "history", "future", "batch", "tile"),
    "device",
    *("other", "output", "t5"),
)
SETTINGS_FILE = "generation.json"
FUTURES = "futures"  # without loss: what is drawn again is read from there


def main(arguments: Sequence[str]) -> int:
    """Run the command; 0, or raises ReWorldError."""
    words = parse(arguments, KNOWN, USAGE)
    _one_source(words)
    model = load_model(words)
    _say_what_it_learned(model)
    settings = _settings(words, model)
    base = model.config.clip if "scene" in words.plain else model.config.world_clip
    clip = clip_setting(words, model, base)
    output = words.path("output") or Path("outputs/generated")
    check_writable(output)
    _keep_settings(output, model, clip, settings)
    kept = Kept(output, words.path("other"))
    jobs = [(job, kept.state(job.name, job.source)) for job in asked_for(words, clip)]
    todo = [(job, state) for job, state in jobs if state != DONE]
    _check_others(kept.other, [job for job, _ in todo])
    teller = Teller(model, clip, output / "prompts", words.path("t5"))
    alone, drawn = 0, [job for job, state in todo if state == OTHER_PANELS]
    for job in tqdm(drawn, desc="drawing again", delay=5.0):
        _draw_again(job, kept, clip)
    missing = [job for job, state in todo if state == MISSING]
    with tqdm(total=len(missing), desc="futures", unit=" clips") as bar:
        for batch in _batches(missing, settings.batch):
            alone += sum(sample.real is None for sample in _run(teller, settings, batch, kept))
            bar.update(len(batch))
    count = len(missing)
    if alone:
        frames = clip.history_frames + clip.future_frames
        print(
            f"note: {alone} of {count} clips end before their future does, so that it cannot be "
            f"compared with what came: {frames} frames at {clip.fps:g} fps are wanted"
        )
    again = f", {len(drawn)} drawn again" if drawn else ""
    print(f"{count} futures written to {shown(output)}{again}")
    return 0


def _one_source(words: Words) -> None:
    named = [key for key in ("clip", "index") if key in words.settings]
    named += [word for word in words.plain if word == "scene"]
    strange = [word for word in words.plain if word != "scene"]
    if len(named) != 1 or strange:
        message = f"cannot read {strange[0]}" if strange else "name one of clip=, index= and scene"
        raise UsageError(message, USAGE)
    if named == ["scene"] and "token" not in words.settings:
        raise UsageError("scene needs a token", "say scene token=TOKEN data_split=town_test")


def _say_what_it_learned(model: ReWorldModel) -> None:
    """A note where the Video DiT was trained last without a video loss: it may have forgotten."""
    size = model.config.name if model.config.name in CONFIG_NAMES else "paper"
    stages = [load_stage(name, model=size) for name in model.history if name in STAGES]
    later = [stage.name for stage in stages if "video_dit" in stage.trainable and stage.plans]
    if later:
        print(
            f"note: stage {later[-1]} trained this Video DiT to plan, without a loss on video; "
            "for futures take a checkpoint of stage 1"
        )


def _settings(words: Words, model: ReWorldModel) -> Settings:
    sampling = model.config.sampling
    return Settings(
        gamma=number(words, "gamma", sampling.gamma),
        steps=words.number("steps", sampling.steps),
        cfg=number(words, "cfg", sampling.cfg),
        seed=whole(words, "seed", 0),
        batch=words.number("batch", 1),
        tile=whole(words, "tile", TILE),
    )


def _keep_settings(output: Path, model: ReWorldModel, clip: ClipConfig, settings: Settings) -> None:
    """Write how the futures are made; ConfigError where the folder holds others."""
    varied = ("batch", "tile")  # neither changes what is imagined
    chosen = {k: v for k, v in dataclasses.asdict(settings).items() if k not in varied}
    about: dict[str, Any] = {
        "model": model.config.name,
        "stages": model.history,
        "weights_sha256": weights_hash(model),
        "clip": dataclasses.asdict(clip),
        "sampling": dataclasses.asdict(model.config.sampling),
        **chosen,
    }
    path = output / SETTINGS_FILE
    if check_same_settings(path, about):
        return
    text = json.dumps({**about, "code_version": code_version()}, indent=1)
    write_atomically(path, lambda partial: partial.write_text(text + "\n", encoding="utf-8"))


def _batches(jobs: Iterable[Job], size: int) -> Iterator[list[Job]]:
    """Runs of consecutive numbers of at most `size`."""
    run: list[Job] = []
    for job in jobs:
        if run and (len(run) == size or job.number != run[-1].number + 1):
            yield run
            run = []
        run.append(job)
    if run:
        yield run


def _run(teller: Teller, settings: Settings, batch: list[Job], kept: Kept) -> list[Sample]:
    """Imagine and write the futures of some clips; gives the clips."""
    clip, samples = teller.clip, [job.read() for job in batch]
    others = [_other(kept.other, sample, clip) for sample in samples]
    history = torch.from_numpy(np.stack([sample.history for sample in samples]))
    features, negative = teller.features(samples), teller.negative(len(samples), settings.cfg)
    futures = generate(
        teller.model, history, clip, settings, batch[0].number, features, negative, progress=True
    )
    for job, sample, future, other in zip(batch, samples, futures.numpy(), others, strict=True):
        write_sample(kept.output, sample, future, clip, other)
        kept.note(job.name, job.source)
    return samples


def _draw_again(job: Job, kept: Kept, clip: ClipConfig) -> None:
    """The pictures of a future that is there, beside another model's or without one."""
    sample = job.read()
    future = read_frames(kept.output / FUTURES / f"{job.name}.mp4")
    draw(kept.output, sample, future, clip, _other(kept.other, sample, clip))
    kept.note(job.name, job.source)


def _check_others(path: Path | None, jobs: Sequence[Job]) -> None:
    """See that the other model's files are there, before any future is imagined."""
    if path is None:
        return
    files = [path / f"{job.name}.mp4" for job in jobs] if path.is_dir() else [path]
    gone = [file.name for file in files if not file.is_file()]
    if gone:
        message = f"other={path}: {len(gone)} of {len(files)} files are not there: {listing(gone)}"
        raise DataError(message, "it is a file, or a folder with NAME.mp4 for every clip")


def _other(path: Path | None, sample: Sample, clip: ClipConfig) -> Any:
    if path is None:
        return None
    return other_future(path / f"{sample.name}.mp4" if path.is_dir() else path, clip)


def write_sample(
    output: Path, sample: Sample, future: Any, clip: ClipConfig, other: Any = None
) -> None:
    """Write all files of one clip.

    Args:
        output: the folder.
        sample: the clip.
        future: uint8 [T, 3, H, W].
        clip: its rate.
        other: another model's future.
    """
    name, fps = f"{sample.name}.mp4", clip.fps
    write_video(output / FUTURES / name, future, fps, lossless=True)
    if sample.real is not None:
        write_video(output / "real" / name, sample.real, fps, lossless=True)
    write_video(output / "clips" / name, np.concatenate([sample.history, future]), fps)
    draw(output, sample, future, clip, other)


def draw(output: Path, sample: Sample, future: Any, clip: ClipConfig, other: Any = None) -> None:
    """Write the comparison of one clip, as a video and as a picture; see `write_sample`."""
    panels = {"real": sample.real, "ours": future, "other": other}
    shown_panels = {key: value for key, value in panels.items() if value is not None}
    joined = side_by_side(sample.history, shown_panels, clip.fps)
    write_video(output / "side_by_side" / f"{sample.name}.mp4", joined, clip.fps)
    sheet = contact_sheet(sample.history, shown_panels, clip.fps)
    write_picture(output / "side_by_side" / f"{sample.name}.png", sheet)
