"""What a model is conditioned on beside the frames: ego state, sentences, the negative prompt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from reworld_agent.clips.build import build_index
from reworld_agent.clips.index import ClipIndex
from reworld_agent.clips.sources import Options
from reworld_agent.clips.splits import split_rule
from reworld_agent.clips.windows import ClipShape
from reworld_agent.config import load_model_config
from reworld_agent.core.errors import ConfigError, DataError, WeightsError
from reworld_agent.generation.futures import Conditions, Sampling, generate
from reworld_agent.generation.samples import Sample, conditioning_of_rows, from_index
from reworld_agent.generation.text_conditioning import TextConditioning
from reworld_agent.model import ReWorldModel
from reworld_agent.model.shipped import shipped_folder
from reworld_agent.video.prompts import NEGATIVE_PROMPT
from tests.clips.tables import SPEED, TURN, write_openscene

CONFIG = load_model_config("tiny")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> ClipIndex:
    root = write_openscene(tmp_path_factory.mktemp("data"))
    shape = ClipShape(fps=2, frames=12)
    return build_index("openscene", root, shape, split_rule(""), Options())[0]


@pytest.fixture(scope="module")
def sample(index: ClipIndex) -> Sample:
    return next(from_index(index, [0], CONFIG.world_clip))


def model_with(**video: Any) -> ReWorldModel:
    """Random, but for the codec: a random one shows nothing."""
    torch.manual_seed(0)
    model = ReWorldModel(replace(CONFIG, video=replace(CONFIG.video, **video))).eval()
    shipped = ReWorldModel.from_pretrained(shipped_folder("tiny"))
    model.codec.load_state_dict(shipped.codec.state_dict())
    return model


def test_motion_over_the_history(sample: Sample) -> None:
    assert sample.conditioning is not None
    np.testing.assert_allclose(sample.conditioning.ego, [SPEED, 0, 0.5, 0, 1, 0, 0, 0])
    motion = sample.conditioning.motion
    # 1.5 s on a circle to the left; the chord in the frame of its end
    radius, angle = SPEED / TURN, 1.5 * TURN
    assert motion.forward == pytest.approx(radius * np.sin(angle), abs=1e-6)
    assert motion.lateral == pytest.approx(-radius * (1 - np.cos(angle)), abs=1e-6)
    assert motion.yaw == pytest.approx(np.degrees(angle), abs=1e-6)
    assert motion.speed == pytest.approx(SPEED) and motion.command == "left"


@pytest.mark.parametrize("fps", [1.0, 2.0])
def test_rows_are_told_at_the_rate_of_the_model(index: ClipIndex, fps: float) -> None:
    clip = replace(CONFIG.world_clip, fps=fps, history_frames=3, future_frames=2)
    conditioning = next(conditioning_of_rows(index, clip))
    shown = next(from_index(index, [0], clip)).conditioning
    assert conditioning is not None and shown is not None and conditioning.motion == shown.motion
    radius, angle = SPEED / TURN, 2 / fps * TURN
    assert conditioning.motion.forward == pytest.approx(radius * np.sin(angle), abs=1e-6)
    faster = replace(clip, fps=8.0)
    with pytest.raises(DataError, match="has 2 frames a second, 8 are wanted"):
        next(conditioning_of_rows(index, faster))


def test_ego_reaches_the_video_dit(sample: Sample, tmp_path: Path) -> None:
    model = model_with(context_tokens=True)
    conditioning = TextConditioning(model, CONFIG.world_clip, tmp_path)
    features = conditioning.features([sample])
    assert set(features) == {"ego"} and features["ego"].shape == (1, 8)
    past = torch.from_numpy(sample.history)[None]
    sampling = Sampling(steps=2)
    conditioned, other = (
        generate(model, past, CONFIG.world_clip, sampling, conditions=Conditions(given))
        for given in (features, {"ego": -5 * features["ego"]})
    )
    assert not torch.equal(conditioned, other)
    with pytest.raises(DataError, match="context tokens"):
        generate(model, past, CONFIG.world_clip, sampling)
    with pytest.raises(DataError, match="this clip has no motion"):
        conditioning.features([replace(sample, conditioning=None)])


def test_sentences(sample: Sample, tmp_path: Path) -> None:
    model = model_with(text="prompt")
    conditioning = TextConditioning(model, CONFIG.world_clip, tmp_path)
    sentence = conditioning.sentence(sample)
    assert "past 1.5 seconds" in sentence and "next 4 seconds" in sentence
    assert "speed 6.00m/s" in sentence and "turning left" in sentence
    with pytest.raises(WeightsError, match="1 prompts are not embedded"):
        conditioning.features([sample])
    for number, words in enumerate((sentence, NEGATIVE_PROMPT)):
        tokens = torch.randn(5 + number, 32, generator=torch.manual_seed(number))
        save_file({"tokens": tokens}, conditioning.book.file(words))
    given = Conditions(conditioning.features([sample]), conditioning.negative(1, 3.0))
    past = torch.from_numpy(sample.history)[None]
    plain, led = (
        generate(model, past, CONFIG.world_clip, Sampling(steps=2, cfg=cfg), conditions=given)
        for cfg in (1.0, 3.0)
    )
    assert not torch.equal(plain, led)
    assert conditioning.negative(1, 1.0) is None


def test_cfg_without_prompts(sample: Sample) -> None:
    past = torch.from_numpy(sample.history)[None]
    with pytest.raises(ConfigError, match="cfg=3 needs prompts"):
        generate(model_with(), past, CONFIG.world_clip, Sampling(steps=1, cfg=3))
