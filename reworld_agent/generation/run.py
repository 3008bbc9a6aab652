"""Futures of clips and scenes, written beside what really came."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from reworld_agent.clips.decode import read_frames
from reworld_agent.clips.table.files import listing
from reworld_agent.clips.video_out import write_video
from reworld_agent.config import ClipConfig, ModelConfig
from reworld_agent.core.errors import DataError, UsageError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import code_version, weights_hash
from reworld_agent.core.result_tables import keep_settings
from reworld_agent.generation.floors import write_floors
from reworld_agent.generation.futures import Conditions, Sampling, generate
from reworld_agent.generation.jobs import Job, asked_for
from reworld_agent.generation.manifest import DONE, MISSING, OTHER_PANELS, Manifest
from reworld_agent.generation.model_choice import clip_of, config_of, load_model
from reworld_agent.generation.plans import plan_digest, read_plan
from reworld_agent.generation.samples import Sample, View, other_future
from reworld_agent.generation.settings import ALL_CAMERAS, GenerateSettings
from reworld_agent.generation.side_by_side import contact_sheet, side_by_side, write_picture
from reworld_agent.generation.text_conditioning import TextConditioning
from reworld_agent.model import ReWorldModel

SETTINGS_FILE = "generation.json"
FUTURES = "futures"  # without loss: what is drawn again is read from there


@dataclass(frozen=True)
class Futures:
    """What was written.

    Attributes:
        output_dir: the folder.
        written: futures that were made.
        drawn: futures that were there, and are drawn beside something else.
        without_real: made ones whose clip ends before its future does.
        clip: rate and lengths.
        model, stages: name of the model's configuration, and the stages that it has passed.
    """

    output_dir: Path
    written: int
    drawn: int
    without_real: int
    clip: ClipConfig
    model: str
    stages: tuple[str, ...]


@one_writer
def generate_futures(settings: GenerateSettings) -> Futures:
    """Imagine how clips go on; what is there already is not made again.

    Raises:
        UsageError: the codec cannot cut such clips, or the device is not there.
        DataError: a clip, a row or a file of the other model is not there, or is too short.
        ConfigError: the folder holds futures of other settings or sources, or another process
            writes it.
        WeightsError: the weights are not there, or what comes out is not finite.
    """
    config = config_of(settings)
    base = config.clip if settings.token is not None else config.world_clip
    clip = clip_of(settings, config, base)
    wanted, view = asked_for(settings, clip, config.cameras), view_of(settings, config, clip)
    if settings.clip is not None:
        wanted[0].read()  # before the weights are: it may be too short, or damaged
    plan = None
    if settings.plan is not None and settings.token is not None:
        plan = read_plan(settings.plan, settings.token, config, clip.fps)
    model, sampling = load_model(settings), sampling_of(settings, config)
    return _generate(settings, model, sampling, clip, wanted, view, plan)


def _generate(
    settings: GenerateSettings,
    model: ReWorldModel,
    sampling: Sampling,
    clip: ClipConfig,
    wanted: Sequence[Job],
    view: View,
    plan: Tensor | None,
) -> Futures:
    output = settings.output_dir
    manifest = Manifest(output, settings.other)
    _keep_settings(output, model, clip, sampling, view, plan)
    jobs = [(job, manifest.state(job.name, job.source)) for job in wanted]
    todo = [(job, state) for job, state in jobs if state != DONE]
    _check_others(settings.other, [job for job, _ in todo])
    conditioning = TextConditioning(model, clip, output / "prompts", settings.t5)
    drawn = [job for job, state in todo if state == OTHER_PANELS]
    for job in tqdm(drawn, desc="drawing again", delay=5.0):
        _draw_again(job, manifest, clip, view)
    missing, alone = [job for job, state in todo if state == MISSING], 0
    with tqdm(total=len(missing), desc="futures", unit=" clips") as bar:
        for batch in _batches(missing, sampling.batch):
            alone += sum(
                sample.real is None
                for sample in _run(conditioning, sampling, batch, manifest, view, plan)
            )
            bar.update(len(batch))
    if settings.floors:
        write_floors(model, clip, wanted, output, view, sampling.tile)
    passed = (model.config.name, tuple(model.history))
    return Futures(output, len(missing), len(drawn), alone, clip, *passed)


def sampling_of(settings: GenerateSettings, config: ModelConfig) -> Sampling:
    """How futures are sampled: as the settings say, else as the weights do."""
    own = config.sampling
    return Sampling(
        gamma=own.gamma if settings.gamma is None else settings.gamma,
        steps=settings.steps or own.steps,
        cfg=own.cfg if settings.cfg is None else settings.cfg,
        seed=settings.seed,
        batch=settings.batch_size,
        tile=settings.tile,
        chunked=settings.chunked,
    )


def view_of(settings: GenerateSettings, config: ModelConfig, clip: ClipConfig) -> View:
    """Which of the imagined views is written; UsageError where the model does not see it."""
    camera = settings.camera or config.cameras[0]
    if camera not in (*config.cameras, ALL_CAMERAS):
        message = f"camera={camera}, but the model sees {', '.join(config.cameras)}"
        raise UsageError(message, f"use one of them, or camera={ALL_CAMERAS}")
    if camera == ALL_CAMERAS:
        if settings.other is not None and clip.views > 1:
            raise UsageError("other= shows one camera", "name one with camera=, such as cam_f0")
        return View(None, clip.views)
    return View(config.cameras.index(camera), clip.views)


def _keep_settings(
    output: Path,
    model: ReWorldModel,
    clip: ClipConfig,
    sampling: Sampling,
    view: View,
    plan: Tensor | None,
) -> None:
    """Write how the futures are made; ConfigError where the folder holds others."""
    varied = ["batch", "tile"]  # neither changes what is imagined
    if not sampling.chunked:
        varied.append("chunked")  # as before there were chunks
    chosen = {k: v for k, v in dataclasses.asdict(sampling).items() if k not in varied}
    shown_clip = dataclasses.asdict(clip)
    if shown_clip.pop("views") > 1:  # as before there were several
        chosen |= {"cameras": model.config.cameras, "view": view.number}
    if plan is not None:
        chosen["plan_sha256"] = plan_digest(plan)
    about: dict[str, Any] = {
        "model": model.config.name,
        "stages": model.history,
        "weights_sha256": weights_hash(model),
        "clip": shown_clip,
        "sampling": dataclasses.asdict(model.config.sampling),
        **chosen,
    }
    notes = {"code_version": code_version(), "gate": model.gate}
    keep_settings(output / SETTINGS_FILE, about, notes)


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


def _run(
    conditioning: TextConditioning,
    sampling: Sampling,
    batch: list[Job],
    manifest: Manifest,
    view: View,
    plan: Tensor | None,
) -> list[Sample]:
    """Imagine and write the futures of some clips; gives the clips."""
    clip, samples = conditioning.clip, [job.read() for job in batch]
    others = [_other(manifest.other, sample, clip) for sample in samples]
    history = torch.from_numpy(np.stack([sample.history for sample in samples]))
    conditions = Conditions(
        conditioning.features(samples),
        conditioning.negative(len(samples), sampling.cfg),
        None if plan is None else plan[None],
    )
    model, first = conditioning.model, batch[0].number
    futures = generate(model, history, clip, sampling, first, conditions, progress=True)
    for job, sample, future, other in zip(batch, samples, futures.numpy(), others, strict=True):
        write_sample(manifest.output, sample.of_view(view), view.of(future), clip, other)
        manifest.note(job.name, job.source)
    return samples


def _draw_again(job: Job, manifest: Manifest, clip: ClipConfig, view: View) -> None:
    """The pictures of a future that is there, beside another model's or without one."""
    sample = job.read().of_view(view)
    future = read_frames(manifest.output / FUTURES / f"{job.name}.mp4")
    draw(manifest.output, sample, future, clip, _other(manifest.other, sample, clip))
    manifest.note(job.name, job.source)


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
