"""A metric from outside the package, as docs/extending/metric.md has it: the page's code is run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reworld_agent import pdm
from reworld_agent.core import workers
from reworld_agent.core.errors import ConfigError, ReWorldError
from reworld_agent.core.workers import run_tasks
from reworld_agent.pdm.metrics import Measurement, Rollouts, registry
from tests.extending.outside import Outside, outside
from tests.pdm.straight_road import Box, scene, straight

OFFICIAL = (*registry.protocol("pdms_v1").of_one_frame, "score")
SCENES = ["train_test_split.scene_filter.max_scenes=6", "worker=sequential"]
CONE: Box = ("traffic_cone", 20.0, 3.2, 0.0, 0.0)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    """The page's module is a plugin; what it registers is forgotten afterwards."""
    for name in ("_METRICS", "_PROTOCOLS"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
    monkeypatch.setattr(workers, "_STARTS", list(workers._STARTS))
    monkeypatch.setenv("REWORLD_PLUGINS", "my_metric")
    with outside("metric", tmp_path, monkeypatch) as found:
        yield found


def test_a_run_an_explanation_and_a_report(
    page: Outside, capsys: pytest.CaptureFixture[str]
) -> None:
    score, explain, report, *_ = page.lines
    assert page.run(score, *SCENES) == 0
    assert "CL" in capsys.readouterr().out.splitlines()[0].split()
    run = Path("outputs/clearance")
    for table in (pd.read_parquet(run / "pdm_scores.parquet"), pd.read_csv(run / "pdm_scores.csv")):
        assert table.columns.tolist() == ["token", "valid", *OFFICIAL, "clearance"]
        assert table["clearance"].between(0.0, 50.0).all()
        assert table["clearance"].iloc[-1] == pytest.approx(table["clearance"].iloc[:-1].mean())
    assert page.run(explain) == 0
    rows = pd.read_parquet(run / "explanations.parquet")
    assert set(rows["metric"]) == {"CL"} and set(rows["mechanism"]) == {"close pass"}
    text = capsys.readouterr().out
    assert "CL" in text and " m of " in text and "close pass" in text
    assert page.run(report, "gallery=0") == 0
    html = (run / "report.html").read_text(encoding="utf-8")
    assert "<small>clearance, reported" in html and ".m-CL { background: #332288; }" in html
    assert "below 0.50 m" in html and '<i class="m-CL"></i>CL' in html


def test_official_scores_are_the_same_without_it(
    page: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, poses = scene({"cone": CONE}), straight(3.0, 8.0, 12.0)
    found = pdm.score(cache, poses, explain=True)
    monkeypatch.delenv("REWORLD_PLUGINS")
    for name, before in registry._PROTOCOLS.items():
        alone = dataclasses.replace(before, added=(), explained=before.explained[:-1])
        monkeypatch.setitem(registry._PROTOCOLS, name, alone)
    plain = pdm.score(scene({"cone": CONE}), poses, explain=True)
    assert list(plain) == [name for name in found if not name.startswith("clearance")]
    for name, values in plain.items():
        np.testing.assert_array_equal(values, found[name], name)


def test_distances_are_those_of_the_boxes(page: Outside) -> None:
    # The cone's box is 2 m wide and 3.2 m to the left; the ego's half width is 1.1485 m.
    found = pdm.score(scene({"cone": CONE}), straight(8.0, 1.0), explain=True)
    assert found["clearance"][0] == pytest.approx(3.2 - 1.0 - 1.1485, abs=1e-3)
    assert found["clearance"][1] > 2.0  # it stops before
    beside: Box = ("traffic_cone", 20.0, 2.5, 0.0, 0.0)
    near = pdm.score(scene({"cone": beside}), straight(8.0), explain=True)
    assert near["clearance"][0] == pytest.approx(2.5 - 1.0 - 1.1485, abs=1e-3)
    assert near["clearance_object"][0] == "cone"
    # The nearest instant is the first at which the boxes are abreast: the ego's front edge, at
    # 1.461 + 2.588 m, then passes the cone's rear, at 17.75 m.
    assert near["clearance_failure_time_s"][0] == pytest.approx(13.7 / 8.0, abs=0.1)
    nobody = pdm.score(scene(), straight(8.0), explain=True)
    assert nobody["clearance"][0] == 50.0 and nobody["clearance_object"][0] == ""


def added_names(_: int) -> list[str]:
    """The metrics that a process has besides NAVSIM's."""
    return [row.name for row in pdm.metrics.added()]


def test_worker_processes_have_it_without_being_told(page: Outside) -> None:
    assert added_names(0) == ["clearance"]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("REWORLD_PLUGINS")  # they learn it from their parent alone
        assert list(run_tasks(added_names, [1, 2], "processes", 2)) == [["clearance"]] * 2


def broken(rollouts: Rollouts) -> Measurement:
    """Gives one number for all candidates."""
    return Measurement(np.zeros(1))


def test_mistakes_are_named(page: Outside) -> None:
    (clearance,) = pdm.metrics.added()
    assert pdm.metrics.register(clearance) is clearance  # twice is once
    assert len(registry.protocol("pdms_v1").added) == 1
    changes: list[tuple[dict[str, Any], str]] = [
        ({"measure": None}, "has no measure"),
        ({"name": "comfort", "short": "X"}, "the name comfort is that of comfort"),
        ({"name": "other"}, "the name cl is that of clearance"),
        ({"name": "other", "short": "nc"}, "the name nc is that of no_at_fault_collisions"),
        ({"name": "pdms", "short": "X"}, "the name pdms is that of score"),
        ({"name": "other", "short": "X", "aliases": ("dac",)}, "the name dac is that of"),
        ({"name": "two words", "short": "X"}, "is no name of a metric"),
        ({"name": "score", "short": "X"}, "the name score is that of score"),
    ]
    for change, message in changes:
        with pytest.raises(ConfigError, match=message):
            pdm.metrics.register(dataclasses.replace(clearance, **change))
    with pytest.raises(ConfigError, match="protocol=pdms_v9"):
        pdm.metrics.register(clearance, to=["pdms_v9"])
    hiding = dataclasses.replace(clearance, name="progress_m", short="PM")
    pdm.metrics.register(hiding)
    with pytest.raises(ConfigError, match="the column progress_m of an added metric is one of"):
        pdm.score(scene(), straight(3.0, 8.0))
    wrong = dataclasses.replace(clearance, name="wrong", short="WR", measure=broken)
    pdm.metrics.register(wrong, to=["pdms_v1"])
    with pytest.raises(ReWorldError, match=r"wrong: values of shape \(1,\) for 2 candidates"):
        pdm.score(scene(), straight(3.0, 8.0))
    assert "wrong" not in pdm.metrics.protocol("epdms_v2").added
    twice = dataclasses.replace(clearance, title="the same module may say it anew")
    assert pdm.metrics.register(twice) is pdm.metrics.metric("clearance")


def test_rows_of_another_set_of_metrics_are_not_kept(page: Outside) -> None:
    before = pdm.metrics.added_digest()
    (module,) = page.files
    assert before.startswith("|")
    module.write_text(module.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    assert pdm.metrics.added_digest() != before
