"""A backbone, a codec and a planner head from outside, each through the commands of its page."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from reworld_agent.cli.main import main
from reworld_agent.config import load_model_config
from reworld_agent.core.errors import UsageError, WeightsError
from reworld_agent.model import ReWorldModel
from reworld_agent.negatives.generator import generate
from reworld_agent.negatives.settings import CandidateSettings
from reworld_agent.training.gate.planner import _flow_losses
from reworld_agent.training.losses import stage_loss
from reworld_agent.training.stages import load_stage
from tests.evaluation.fakes import FakeScorer
from tests.extending.conftest import STEP
from tests.extending.outside import outside
from tests.scenes.small_logs import SPLIT


def test_backbone(tmp_path: Path, scenes: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with outside("backbone", tmp_path, monkeypatch) as page:
        fit, train = page.lines
        assert page.run(fit, *scenes) == 0
        assert page.run(train, *scenes, *STEP) == 0
        config = load_model_config("my_model.yaml")
        model = ReWorldModel.from_pretrained("outputs/stage_1/weights", config)
        assert type(model.video_dit).__name__ == "MeanMixer" and model.history[-1] == "1"
        first = ReWorldModel.from_pretrained("outputs/fit/weights", config).video_dit
        pairs = zip(first.parameters(), model.video_dit.parameters(), strict=True)
        assert all(not torch.equal(a, b) for a, b in pairs)  # every part of it has learned


def test_codec(
    tmp_path: Path, scenes: list[str], clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with outside("codec", tmp_path, monkeypatch) as page:
        fit, latents = page.lines
        assert page.run(fit, *scenes) == 0
        shutil.copy(clips, "clips.parquet")
        assert page.run(latents) == 1  # weights choose no code by themselves
        monkeypatch.setenv("REWORLD_PLUGINS", "my_codec")
        assert page.run(latents) == 0
        file = next(Path("latents").rglob("*.safetensors"))
        (found,) = load_file(file).values()
        assert found.shape[-4:] == (3, 6, 4, 7) and torch.isfinite(found).all()


def test_planner_head(tmp_path: Path, scenes: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with outside("planner_head", tmp_path, monkeypatch) as page:
        fit, stage_1, planner, score = page.lines
        assert page.run(fit, *scenes) == 0
        for line in (stage_1, planner):
            assert page.run(line, *scenes, *STEP) == 0
        FakeScorer().install(monkeypatch)  # six scenes in the middle of nowhere: no map to score on
        words = [f"train_test_split.data_split={SPLIT}", "worker=sequential", "output_dir=scores"]
        words.append("train_test_split.scene_filter.frame_interval=1")
        assert page.run(score, *words) == 0
        config = load_model_config("my_model.yaml")
        model = ReWorldModel.from_pretrained("outputs/planner/weights", config)
        assert model.action_dit.net[0].out_features == 64  # its own option
        features = {"images": torch.zeros(2, 4, 3, 64, 112).byte(), "ego": torch.zeros(2, 8)}
        assert np.isfinite(model.plan(features).numpy()).all()


def test_planner_head_with_a_sampling_and_a_loss_of_its_own(
    tmp_path: Path, scenes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with outside("planner_head", tmp_path, monkeypatch) as page:
        config = load_model_config("my_generator.yaml")
        torch.manual_seed(0)
        model = ReWorldModel(config)
        torch.nn.init.normal_(model.codec.components, std=0.01)
        model.history = ["statistics", "1"]
        model.save_pretrained("outputs/stage_1/weights")
        planner = page.lines[2]
        arguments = tuple(w.replace("my_model", "my_generator") for w in planner.arguments)
        assert page.run(replace(planner, arguments=arguments), *scenes, *STEP) == 0
        trained = ReWorldModel.from_pretrained("outputs/planner/weights", config)
        head = trained.action_dit
        assert not torch.equal(head.out.weight, model.action_dit.out.weight)
        features = {"images": torch.zeros(2, 4, 3, 64, 112).byte(), "ego": torch.rand(2, 8)}
        noise = trained.normaliser.normalise(trained.plan(features))  # noise_scale = 0: of zeros
        memory = head.cache(trained.planning_states(features))
        expected = head.plans(torch.zeros_like(noise), features["ego"], memory)
        torch.testing.assert_close(noise, expected.clamp(-1, 1), rtol=1e-3, atol=1e-3)
        states = torch.stack(trained.planning_states(features), dim=1)
        given = {"ego": features["ego"], "states": states}
        losses = _flow_losses(trained, given, torch.zeros(2, 8, 3), seed=0)
        assert len(losses) == 2 and min(losses) > 0  # its own, in the gate of a model too
        guided = CandidateSettings(count=3, cfg=0.5)
        plans = generate(trained, features, ["a", "b"], guided)
        assert plans.shape == (2, 3, 8, 3) and plans.std(dim=1).max() > 0
        stage = load_stage("3")
        targets = {"trajectory": torch.zeros(2, 8, 3), "hard_negative": torch.rand(2, 8, 3)}
        targets["hard_negative_valid"] = torch.ones(2, dtype=torch.bool)
        loss, logs = stage_loss(trained.train(), stage, features, targets)
        loss.backward()
        assert {"action_flow", "repulsion"} <= set(logs) and head.key_value.weight.grad is not None


def test_weights_choose_no_code(
    tmp_path: Path,
    scenes: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with outside("backbone", tmp_path, monkeypatch) as page:
        assert page.run(page.lines[0], *scenes) == 0
        with pytest.raises(WeightsError, match=r"name code from outside .*my_backbone:MeanMixer"):
            ReWorldModel.from_pretrained("outputs/fit/weights")
        with pytest.raises(WeightsError, match="export REWORLD_PLUGINS=my_backbone"):
            ReWorldModel.from_pretrained("outputs/fit/weights", load_model_config("tiny"))
        for command in (
            ["doctor", "weights"],
            ["video", "gate", "split=town_val", "planner=false"],
            ["video", "generate", "token=0", "output_dir=futures"],
        ):
            sys.modules.pop("my_backbone", None)
            assert main([*command, "checkpoint_path=outputs/fit/weights"]) == 1
            assert "my_backbone" not in sys.modules
            assert "name code from outside the package" in "".join(capsys.readouterr())
        monkeypatch.setenv("REWORLD_PLUGINS", "other, my_backbone")
        assert ReWorldModel.from_pretrained("outputs/fit/weights").config.name == "my_model"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"video": {"backbone": "ltxx"}}, r"video.backbone=ltxx does not exist\n.*=ltx\?"),
        ({"codec": {"kind": "patch"}}, r"codec.kind=patch does not exist\n.*patch_pca\?"),
        (
            {"planner": {"head": "mlp"}},
            r"planner.head=mlp does not exist\n.* = action_dit \| pack",
        ),
        ({"video": {"options": {"depth": 3}}}, "video.backbone=ltx, which has no options"),
        (
            {"video": {"backbone": "wan", "options": {"ffdim": 3}}},
            r"video.options=ffdim does not exist\n.*ff_dim",
        ),
        (
            {"video": {"backbone": "wan", "options": {"ff_dim": 0.5}}},
            r"ff_dim = 0.5\n.*integer of at least 1",
        ),
        ({"cameras": "left"}, "cameras=left does not exist"),
        ({"video": {"num_layer": 3}}, r"unknown fields: num_layer\n.*num_layers\?"),
        ({"base": "tny"}, r"base=tny does not exist\n.*=tiny\?"),
        ({"recipe": "release"}, "is of recipe=release"),
    ],
)
def test_mistakes_in_a_file(table: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = tmp_path / "my_model.json"
    file.write_text(json.dumps({"base": "tiny", **table}))
    with pytest.raises(UsageError, match=message):
        load_model_config(file)


def test_files_that_are_no_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"model=.*no.yaml: no such file"):
        load_model_config(tmp_path / "no.yaml")
    file = tmp_path / "model.yaml"
    for text, message in (("a: [", "cannot be read"), ("- 1", "is not a table")):
        file.write_text(text)
        with pytest.raises(UsageError, match=message):
            load_model_config(file)


def test_a_file_is_what_it_says(tmp_path: Path) -> None:
    file = tmp_path / "deep.yaml"
    file.write_text("base: tiny\nvideo: {num_layers: 6}\nrecipes: {release: {planner: {steps: 7}}}")
    tiny, deep = load_model_config("tiny"), load_model_config(str(file))
    assert (deep.name, deep.video.num_layers) == ("deep", 6) and deep.clip == tiny.clip
    release = load_model_config(file, "release")
    assert (release.planner.steps, release.video.mid_blocks) == (7, (3,))
    whole = tmp_path / "whole.json"
    whole.write_text(json.dumps(deep.to_dict()))
    assert load_model_config(whole) == deep
