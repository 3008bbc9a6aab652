"""Stages are data: the numbers of the papers, and mistakes that are named."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from reworld_agent.config import ClipConfig, load_model_config
from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.training.datasets.curriculum import fit_clip
from reworld_agent.training.loop.optim import rate_factor
from reworld_agent.training.phases import phase_clip
from reworld_agent.training.stages import ALL_STAGES, RECIPES, STAGES, load_stage


def test_numbers_of_the_paper() -> None:
    one = load_stage(1, "paper", "paper")
    assert (one.steps, one.batch_size, one.learning_rate) == (20_000, 64, 1e-5)
    assert (
        one.weight_decay == 5e-2 and one.video_times == "token" and one.weights.intermediate == 0.5
    )
    two = load_stage("2", "paper", "paper")
    assert (two.steps, two.batch_size, two.trainable) == (6_000, 128, ("action_dit",))
    assert two.weights.alignment == 0.05 and two.align_blocks == (12,)
    three = load_stage(3, "paper", "paper")
    assert (three.steps, three.batch_size) == (10_000, 160)
    assert three.weights.repulsion == 0.04 and three.weights.alignment == 0
    assert three.repulsion_cap is None and three.trainable == ("video_dit", "action_dit")


def test_numbers_of_the_release() -> None:
    one = load_stage(1, "release", "paper")
    assert one.weights.intermediate == 1.0 and one.video_times == "sample"
    assert one.video_distribution == "logit_normal" and one.learning_rate == 1e-4
    assert (one.steps, one.weight_decay, one.phases) == (60_000, 1e-2, ())
    assert len(load_stage(1, "paper", "paper").phases) == 2
    assert load_stage(2, "release", "paper").align_blocks == (13,)  # 12 counted from 0


def test_only_the_video_stage_needs_future_images() -> None:
    needs = {stage: load_stage(stage).needs_future_images for stage in STAGES}
    assert needs == {"1": True, "planner": False, "2": False, "3": False}


@pytest.mark.parametrize("stage", ALL_STAGES)
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("model", ["tiny", "paper"])
def test_every_combination_loads(stage: str, recipe: str, model: str) -> None:
    assert load_stage(stage, recipe, model).name == stage


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stage": 5}, "stage=5 does not exist"),
        ({"stage": 1, "recipe": "grandma"}, "recipe=grandma does not exist"),
        ({"stage": 1, "model": "huge"}, "model=huge does not exist"),
        ({"stage": 2, "overrides": {"align_blocks": [9]}}, "block 9 of 4"),
        ({"stage": 2, "overrides": {"align_blocks": []}}, "no align_blocks"),
        ({"stage": 1, "overrides": {"pace": 2}}, "unknown fields: pace"),
        ({"stage": 1, "overrides": {"steps": 0}}, "steps=0"),
        ({"stage": 1, "overrides": {"schedule": "linear"}}, "schedule=linear"),
        ({"stage": 1, "overrides": {"trainable": ["codec"]}}, "trainable=codec"),
        ({"stage": 1, "overrides": {"ema_decay": 1.0}}, "ema_decay=1"),
        ({"stage": 3, "overrides": {"cache_states": True}}, "trains the Video DiT"),
        ({"stage": 1, "overrides": {"phases": [{"share": 0.4, "clip": {}}]}}, "add up to 0.4"),
        (
            {"stage": 1, "overrides": {"phases": [{"share": 1.0, "clip": {"height": 60}}]}},
            "phase 1: clip.height = 60 is not divisible",
        ),
        (
            {"stage": 1, "overrides": {"phases": [{"share": 1.0, "clip": {"hight": 64}}]}},
            "unknown fields: hight",
        ),
        (
            {"stage": 1, "overrides": {"phases": [{"share": 1.0, "clip": {"encoding": "clip"}}]}},
            "phase 1: clip.history_frames = 4 is not 4k",
        ),
    ],
)
def test_mistakes_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_stage(**arguments)


def test_the_curriculum_is_the_published_one() -> None:
    stage, config = load_stage(1, "paper", "paper"), load_model_config("paper")
    clips = [phase_clip(stage.phases, config.clip, step, stage.steps) for step in (0, 9999, 10000)]
    sizes = [(c.width, c.height, c.history_frames + c.future_frames) for c in clips if c]
    assert sizes == [(736, 352, 121), (736, 352, 121), (1280, 704, 25)]
    assert not load_stage(1, "release", "paper").phases and not load_stage(1).phases


def test_clips_are_cut_to_their_phase() -> None:
    frames = torch.zeros(1, 6, 3, 40, 80, dtype=torch.uint8)
    frames[:, :, :, :, 40:] = 200
    clip = ClipConfig(32, 48, 2, 3, 2.0, "continued", "index")
    history, future = fit_clip(frames[:, :2], frames[:, 2:], clip)
    assert history.shape == (1, 2, 3, 32, 48) and future.shape == (1, 3, 3, 32, 48)
    assert int(history[..., :20].max()) == 0 and int(future[..., 28:].min()) == 200
    with pytest.raises(DataError, match="1 history and 4 future frames"):
        fit_clip(frames[:, :1], frames[:, 2:], clip)


def test_learning_rate_warms_up_and_falls() -> None:
    stage = load_stage(1, overrides={"warmup_steps": 10, "steps": 110})
    assert rate_factor(stage, 0) == pytest.approx(0.1)
    assert rate_factor(stage, 10) == pytest.approx(1)
    assert rate_factor(stage, 60) == pytest.approx(0.5)
    assert rate_factor(stage, 500) == pytest.approx(0)
    constant = load_stage(1, overrides={"schedule": "constant", "warmup_steps": 10})
    assert rate_factor(constant, 10_000) == 1
