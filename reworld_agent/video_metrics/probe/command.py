"""`python eval/run_probe.py`: frozen states to a table of what they know."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import reworld_agent
from reworld_agent.core.arguments import Words, run_command
from reworld_agent.core.errors import ConfigError, DataError, UsageError
from reworld_agent.core.provenance import code_version, weights_hash
from reworld_agent.core.result_tables import write_csv, write_parquet
from reworld_agent.core.text import shown
from reworld_agent.model import ReWorldModel
from reworld_agent.video.backbones import build_backbone
from reworld_agent.video_metrics.probe.attributes import ATTRIBUTES, REGRESSIONS
from reworld_agent.video_metrics.probe.linear import (
    accuracy,
    area_under_curve,
    choose,
    interval,
    logistic,
    one_hot,
    r_squared,
    ridge,
)
from reworld_agent.video_metrics.probe.samples import Samples, scene_samples, ucf_samples
from reworld_agent.video_metrics.records import Records

USAGE = "run_probe.py output=FILE [weights=DIR] [key=value …]"
HELP = f"""{USAGE}

Fit linear models to frozen states of the Video DiT, averaged over tokens, block by block, and
score them on other logs: curvature and lead_distance by ridge regression (R²), lead_present and
braking by logistic regression (area under the ROC curve). Block 0 stands for the codec's latents.

  weights=DIR       a saved model (the shipped tiny one)
  untrained=true    draw the Video DiT's weights anew (seed=N): what the architecture gives for free
  train=NAME        split to fit on (town_train); test=NAME to score on (town_test)
  scenes=N          of the training split at most (all)
  ucf=DIR           UCF-101 instead, its first split: accuracy over 101 classes
  batch=N           scenes at a time (16)
  cache_dir=DIR     of states ($REWORLD_HOME/metrics/features): a stopped run goes on

writes OUTPUT.parquet and .csv: attribute, block, metric, value, low, high, train, test, penalty

example: python eval/run_probe.py scenes=400 output=probe

exit codes: 0 scored; 1 refused; 2 wrong usage.
"""
_KNOWN = ("weights", "untrained", "seed", "train", "test", "scenes", "ucf", "batch", "cache_dir")
_TINY = Path(reworld_agent.__file__).parent / "weights" / "tiny"
_FEWEST = 20  # samples that an attribute must apply to, on either side


def main(arguments: Sequence[str]) -> int:
    """Run the command; its exit code."""
    return run_command(arguments, HELP, (*_KNOWN, "output"), _probe)


def _probe(words: Words) -> int:
    output = words.path("output")
    if words.plain or output is None:
        message = f"cannot read {shown(words.plain[0])}" if words.plain else "output= is missing"
        raise UsageError(message, USAGE)
    table, provenance = run(words)
    print(report(table))
    output = output.with_suffix("") if output.suffix in (".parquet", ".csv") else output
    files = [output.with_name(output.name + ending) for ending in (".parquet", ".csv")]
    write_parquet(files[0], table, provenance)
    write_csv(files[1], table)
    print(f"written: {', '.join(shown(file) for file in files)}")
    return 0


def run(words: Words) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The table and its provenance; raises as the samples and the model do."""
    folder = words.path("weights") or _TINY
    model = ReWorldModel.from_pretrained(folder).eval()
    if words.flag("untrained"):
        torch.manual_seed(words.number("seed", 1))
        config = model.config
        model.video_dit = build_backbone(config.video, config.codec.latent_channels).eval()
    tag, records = weights_hash(model), Records(words.path("cache_dir"))
    limit = words.number("scenes", 1) if "scenes" in words.settings else None
    ucf, batch = words.path("ucf"), words.number("batch", 16)
    if ucf is not None:
        names = ("ucf101 train01", "ucf101 test01")
        train, test = (ucf_samples(model, ucf, s, records, tag, batch) for s in ("train", "test"))
    else:
        names = (words.settings.get("train", "town_train"), words.settings.get("test", "town_test"))
        if names[0] == names[1]:
            raise ConfigError(f"train=test={names[0]}: nothing is held out", "name two splits")
        train = scene_samples(model, names[0], limit, records, tag, batch)
        test = scene_samples(model, names[1], None, records, tag, batch)
    provenance = {
        "protocol": "linear_probe_1",
        "code_version": code_version(),
        "weights": shown(folder),
        "weights_sha256": tag,
        "untrained": words.flag("untrained"),
        "train": names[0],
        "test": names[1],
    }
    return probe(train, test), provenance


def probe(train: Samples, test: Samples) -> pd.DataFrame:
    """A row for each attribute and block; see HELP for its columns.

    Raises:
        DataError: no attribute applies to enough samples.
    """
    rows = []
    for name in train.labels:
        inside, outside = (np.isfinite(samples.labels[name]) for samples in (train, test))
        if min(inside.sum(), outside.sum()) < _FEWEST:
            continue
        for block in range(len(train.states)):
            rows.append({"attribute": name, "block": block, **_fit(train, test, name, block)})
    if not rows:
        raise DataError(f"fewer than {_FEWEST} samples of any attribute", "take more scenes")
    return pd.DataFrame(rows)


def _fit(train: Samples, test: Samples, name: str, block: int) -> dict[str, Any]:
    kept = [np.isfinite(samples.labels[name]) for samples in (train, test)]
    x, x_test = (s.states[block][k] for s, k in zip((train, test), kept, strict=True))
    y, y_test = (s.labels[name][k] for s, k in zip((train, test), kept, strict=True))
    groups, groups_test = train.groups[kept[0]], test.groups[kept[1]]
    if name in REGRESSIONS:
        fit, score, metric = ridge, r_squared, "r2"
        targets, targets_test = y[:, None], y_test[:, None]
    else:
        classes = int(max(y.max(), y_test.max(), 1)) + 1
        fit, score = logistic, area_under_curve if name in ATTRIBUTES else accuracy
        metric = "auc" if name in ATTRIBUTES else "accuracy"
        targets, targets_test = (one_hot(v.astype(np.int64), classes) for v in (y, y_test))
    model = choose(fit, score, x, targets, groups)
    outputs = model(x_test)
    low, high = interval(score, targets_test, outputs, groups_test)
    return {
        "metric": metric,
        "value": score(targets_test, outputs),
        "low": low,
        "high": high,
        "train": len(y),
        "test": len(y_test),
        "penalty": model.penalty,
    }


def report(table: pd.DataFrame) -> str:
    """The table as text, the best block of each attribute marked."""
    lines = [f"{'attribute':<15}{'block':>6}  {'metric':<9}{'value':>8}   95 % interval"]
    best = table.groupby("attribute")["value"].transform("max")
    for row, top in zip(table.to_dict("records"), best, strict=True):
        lines.append(
            f"{row['attribute']:<15}{row['block']:>6}  {row['metric']:<9}{row['value']:>8.3f}   "
            f"[{row['low']:.3f}, {row['high']:.3f}]" + ("  best" if row["value"] == top else "")
        )
    return "\n".join(lines)
