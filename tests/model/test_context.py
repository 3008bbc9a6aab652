"""The condition of the Video DiT: null token, prompts, the planner's own, ego and command."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reworld_agent.config import ModelConfig
from reworld_agent.core.errors import DataError
from reworld_agent.model import ReWorldModel
from reworld_agent.model.shipped import load_checkpoint
from reworld_agent.video.backbones import run_backbone
from tests.model.micro import batch, micro_config, micro_model
from tests.model.test_model import moving_model


def config_with(**video: object) -> ModelConfig:
    """The micro configuration with other fields of its video part."""
    values = micro_config().to_dict()
    values["video"] |= video
    return ModelConfig.from_dict(values)


def test_without_text_it_is_one_null_token() -> None:
    found = micro_model().context(3, batch(3)[0])
    assert found["encoder_hidden_states"].shape == (3, 1, 32)
    assert found["encoder_hidden_states"].abs().max() == 0
    assert found["encoder_attention_mask"] is None and found["ego"] is None


def test_prompts_come_with_the_features_and_their_padding_counts_for_nothing() -> None:
    torch.manual_seed(0)
    model = ReWorldModel(config_with(text="prompt")).eval()
    prompt, mask = torch.randn(2, 5, 32), torch.tensor([[1, 1, 1, 0, 0], [1] * 5])
    tokens, times = torch.randn(2, model.grid.tokens, 12), torch.full((2, model.grid.tokens), 0.5)

    def velocity(prompt: torch.Tensor) -> torch.Tensor:
        context = model.context(2, {"prompt": prompt, "prompt_mask": mask})
        return run_backbone(model.video_dit, tokens, times, model.layout(), context).velocity

    changed = prompt.clone()
    changed[0, 3:] += 1
    torch.testing.assert_close(velocity(prompt), velocity(changed))
    changed[0, 0] += 1
    assert (velocity(prompt) - velocity(changed))[0].abs().max() > 1e-5
    with pytest.raises(DataError, match="the batch has no prompts"):
        model.context(2, batch(2)[0])


def test_context_tokens_reach_video_and_plan() -> None:
    torch.manual_seed(0)
    model = ReWorldModel(config_with(context_tokens=True)).eval()
    features, _ = batch(2)
    history, noise = model.encode(features["images"]), model.future_noise(2)
    states = model.video_states(history, noise, features)
    turned = {**features, "ego": features["ego"].roll(1, dims=1)}
    assert (model.video_states(history, noise, turned)[0] - states[0]).abs().max() > 1e-6
    assert model.plan(features).shape == (2, 8, 3)
    with pytest.raises(DataError, match="no ego state was given"):
        model.video_states(history, noise)
    loss = model.video_states(history, noise, features)[1].sum()
    loss.backward()
    assert model.video_dit.context_embed.command.weight.grad.abs().max() > 0


def test_context_tokens_extend_the_mask() -> None:
    tokens = ReWorldModel(config_with(context_tokens=True)).video_dit.context_embed
    text, mask = tokens.append(
        torch.zeros(2, 3, 32), torch.tensor([[1, 0, 0]] * 2), torch.ones(2, 8)
    )
    assert text.shape == (2, 5, 32) and mask.tolist() == [[1, 0, 0, 1, 1]] * 2


def test_the_planners_prompt_travels_with_the_weights(tmp_path: Path) -> None:
    model, (features, _) = moving_model(), batch(2)
    silent = model.plan(features)
    model.planning_prompt = torch.randn(1, 4, 32)
    plan = model.plan(features)
    assert (plan - silent).abs().max() > 1e-6
    model.save_pretrained(tmp_path / "w")
    assert torch.equal(load_checkpoint(tmp_path / "w", micro_config()).plan(features), plan)
    state = {f"model.{key}": value for key, value in model.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "last.ckpt")
    assert torch.equal(load_checkpoint(tmp_path / "last.ckpt", micro_config()).plan(features), plan)
    copy = micro_model()
    copy.load_state_dict(model.state_dict())
    assert copy.planning_prompt is not None
    assert torch.equal(copy.planning_prompt, model.planning_prompt)
    copy.load_state_dict(micro_model().state_dict())
    assert copy.planning_prompt is None
    video = model.context(2)["encoder_hidden_states"]
    assert video.abs().max() == 0  # the prompt is the planner's alone
