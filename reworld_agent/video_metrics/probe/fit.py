"""Frozen states to a table of what they know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from reworld_agent.core.errors import DataError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import code_version, weights_hash
from reworld_agent.core.result_tables import write_with_twin
from reworld_agent.core.setting_paths import written
from reworld_agent.core.text import shown
from reworld_agent.model import ReWorldModel
from reworld_agent.model.shipped import shipped_folder
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
from reworld_agent.video_metrics.probe.settings import ProbeSettings
from reworld_agent.video_metrics.records import Records

_FEWEST = 20  # samples that an attribute must apply to, on either side


@dataclass(frozen=True)
class Probe:
    """What was found.

    Attributes:
        table: a row for each attribute and block; columns as `ProbeSettings.output` says.
        provenance: model and data.
        written: the files.
    """

    table: pd.DataFrame
    provenance: dict[str, Any]
    written: tuple[Path, ...] = ()

    def text(self) -> str:
        """The table as text, the best block of each attribute marked."""
        lines = [f"{'attribute':<15}{'block':>6}  {'metric':<9}{'value':>8}   95 % interval"]
        best = self.table.groupby("attribute")["value"].transform("max")
        for row, top in zip(self.table.to_dict("records"), best, strict=True):
            lines.append(
                f"{row['attribute']:<15}{row['block']:>6}  {row['metric']:<9}"
                f"{row['value']:>8.3f}   [{row['low']:.3f}, {row['high']:.3f}]"
                + ("  best" if row["value"] == top else "")
            )
        return "\n".join(lines)


@one_writer
def fit_probe(settings: ProbeSettings) -> Probe:
    """Fit linear models to frozen states, score them on other logs, and write the table.

    Raises:
        WeightsError, DataError: the weights or the scenes are not there, or too few.
    """
    folder = settings.checkpoint_path or shipped_folder("tiny")
    model = ReWorldModel.from_pretrained(folder).eval()
    if settings.untrained:
        torch.manual_seed(settings.seed)
        config = model.config
        model.video_dit = build_backbone(config.video, config.codec.latent_channels).eval()
    tag, records = weights_hash(model), Records(settings.cache_dir)
    batch, names = settings.batch_size, (settings.train_data_split, settings.tested)
    if settings.ucf is not None:
        names = ("ucf101 train01", "ucf101 test01")
        subsets = ("train", "test")
        train, test = (
            ucf_samples(model, settings.ucf, subset, records, tag, batch) for subset in subsets
        )
    else:
        train = scene_samples(model, names[0], settings.scenes, records, tag, batch)
        test = scene_samples(model, names[1], None, records, tag, batch)
    provenance = {
        "protocol": "linear_probe_1",
        "code_version": code_version(),
        "weights": shown(folder),
        "weights_sha256": tag,
        "gate": model.gate,
        "untrained": settings.untrained,
        "train": names[0],
        "test": names[1],
    }
    table = probe(train, test)
    files = tuple(written(settings.output, (".parquet", ".csv")))
    write_with_twin(files[0], table, provenance)
    return Probe(table, provenance, files)


def probe(train: Samples, test: Samples) -> pd.DataFrame:
    """A row for each attribute and block; see `ProbeSettings.output` for its columns.

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
