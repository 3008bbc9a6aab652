"""Fields of a model changed where it is named, and weights that load wherever tensors fit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from reworld_agent.agent import ReWorldAgent
from reworld_agent.cli.main import main
from reworld_agent.config import ModelConfig, field_names, load_model_config, read_model_overrides
from reworld_agent.core.errors import ConfigError, UsageError, WeightsError
from reworld_agent.model import ReWorldModel, load_checkpoint
from reworld_agent.model.shipped import shipped_folder
from reworld_agent.training.stages import load_stage
from tests.model.micro import batch, micro_config, micro_model


def test_overrides_are_those_of_the_fields() -> None:
    config = load_model_config("tiny", overrides={"planner": {"steps": 9}, "clip": {"fps": 4.0}})
    assert (config.planner.steps, config.clip.fps) == (9, 4.0)
    assert config.planner.head_dim == load_model_config("tiny").planner.head_dim
    assert {"planner.steps", "video.context_tokens", "codec.options", "recipe"} <= {*field_names()}


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"planner": {"stepz": 9}}, r"m\.planner\.stepz= is unknown\n  next: .*m\.planner\.steps="),
    ({"planer": {"steps": 9}}, r"m\.planer\.steps= is unknown\n  next: .*m\.planner\.steps="),
    ({"planner": 3}, r"m\.planner= is unknown"),
]


@pytest.mark.parametrize(("changes", "message"), MISTAKES)
def test_unknown_fields_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_model_overrides(changes, "m")


IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"video": {"mid_blocks": [5]}}, "block 5 of 4"),
    ({"planner": {"head_dim": 15, "num_heads": 3}}, "odd"),
    ({"clip": {"height": 65}}, "not divisible by the codec's 16"),
    ({"planner": {"steps": "many"}}, "of type int"),
    ({"codec": {"tiled": True}}, "only ltx_vae"),
]


@pytest.mark.parametrize(("changes", "message"), IMPOSSIBLE)
def test_contradictions_are_refused_before_anything_is_read(
    changes: dict[str, Any], message: str
) -> None:
    for use in (
        lambda: load_model_config("tiny", overrides=changes),
        lambda: load_stage("2", model_overrides=changes),
        lambda: ReWorldAgent(model_overrides=changes),
    ):
        with pytest.raises(UsageError, match=message):
            use()


def test_stages_must_fit_the_model_as_it_is_changed() -> None:
    with pytest.raises(ConfigError, match="align_blocks names block 12 of 8"):
        load_stage("2", "paper", "paper", model_overrides={"video": {"num_layers": 8}})


def test_the_agent_plans_in_as_many_steps_as_it_is_asked_for() -> None:
    agent = ReWorldAgent(model_overrides={"planner": {"steps": 3, "noise_scale": 1.0, "seed": 7}})
    agent.initialize()
    model = load_checkpoint(None, load_model_config("tiny"))
    features = {"images": torch.zeros(1, 4, 3, 64, 112, dtype=torch.uint8), "ego": torch.ones(1, 8)}
    assert agent.model is not None and agent.model.config.planner.steps == 3
    assert not torch.equal(agent.model.plan(features), model.plan(features))


def changed(**tables: dict[str, Any]) -> ModelConfig:
    """The micro configuration with other values."""
    values = micro_config().to_dict()
    for name, table in tables.items():
        values[name] |= table
    return ModelConfig.from_dict(values)


FREE: dict[str, Callable[[], ModelConfig]] = {
    "steps": lambda: changed(planner={"steps": 10}),
    "sigmas": lambda: changed(planner={"sigmas": "linear_quadratic"}),
    "seed": lambda: changed(planner={"seed": 7, "noise_scale": 1.0}),
    "gamma": lambda: changed(sampling={"gamma": 2.0, "steps": 3}),
    "world clip": lambda: changed(world_clip={"height": 64}),
    "video text": lambda: changed(video={"text": "prompt"}),
}


@pytest.mark.parametrize("name", FREE)
def test_sampling_is_free_at_use(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model, config = micro_model(), FREE[name]()
    model.save_pretrained(tmp_path / "w")
    loaded = ReWorldModel.from_pretrained(tmp_path / "w", config)
    assert loaded.config == config and not caplog.records
    wanted = model.state_dict()
    assert all(torch.equal(value, wanted[key]) for key, value in loaded.state_dict().items())


def test_what_the_weights_have_seen_otherwise_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = micro_model()
    model.save_pretrained(tmp_path / "w")
    config = changed(clip={"height": 64, "resize": "bilinear"}, video={"round_times": True})
    loaded = ReWorldModel.from_pretrained(tmp_path / "w", config)
    assert loaded.config.clip.height == 64
    for line in (
        "clip.height: weights have 32, config has 64, which is used",
        "clip.resize: weights have area, config has bilinear, which is used",
        "video.round_times: weights have False, config has True, which is used",
    ):
        assert line in caplog.text


OTHER: list[tuple[dict[str, dict[str, Any]], str]] = [
    ({"planner": {"ff_dim": 32}}, "planner.ff_dim: weights have 64, config has 32"),
    # no tensor has another shape, and yet it is another model
    ({"video": {"num_heads": 1, "head_dim": 24}}, "video.num_heads: weights have 2"),
    ({"planner": {"normalisation": "drivelaw"}}, "planner.normalisation: weights have waypoint"),
    ({"planner": {"ego_scale": [1.0] * 8}}, "planner.ego_scale"),
    ({"video": {"mid_blocks": [2]}}, "video.mid_blocks"),
]


@pytest.mark.parametrize(("tables", "message"), OTHER)
def test_parts_that_are_built_otherwise_are_refused(
    tables: dict[str, dict[str, Any]], message: str, tmp_path: Path
) -> None:
    micro_model().save_pretrained(tmp_path / "w")
    with pytest.raises(WeightsError, match="belong to another configuration"):
        try:
            ReWorldModel.from_pretrained(tmp_path / "w", changed(**tables))
        except WeightsError as error:
            assert message in str(error)
            raise


# Options of which one is left out, at its default, and otherwise: of a codec and of a backbone.
WORDS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "codec": ({"kind": "conv", "options": {"width": 8}}, {"whitening": 1.0}, {"whitening": 0.5}),
    "video": ({"backbone": "wan"}, {"ff_dim": 96}, {"ff_dim": 95}),
}


@pytest.mark.parametrize("owner", WORDS)
@pytest.mark.parametrize("named", ["config", "weights"])
def test_an_option_left_out_is_one_at_its_default(owner: str, named: str, tmp_path: Path) -> None:
    part, default, other = WORDS[owner]

    def told(options: dict[str, Any]) -> ModelConfig:
        return changed(**{owner: {**part, "options": part.get("options", {}) | options}})

    names = (default, {}) if named == "weights" else ({}, default)
    saved, asked = (told(options) for options in names)
    assert saved != asked
    model = ReWorldModel(saved)
    model.save_pretrained(tmp_path)
    loaded = ReWorldModel.from_pretrained(tmp_path, asked)
    assert loaded.config == asked
    wanted = model.state_dict()
    assert all(torch.equal(value, wanted[key]) for key, value in loaded.state_dict().items())
    with pytest.raises(WeightsError, match=rf"another configuration: {owner}\.options\."):
        ReWorldModel.from_pretrained(tmp_path, told(other))


@pytest.mark.parametrize("tables", [{}, {"codec": {"kind": "conv"}}])
def test_weights_of_another_model_are_refused_with_the_one_to_ask_for(
    tables: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    model = ReWorldModel(changed(**tables))
    model.save_pretrained(tmp_path)
    with pytest.raises(WeightsError) as caught:
        load_checkpoint(tmp_path, load_model_config("tiny"))
    named = re.search(r"agent\.model=(\S+/config\.json)\)", str(caught.value.hint))
    assert named is not None
    assert load_checkpoint(tmp_path, load_model_config(named[1])).config == model.config
    with pytest.raises(WeightsError) as caught:
        load_checkpoint(shipped_folder("tiny"), changed())
    assert str(caught.value.hint).startswith("use agent.model=tiny")


def test_a_folder_of_an_earlier_version_has_the_defaults_of_new_fields(tmp_path: Path) -> None:
    model = micro_model()
    model.save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    values = json.loads(file.read_text())
    for table, name in (("codec", "tiled"), ("codec", "posterior"), ("clip", "resize")):
        del values[table][name]
    del values["prompt"]
    file.write_text(json.dumps(values))
    (tmp_path / "checksums.json").unlink()
    assert ReWorldModel.from_pretrained(tmp_path, micro_config()).config == micro_config()


@pytest.mark.parametrize("command", ["train stage=2", "mine", "score agent=reworld"])
def test_words_of_the_command_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "agent.model_overrides.planner.stepz=10"]) == 2
    said = capsys.readouterr().err
    assert "agent.model_overrides.planner.stepz= is unknown" in said
    assert "agent.model_overrides.planner.steps=" in said


def test_plans_of_the_changed_model_are_its_own() -> None:
    features, _ = batch(2)
    model = micro_model()
    model.config = changed(planner={"steps": 10, "noise_scale": 1.0})
    torch.nn.init.normal_(model.action_dit.proj_out.weight, std=0.3)
    ten = model.plan(features)
    model.config = changed(planner={"steps": 2, "noise_scale": 1.0})
    assert not torch.equal(model.plan(features), ten)
