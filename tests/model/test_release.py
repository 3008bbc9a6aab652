"""recipe=release: what changes in the model, and that recipes are not mixed up."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from reworld_agent.config import ModelConfig, load_model_config
from reworld_agent.core.errors import ConfigError, WeightsError
from reworld_agent.model import ReWorldModel
from reworld_agent.model.shipped import load_checkpoint
from reworld_agent.objectives.alignment import readout_loss
from reworld_agent.training.losses import stage_loss
from reworld_agent.training.prepare import set_trainable
from reworld_agent.training.stages import load_stage
from tests.model.micro import batch, micro_config


def release_config(**planner: object) -> ModelConfig:
    """The micro configuration under recipe=release, with a projector on block 2."""
    values = micro_config().to_dict() | {"recipe": "release"}
    values["planner"] |= {"projected_blocks": [2], "round_times": True, **planner}
    return ModelConfig.from_dict(values)


def release_model() -> ReWorldModel:
    """A random model of it whose planner moves."""
    torch.manual_seed(0)
    model = ReWorldModel(release_config())
    torch.nn.init.normal_(model.action_dit.proj_out.weight, std=0.3)
    torch.nn.init.normal_(model.codec.components, std=0.02)
    return model


def test_numbers_of_the_release() -> None:
    paper, release = load_model_config("paper"), load_model_config("paper", "release")
    assert (paper.recipe, release.recipe) == ("paper", "release")
    assert release.video.mid_blocks == (9,)  # 8 counted from 0
    assert release.planner.projected_blocks == (13,) and release.planner.steps == 10
    assert release.sampling.sigmas == "scheduler" and release.sampling.steps == 30
    clip = release.world_clip
    assert (clip.height, clip.width, clip.fps) == (512, 1024, 8.0)
    assert (clip.history_latents(8), clip.future_latents(8)) == (2, 3)
    assert dataclasses.replace(release.clip, resize="area") == paper.clip
    assert release.codec.tiled and release.codec.posterior == "sample"
    with torch.device("meta"):
        projector = ReWorldModel(release).action_dit.projectors["13"]
    assert sum(p.numel() for p in projector.parameters()) == 2 * 2048 + 2048 * 512


def test_projected_readout_is_the_mean_attention_over_raw_states() -> None:
    model = release_model().double()
    dit, scenes, plans = model.action_dit, 2, 3
    states = [torch.randn(scenes, 5, 24).double() for _ in range(2)]
    ego, actions = torch.randn(scenes, 8).double(), torch.randn(scenes * plans, 8, 3).double()
    memory = dit.cache(states)
    t = torch.rand(scenes * plans).double()
    tap = dit(actions, t, ego, memory, tap=(1, 2), states=states).readouts[2]
    assert tap.projected is not None
    cross, projector = dit.blocks[1].cross, dit.projectors["2"]
    for plan in range(scenes * plans):
        source = states[1][plan // plans]
        q, k = cross.norm_q(cross.to_q(tap.query[plan])), cross.norm_k(cross.to_k(source))
        heads = zip(q.chunk(2, dim=-1), k.chunk(2, dim=-1), strict=True)
        weights = [(a @ b.T / a.size(-1) ** 0.5).softmax(-1) for a, b in heads]
        mixed = (weights[0] + weights[1]) / 2 @ source
        normed = (mixed - mixed.mean(-1, keepdim=True)) / (
            mixed.var(-1, unbiased=False, keepdim=True) + 1e-5
        ).sqrt()
        expected = (normed * projector.norm.weight + projector.norm.bias) @ projector.proj.weight.T
        torch.testing.assert_close(tap.projected[plan], expected)


def test_alignment_trains_projector_and_attention_but_not_the_video() -> None:
    dit = release_model().action_dit
    states = [torch.randn(2, 5, 24, requires_grad=True) for _ in range(2)]
    fixed = [state.detach() for state in states]
    output = dit(
        torch.randn(2, 8, 3),
        torch.rand(2),
        torch.randn(2, 8),
        dit.cache(fixed),
        tap=(2,),
        states=states,
    )
    loss = readout_loss(list(output.readouts.values()))
    loss.backward()
    assert dit.projectors["2"].proj.weight.grad.abs().max() > 0
    assert dit.blocks[1].cross.to_q.weight.grad.abs().max() > 0
    assert dit.blocks[1].ff.proj_out.weight.grad.abs().max() > 0  # a is the block's output
    assert all(state.grad is None for state in states)
    tap = output.readouts[2]
    assert tap.projected is not None
    cosine = torch.nn.functional.cosine_similarity(tap.output, tap.projected, dim=-1)
    torch.testing.assert_close(loss, (1 - cosine).mean())


def test_a_projector_without_states_is_an_error() -> None:
    dit = release_model().action_dit
    memory = dit.cache([torch.randn(1, 5, 24)] * 2)
    with pytest.raises(ConfigError, match="readout of block 2 needs the video states"):
        dit(torch.randn(1, 8, 3), torch.rand(1), torch.randn(1, 8), memory, tap=(2,))


def test_times_are_rounded() -> None:
    dit: Any = release_model().action_dit
    memory, ego = dit.cache([torch.randn(1, 5, 24)] * 2), torch.randn(1, 8)
    actions = torch.randn(1, 8, 3)
    exact = dit(actions, torch.tensor([0.858]), ego, memory).velocity
    assert torch.equal(dit(actions, torch.tensor([0.8583]), ego, memory).velocity, exact)
    dit.round_times = False
    assert not torch.equal(dit(actions, torch.tensor([0.8583]), ego, memory).velocity, exact)


def test_weights_of_another_recipe_are_refused(tmp_path: Path) -> None:
    model, config = release_model(), release_config()
    model.save_pretrained(tmp_path)
    loaded = load_checkpoint(tmp_path, config)
    assert torch.equal(loaded.plan(batch(2)[0]), model.eval().plan(batch(2)[0]))
    weight = loaded.action_dit.projectors["2"].proj.weight
    assert torch.equal(weight, model.action_dit.projectors["2"].proj.weight)
    with pytest.raises(WeightsError) as caught:
        load_checkpoint(tmp_path, micro_config())
    message = str(caught.value)
    assert "made with recipe=release, and recipe=paper is asked for" in message
    assert "next: use recipe=release, or weights of recipe=paper" in message
    with pytest.raises(WeightsError, match="recipe=paper, and recipe=release is asked for"):
        load_checkpoint(None, load_model_config("tiny", "release"))


def test_shipped_statistics_serve_every_recipe() -> None:
    model = load_checkpoint(None, load_model_config("tiny", "release"), any_recipe=True)
    assert "statistics" in model.history


def test_mistakes_of_the_new_fields_are_named() -> None:
    with pytest.raises(ConfigError, match=r"projected_blocks names block 3 of 2"):
        release_config(projected_blocks=[3])
    with pytest.raises(ConfigError, match="recipe=pirate does not exist"):
        load_model_config("tiny", "pirate")
    config = micro_config()
    for path, value, message in (
        ("sampling", {"cfg": 3.0}, "sampling.cfg = 3.0, but video.text = none"),
        ("sampling", {"low": 0.8, "high": 0.2}, "sampling.low = 0.8"),
        ("sampling", {"sigmas": "cubic"}, "sampling.sigmas=cubic"),
        (
            "planner",
            {"noise_scale": 0.0, "waypoint_embedding": False},
            "nothing would tell the waypoints apart",
        ),
        ("sampling", {"temperature": 1}, "unknown fields: temperature"),
        ("video", {"text": "song"}, "video.text=song"),
        ("clip", {"rope_time": "unshifted"}, "rope_time=unshifted with clip.encoding=continued"),
    ):
        values = config.to_dict()
        values[path] |= value
        with pytest.raises(ConfigError, match=message):
            ModelConfig.from_dict(values)


def test_frames_and_sizes_of_the_ltx_vae() -> None:
    config = load_model_config("paper")
    clip = config.world_clip
    changes: tuple[tuple[dict[str, Any], str], ...] = (
        ({"history_frames": 8}, r"history_frames = 8 is not 8k\+1"),
        ({"future_frames": 25}, "future_frames = 25 is not a multiple of 8"),
        ({"width": 740}, "width = 740 is not divisible by the codec's 32 pixels"),
    )
    for change, message in changes:
        with pytest.raises(ConfigError, match=message):
            dataclasses.replace(config, world_clip=dataclasses.replace(clip, **change))


@pytest.mark.parametrize("name", ["1", "2", "3"])
def test_every_stage_of_the_recipe_has_a_loss_and_gradients(name: str) -> None:
    stage, model = load_stage(name, "release", "tiny"), release_model()
    stage.check(load_model_config("tiny", "release"))
    set_trainable(model, stage)
    features, targets = batch(2)
    targets |= {
        "hard_negative": targets["trajectory"] + 1,
        "hard_negative_valid": torch.tensor([True, False]),
    }
    loss, logs = stage_loss(model, stage, features, targets, torch.Generator().manual_seed(0))
    loss.backward()
    assert torch.isfinite(loss)
    assert (name == "2") == ("alignment" in logs)
    projector = model.action_dit.projectors["2"].proj.weight
    assert not projector.requires_grad and projector.grad is None  # as the authors' code reads
    without = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not without
    set_trainable(model, dataclasses.replace(stage, frozen_projectors=False))
    assert projector.requires_grad == (name == "2")
