"""`reworld explain` for EPDMS: the same records, the metrics that only it has, the human filter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reworld_agent import pdm
from reworld_agent.analysis.explanation.explain import explain_scene, failed_metrics
from reworld_agent.cli.main import main
from reworld_agent.core.vocabulary import EPDMS_V2 as V2
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.metrics import metric_called
from reworld_agent.pdm.metrics.direction import off_route
from reworld_agent.pdm.simulate.rollout import rollout
from tests.analysis.runs import constant_velocity, where


def test_every_failure_of_the_table_is_explained(
    run_v2: Path, caches: SceneCaches, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(run_v2), f"output_dir={tmp_path}", *where(caches)]) == 0
    assert "epdms_v2" in capsys.readouterr().out
    rows = pd.read_parquet(tmp_path / "explanations.parquet")
    table = pd.read_parquet(run_v2 / "pdm_scores.parquet").iloc[:-1].set_index("token")
    expected = {
        (token, short)
        for token, values in zip(table.index, table.to_dict("records"), strict=True)
        for short in failed_metrics(
            {str(name): value for name, value in values.items()}, protocol=V2
        )
    }
    assert set(zip(rows["token"], rows["metric"], strict=True)) == expected
    assert {"LK", "HC"} <= set(rows["metric"]) and len(expected) >= 8
    np.testing.assert_array_equal(rows["score"], rows["table_score"])
    assert rows.drop_duplicates("token")["decisive"].all()  # what costs most stands first
    assert main(["explain", str(run_v2), "metric=Comf", *where(caches)]) == 2
    assert main(["explain", str(run_v2), "protocol=pdms_v1", *where(caches)]) == 1


def test_rows_agree_with_the_records_of_the_scorer(caches: SceneCaches, tokens: list[str]) -> None:
    seen = set()
    for token in tokens[:6]:
        cache = caches.get(token)
        for left in (-3.0, 2.0, 5.0):
            poses = 1.3 * constant_velocity(cache)
            poses[:, 1] = np.linspace(0.0, left, 8)
            records = pdm.score(cache, poses[None], V2, explain=True)
            for row in explain_scene(cache, poses, protocol=V2):
                name = metric_called(row["metric"]).name
                seen.add(row["metric"])
                assert row["value"] == records[name][0]
                if f"{name}_failure_time_s" in records:
                    assert row["failure_time_s"] == records[f"{name}_failure_time_s"][0]
                if row["metric"] == "TLC":
                    assert row["detail"] == records[f"{name}_light"][0]
                if row["metric"] == "HC":
                    assert np.isnan(row["human_fails"]) and "human" not in row["sentence"]
    assert {"DAC", "DDC", "LK"} <= seen


def test_metres_off_the_route_give_the_scorers_ddc(caches: SceneCaches, tokens: list[str]) -> None:
    """1 below 2 m within a second, 0.5 below 6 m, else 0: NAVSIM v2.2's rule."""
    generator = np.random.default_rng(0)
    values = set()
    for token in tokens:
        cache = caches.get(token)
        poses = np.stack([constant_velocity(cache)] * 12)
        poses[:, :, 0] *= generator.uniform(0.5, 1.6, (12, 1))
        poses[:, :, 1] = generator.uniform(-8, 8, (12, 1)) * np.linspace(0, 1, 8) ** 2
        poses[0] = cache.human_poses
        scored = pdm.score(cache, poses, V2)["driving_direction_compliance_unfiltered"]
        for own, expected in zip(poses, scored, strict=True):
            worst = off_route(cache, rollout(cache, own[None])[0]).max()
            assert (1.0 if worst < 2.0 else 0.5 if worst < 6.0 else 0.0) == expected
            values.add(float(expected))
    assert values == {0.0, 0.5, 1.0}
