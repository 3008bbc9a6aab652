"""Every mistake in a configuration is found when it is built."""

from __future__ import annotations

from typing import Any

import pytest

from reworld_agent.config import CONFIG_NAMES, ModelConfig, load_model_config
from reworld_agent.core.errors import ConfigError


@pytest.mark.parametrize("name", CONFIG_NAMES)
def test_shipped_configurations_survive_a_round_trip(name: str) -> None:
    config = load_model_config(name)
    assert config.name == name
    assert ModelConfig.from_dict(config.to_dict()) == config


def test_paper_numbers() -> None:
    config = load_model_config("paper")
    assert (config.video.num_layers, config.video.width) == (28, 2048)
    assert config.planner.width == 512 and config.planner.steps == 5
    assert config.video.mid_blocks == (8,)
    assert config.world_clip.history_latents(8) == 2 and config.world_clip.future_latents(8) == 3


MISTAKES: list[tuple[str, Any, str]] = [
    ("codec.kind", "jpeg", "codec.kind=jpeg does not exist"),
    ("codec.kind", "ltx_vae", "ltx_vae"),
    ("codec.latent_channels", 0, "latent_channels"),
    ("codec.latent_channels", "64", "of type int"),
    ("codec.latent_channels", True, "of type int"),
    ("clip.height", 65, "not divisible by the codec's 16"),
    ("clip.future_frames", 7, "not a multiple of 4"),
    ("clip.encoding", "clip", r"history_frames = 4 is not 4k\+1"),
    ("clip.encoding", "loose", "clip.encoding=loose"),
    ("clip.rope_time", "hours", "clip.rope_time=hours"),
    ("clip.fps", -1.0, "clip.fps"),
    ("clip.lenses", 2, "unknown fields: lenses"),
    ("video.mid_blocks", [5], "block 5 of 4"),
    ("video.mid_blocks", [0], "blocks count from 1"),
    ("video.mid_blocks", [2, 2], "twice"),
    ("video.mid_blocks", 2, "must be a list"),
    ("video.mid_head", "deep", "video.mid_head=deep"),
    ("planner.normalisation", "minmax", "planner.normalisation=minmax"),
    ("planner.steps", 0, "planner.steps"),
    ("planner.sigmas", "cubic", "planner.sigmas=cubic"),
    ("planner.ego_scale", [1.0, 2.0], "planner.ego_scale has 2"),
    ("planner.head_dim", 15, "odd"),
    ("planner", 3, "model.planner = 3"),
    ("world", {}, "unknown fields: world"),
]


@pytest.mark.parametrize(("path", "value", "message"), MISTAKES)
def test_mistakes_are_named(path: str, value: Any, message: str) -> None:
    values = load_model_config("tiny").to_dict()
    values["planner"]["num_heads"] = 3 if path == "planner.head_dim" else 4
    *parents, last = path.split(".")
    place = values
    for parent in parents:
        place = place[parent]
    place[last] = value
    with pytest.raises(ConfigError, match=message):
        ModelConfig.from_dict(values)


def test_missing_field_and_unknown_name() -> None:
    values = load_model_config("tiny").to_dict()
    del values["video"]["num_layers"]
    with pytest.raises(ConfigError, match=r"model\.video lacks: num_layers"):
        ModelConfig.from_dict(values)
    with pytest.raises(
        ConfigError, match=r"model=huge does not exist[\s\S]*tiny \| small \| paper"
    ):
        load_model_config("huge")
