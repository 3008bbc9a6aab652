"""An objective, a clip source and an agent from outside, through the commands of their pages."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from reworld_agent.clips import read_index
from reworld_agent.core.errors import UsageError
from reworld_agent.core.extending.plugins import load_plugins
from reworld_agent.core.extending.registry import REGISTRIES
from reworld_agent.model import ReWorldModel
from reworld_agent.objectives import TERMS, PlanTerm
from reworld_agent.training.losses import stage_loss
from reworld_agent.training.stages import load_stage
from tests.clips.tables import pose_at
from tests.docs.pages import DOCS
from tests.extending.conftest import STEP
from tests.extending.outside import outside
from tests.model.micro import batch, micro_model
from tests.training.test_table2_stage import write_table


def test_objective(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    with outside("objective", tmp_path, monkeypatch) as page:
        train, _ = page.lines
        words = [f"clips={write_table(tmp_path)}", "output_dir=run", *STEP]
        assert page.run(train, *words) == 0
        assert ReWorldModel.from_pretrained("run/weights").history == ["1"]
        assert "Dispersive" in vars(sys.modules["my_objective"])


def test_term(tmp_path: Path, scenes: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with outside("objective", tmp_path, monkeypatch) as page:
        _, train = page.lines
        assert page.run(train, *scenes, *STEP, "output_dir=run") == 2  # nothing names the module
        monkeypatch.setenv("REWORLD_PLUGINS", "my_term")
        load_plugins.cache_clear()
        assert page.run(train, *scenes, *STEP, "output_dir=run") == 0
        weights = {"action_flow": 1.0, "others": {"jerk": 0.01}}
        stage, model = load_stage("2", overrides={"weights": weights}), micro_model()
        features, targets = batch(2)
        loss, logs = stage_loss(model, stage, features, targets, torch.Generator().manual_seed(0))
        assert logs["jerk"] > 0
        torch.testing.assert_close(loss.detach(), logs["action_flow"] + 0.01 * logs["jerk"])
        loss.backward()


@pytest.mark.parametrize("factor", [-1.0, float("nan"), "much"])
def test_factors_of_terms(factor: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TERMS, "_registered", {"mine": PlanTerm(lambda state: state.target.sum())})
    with pytest.raises(UsageError, match=r"weights.others.mine ?=.*\n.*finite number"):
        load_stage("2", overrides={"weights": {"others": {"mine": factor}}})
    with pytest.raises(UsageError, match=r"weights.others=mime does not exist\n.*=mine\?"):
        load_stage("2", overrides={"weights": {"others": {"mime": 1.0}}})


def write_kitti(root: Path, frames: int = 40) -> None:
    """One sequence at 10 Hz on the circle of `tables.pose_at`, in KITTI's camera frame."""
    images = root / "sequences" / "00" / "image_2"
    images.mkdir(parents=True)
    (root / "poses").mkdir()
    lines = []
    for number in range(frames):
        Image.new("RGB", (32, 24), (number, 0, 0)).save(images / f"{number:06d}.png")
        x, y, heading = np.subtract(pose_at(number / 10), pose_at(0))
        cos, sin = np.cos(heading), np.sin(heading)
        lines.append([cos, 0, -sin, -y, 0, 1, 0, 0, sin, 0, cos, x])
    np.savetxt(root / "sequences" / "00" / "times.txt", np.arange(frames) / 10)
    np.savetxt(root / "poses" / "00.txt", np.array(lines))


def test_clip_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with outside("clip_source", tmp_path, monkeypatch) as page:
        write_kitti(tmp_path / "kitti")
        (index,) = page.lines
        assert page.run(index) == 0
        found = read_index(Path("kitti.parquet"))
        row = found.row(0)
        assert (row["source"], row["scene"], row["fps"]) == ("kitti", "00", 10.0)
        expected = np.array([np.subtract(pose_at(k / 10), pose_at(0)) for k in range(12)])
        for column, name in enumerate(("x", "y", "heading")):
            np.testing.assert_allclose(row[name], expected[:, column], atol=1e-6)
        found.check_files()
        assert page.run(index, "licence=CC0", "output=other.parquet") == 2  # it reads no licence


def test_agent_of_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder of configurations is an entry point, as `pip install` writes it."""
    with outside("agent", tmp_path, monkeypatch) as page:
        about = tmp_path / "their_agent-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: their-agent\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text("[reworld_agent.agent]\ntheirs = my_configs\n")
        (tmp_path / "my_configs" / "__init__.py").touch()
        line, *_ = page.lines
        script, _, _, agent = line.arguments  # without --config-dir
        named = replace(line, arguments=(script, agent))
        words = ["train_test_split.scene_filter.max_scenes=2", "worker=sequential"]
        assert page.run(named, "output_dir=out", *words) == 0
        table = pd.read_csv("out/pdm_scores.csv")
        assert len(table) == 3 and table["valid"].all()


@pytest.mark.parametrize("kind", ["agent", "metric", *REGISTRIES])
def test_every_kind_has_a_page(kind: str) -> None:
    name = {"term": "objective"}.get(kind, kind)
    text = (DOCS / "extending" / f"{name}.md").read_text(encoding="utf-8")
    assert 'title="' in text
    overview = (DOCS / "extending" / "index.md").read_text(encoding="utf-8")
    assert f"({name}.md" in overview and f".{kind}`" in overview
