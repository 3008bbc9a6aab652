"""Two sets of clips to a table of metrics."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from reworld_agent.clips.stored import UINT8, no_floats
from reworld_agent.core.errors import ConfigError, DataError, UsageError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import code_version
from reworld_agent.core.records import parse_json
from reworld_agent.core.text import shown
from reworld_agent.video_metrics.clip_sets import Clip, list_clips
from reworld_agent.video_metrics.encode import Encoder, encode, view, view_key
from reworld_agent.video_metrics.estimate import Estimate, estimate, mean_interval
from reworld_agent.video_metrics.frechet import Moments, frechet_distance
from reworld_agent.video_metrics.golden import require_golden
from reworld_agent.video_metrics.i3d import CLASSES, I3D_WEIGHTS, i3d_logits, load_i3d
from reworld_agent.video_metrics.lpips_network import LPIPS_WEIGHTS, Lpips, load_lpips
from reworld_agent.video_metrics.names import ENOUGH, MIN_FRAMES, PAIR_METRICS, SET_METRICS
from reworld_agent.video_metrics.pairs import pair_metrics
from reworld_agent.video_metrics.records import Records
from reworld_agent.video_metrics.score_table import Score
from reworld_agent.video_metrics.settings import ScoreSettings, Side
from reworld_agent.video_metrics.views import check_pair

_SAME_RATE = 0.02
_RESIZE = "bilinear, no antialiasing, aspect not kept"
FEW_HINT = "give more clips, or add allow_few=true: the number is then marked as worth little"


@one_writer
def score(settings: ScoreSettings) -> Score:
    """Compare two sets of clips, and write what was found.

    Raises:
        ConfigError: too few clips without allow_few; settings that the clips do not allow; a
            device that is not there.
        DataError: clips of unequal length, without a partner, or that cannot be read.
        WeightsError: the networks' weights cannot be had.
        ReWorldError: this process would measure wrongly.
    """
    require_golden()
    _require_device(settings.device)
    sides = settings.sides
    fps, split = settings.fps, settings.split
    clips = {
        name: list_clips(side.path, fps, split, side.root, side.stored)
        for name, side in sides.items()
    }
    _check_ranges(settings, clips)
    _check_number(settings, {name: len(group) for name, group in clips.items()})
    paired = sorted(c.name for c in clips["real"]) == sorted(c.name for c in clips["generated"])
    if settings.wants(*PAIR_METRICS) and not paired:
        _refuse_unpaired(clips["real"], clips["generated"])
    frames = settings.frames or _common_length(clips, sides)
    _check_lengths(settings, clips, sides, frames)
    rates = _rates(settings, clips)

    records = Records(settings.cache_dir)
    rows: list[dict[str, Any]] = []
    features: dict[str, NDArray[Any]] = {}
    if settings.wants(*SET_METRICS):
        found, features = _set_metrics(settings, clips, sides, frames, paired, records)
        rows += found
    pairs = None
    if settings.wants(*PAIR_METRICS):
        pairs = _pair_table(settings, clips, frames, records)
        rows += _pair_rows(settings, pairs, len(clips["real"]))
    protocol = protocol_of(settings, frames, {name: len(group) for name, group in clips.items()})
    protocol["rates"] = rates
    scored = Score(pd.DataFrame(rows), pairs, features, protocol)
    return replace(scored, written=scored.write(settings.output))


def _require_device(name: str) -> None:
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError(f"device={name}: no CUDA device here", "set device=cpu")


def protocol_of(settings: ScoreSettings, frames: int, clips: dict[str, int]) -> dict[str, Any]:
    """What a number must be printed with to mean anything."""
    sides = settings.sides
    hashes = {}
    if settings.wants("fvd"):
        hashes[I3D_WEIGHTS.name] = I3D_WEIGHTS.sha256
    if settings.wants("fid", "lpips"):
        source = LPIPS_WEIGHTS[settings.lpips]
        hashes[source.name] = source.sha256
    resize = {"method": _RESIZE, "fvd_fid": settings.size, "pairs": settings.pair_pixels}
    return {
        "protocol": "video_score_1",
        "code_version": code_version(),
        "metrics": list(settings.metrics),
        "clips": clips,
        "too_few_clips": min(clips.values()) < ENOUGH and settings.wants(*SET_METRICS),
        "frames": frames,
        "fps": settings.fps,
        "split": settings.split,
        "paths": {name: shown(side.path) for name, side in sides.items()},
        "start": {name: side.start for name, side in sides.items()},
        "crop": {name: str(side.crop) for name, side in sides.items()},
        "range": {name: side.stored.range for name, side in sides.items()},
        "layout": settings.layout,
        "resize": resize,
        "fid_encoder": settings.fid_name if settings.wants("fid") else None,
        "weights_sha256": hashes,
        "bootstrap": {"resamples": settings.resamples, "seed": settings.seed},
        "generator": _generator(settings.generator or ""),
        "torch": torch.__version__,
    }


def _generator(text: str) -> str:
    """The text, or what the JSON file of that name holds."""
    if not text.endswith(".json"):
        return text
    try:
        return json.dumps(parse_json(Path(text).expanduser().read_bytes()), sort_keys=True)
    except (OSError, ValueError) as error:
        message = f"generator={text} cannot be read ({error})"
        raise ConfigError(message, "name a JSON file") from error


def _check_ranges(settings: ScoreSettings, clips: dict[str, list[Clip]]) -> None:
    """A declared range is that of some floats: of the set's own clips, or of either set's."""
    own = {name: getattr(settings, f"{name}_range") for name in clips}
    declared = {f"{name}_range": (value, [name]) for name, value in own.items()}
    declared["range"] = settings.range, [name for name, value in own.items() if value is None]
    for setting, (value, names) in declared.items():
        if value in (None, UINT8) or not names:
            continue
        if not any(clip.holds_floats() for name in names for clip in clips[name]):
            raise no_floats(setting, value, f"the {' and '.join(names)} clips hold")


def _check_number(settings: ScoreSettings, numbers: dict[str, int]) -> None:
    name = min(numbers, key=lambda key: numbers[key])
    if settings.wants(*SET_METRICS) and numbers[name] < ENOUGH and not settings.allow_few:
        raise ConfigError(
            f"{numbers[name]} {name} clips: FVD and FID of fewer than {ENOUGH} are mostly bias",
            FEW_HINT,
        )


def _refuse_unpaired(real: Sequence[Clip], generated: Sequence[Clip]) -> None:
    first, second = ({clip.name for clip in group} for group in (real, generated))
    only = [f"real {n}" for n in sorted(first - second)]
    only += [f"generated {n}" for n in sorted(second - first)]
    raise DataError(
        f"{len(only)} clips have no partner, as {only[0]}",
        "give both sets the same names, or say metrics=fvd, which needs no pairs",
    )


def _common_length(clips: dict[str, list[Clip]], sides: dict[str, Side]) -> int:
    name, first = next((name, group[0]) for name, group in clips.items())
    return max(first.length() - sides[name].start, 0)


def _check_lengths(
    settings: ScoreSettings, clips: dict[str, list[Clip]], sides: dict[str, Side], frames: int
) -> None:
    """See before any network runs that each clip can be read and is long enough."""
    first = clips["real"][0]
    everything = [(name, clip) for name, group in clips.items() for clip in group]
    for name, clip in tqdm(everything, desc="looking at clips", unit="clip", leave=False):
        left = clip.length() - sides[name].start
        if left < frames or (settings.frames is None and left != frames):
            start = sides[name].start
            found = f"{name} {clip.where} has {max(left, 0)} frames from frame {start} on"
            hint = "say frames= as many as all clips have"
            if settings.frames:
                raise DataError(f"{found}, not the {frames} of frames=", hint)
            message = f"clips of unequal length: {found}, real {first.where} has {frames}"
            raise DataError(message, hint)
    if settings.wants("fvd") and frames < MIN_FRAMES:
        raise DataError(
            f"{first.where}: {frames} frame{'s' * (frames != 1)}; FVD needs at least {MIN_FRAMES}",
            "give longer clips, or leave fvd out of metrics=",
        )


def _rates(settings: ScoreSettings, clips: dict[str, list[Clip]]) -> dict[str, float | None]:
    """Frames a second of both sets as they are compared; raises DataError where they differ."""
    if settings.fps is not None:
        return dict.fromkeys(clips, settings.fps)
    seen: dict[str, float | None] = {}
    first: tuple[float, str] | None = None
    for name, group in clips.items():
        seen[name] = None
        for clip in group:
            rate = clip.rate()
            if rate is None:
                continue
            where = f"{name} {clip.where}"
            if first is not None and not np.isclose(rate, first[0], rtol=_SAME_RATE):
                raise DataError(
                    f"{first[1]} has {first[0]:g} frames a second, {where} {rate:g}",
                    "say fps=, at which all are read; or real_fps=, generated_fps= where a file's "
                    "own rate is wrong",
                )
            first = first or (rate, where)
            seen[name] = rate
    return seen


def _encoders(settings: ScoreSettings) -> list[Encoder]:
    found = []
    if settings.wants("fvd"):
        load_i3d(settings.i3d_weights, settings.device)
        found.append(
            Encoder(
                I3D_WEIGHTS.sha256,
                lambda views: i3d_logits(views, settings.i3d_weights, settings.device),
            )
        )
    if settings.wants("fid"):
        model = _lpips(settings)
        found.append(
            Encoder(
                f"frames {LPIPS_WEIGHTS[settings.lpips].sha256}",
                lambda views: model.frame_features(
                    views.flatten(0, 1).to(settings.device)
                ).unflatten(0, views.shape[:2]),
            )
        )
    return found


def _lpips(settings: ScoreSettings) -> Lpips:
    return load_lpips(settings.lpips, settings.lpips_weights, settings.device)


def _set_metrics(
    settings: ScoreSettings,
    clips: dict[str, list[Clip]],
    sides: dict[str, Side],
    frames: int,
    paired: bool,
    records: Records,
) -> tuple[list[dict[str, Any]], dict[str, NDArray[Any]]]:
    """Rows of FVD and FID; logits by set. Of frames only running sums are kept."""
    encoders = _encoders(settings)
    # Filled in place: small arrays kept between large ones would split the heap clip by clip.
    logits = {name: np.empty((len(clips[name]), CLASSES), dtype=np.float32) for name in sides}
    moments = {name: Moments() for name in sides}
    for name, side in sides.items():
        found = encode(
            clips[name], side, frames, settings.size, encoders, records, settings.batch_size, name
        )
        for number, features in enumerate(found):
            if settings.wants("fvd"):
                logits[name][number] = features[encoders[0].name]
            if settings.wants("fid"):
                moments[name].add(features[encoders[-1].name])
    numbers = {name: len(group) for name, group in clips.items()}
    rows = []
    stored: dict[str, NDArray[Any]] = {}
    if settings.wants("fvd"):
        stored = logits | {
            f"{name}_names": np.array([c.name for c in clips[name]]) for name in sides
        }
        real, generated = (stored[name].astype(np.float64) for name in sides)
        fvd = estimate(real, generated, paired, settings.resamples, settings.seed)
        rows.append({"metric": "fvd", **fvd.to_dict()})
    if settings.wants("fid"):
        value = frechet_distance(*(moments[name].gaussian() for name in sides))
        nan = float("nan")  # frames of one clip are no independent draws: no interval is given
        few = min(numbers.values()) < ENOUGH
        plain = Estimate(value, nan, nan, nan, numbers["real"], numbers["generated"], few)
        rows.append({"metric": settings.fid_name, **plain.to_dict()})
    return rows, stored


def _pair_table(
    settings: ScoreSettings, clips: dict[str, list[Clip]], frames: int, records: Records
) -> pd.DataFrame:
    """clip, frame and each metric; one pair of clips in memory at a time."""
    metrics = tuple(name for name in PAIR_METRICS if settings.wants(name))
    model = _lpips(settings) if settings.wants("lpips") else None
    sides = settings.sides
    partners = {clip.name: clip for clip in clips["generated"]}
    values = {name: np.empty((len(clips["real"]), frames)) for name in metrics}
    for number, real in enumerate(tqdm(clips["real"], desc="pairs", unit="clip")):
        both = (real, sides["real"]), (partners[real.name], sides["generated"])
        key = {
            "pair": [view_key(clip, side, frames, settings.pair_pixels) for clip, side in both],
            "metrics": metrics,
            "lpips": LPIPS_WEIGHTS[settings.lpips].sha256 if model else None,
        }
        found = records.get(key)
        if found is None:
            views = [view(clip, side, frames, settings.pair_pixels) for clip, side in both]
            check_pair(views[0], views[1], real.name)
            moved = [seen.to(settings.device) for seen in views]
            found = pair_metrics(moved[0], moved[1], metrics, model)
            records.put(key, found)
        for name in metrics:
            values[name][number] = found[name]
    names = np.repeat([clip.name for clip in clips["real"]], frames)
    places = np.tile(np.arange(frames), len(clips["real"]))
    columns = {name: found.ravel() for name, found in values.items()}
    return pd.DataFrame({"clip": names, "frame": places, **columns})


def _pair_rows(settings: ScoreSettings, pairs: pd.DataFrame, count: int) -> list[dict[str, Any]]:
    """Mean over clips of the mean over frames, and its interval over clips."""
    rows = []
    for name in (name for name in PAIR_METRICS if name in pairs):
        means = pairs.groupby("clip")[name].mean().to_numpy(np.float64)
        low, high = mean_interval(means, settings.resamples, settings.seed)
        value = float(means.mean())
        found = Estimate(value, value, low, high, count, count, False)
        rows.append({"metric": name, **found.to_dict()})
    return rows
