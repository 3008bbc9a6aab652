"""Stage 1 with tokens of actions: what they carry, what learns, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from reworld_agent.config import ModelConfig
from reworld_agent.core.errors import ConfigError, DataError, UsageError
from reworld_agent.core.provenance import weights_hash
from reworld_agent.model import ReWorldModel
from reworld_agent.objectives.sharded_rng import ShardedRng
from reworld_agent.training.losses import stage_loss
from reworld_agent.training.memory.account import run_counted
from reworld_agent.training.memory.step import StepPlan
from reworld_agent.training.prepare import finish_stage, prepare_stage, set_trainable, start_model
from reworld_agent.training.stages import TrainingStage, load_stage, stage_table
from reworld_agent.training.world_actions import clean_past, drawn_chunk, noised_actions
from reworld_agent.video.backbones import VideoOutput
from reworld_agent.video.conditioning import pack
from reworld_agent.video.encoding import encode_clip
from reworld_agent.video.latent_actions import latent_tokens, plan_motion
from tests.model.micro import batch, micro_model
from tests.model.world_action import world_action_config, world_action_model

REAL: dict[str, Any] = {"actions": {"numbers": 4, "hidden": 16, "layers": 2, "tokens": "real"}}
JOINT: dict[str, Any] = {"actions": {**REAL["actions"], "tokens": "joint"}}
CHUNKS: dict[str, Any] = {
    "video": {"backbone": "world_action", "options": {"chunk": 2}},
    "actions": {"numbers": 4},
}


def ready(**changes: Any) -> tuple[ReWorldModel, TrainingStage]:
    model, stage = world_action_model(trained=True, **changes), load_stage("1")
    set_trainable(model, stage)
    return model, stage


def seeded(number: int = 0) -> ShardedRng:
    return ShardedRng(torch.Generator().manual_seed(number))


def loss_of(model: ReWorldModel, stage: TrainingStage, number: int = 0) -> dict[str, float]:
    features, targets = batch(8)
    _, logs = stage_loss(model, stage, features, targets, seeded(number))
    return {name: float(value) for name, value in logs.items()}


def latents_of(model: ReWorldModel) -> tuple[Tensor, dict[str, Tensor]]:
    features, targets = batch(8)
    clip = model.config.clip
    return encode_clip(model.codec, clip, features["images"], targets["future_images"]), targets


@pytest.mark.parametrize("changes", [{}, JOINT, REAL], ids=["latent", "joint", "real"])
def test_gradients_reach_the_tokens_that_are_used(changes: dict[str, Any]) -> None:
    model, stage = ready(**changes)
    features, targets = batch(8)
    loss, logs = stage_loss(model, stage, features, targets, seeded())
    loss.backward()
    total = logs["generation"] + 0.5 * logs["intermediate"] + logs["world_action"]
    torch.testing.assert_close(logs["loss"], total)
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
    assert model.latent_actions is not None
    assert not any(p.requires_grad for p in model.latent_actions.parameters())


def test_the_ladder_is_of_one_batch() -> None:
    """What tokens carry, and by which layers, changes their loss and that of the video."""
    found = [loss_of(*ready(**changes)) for changes in ({}, JOINT, REAL)]
    assert len({one["world_action"] for one in found}) == 3
    assert len({one["generation"] for one in found}) == 3


def test_without_the_loss_nothing_is_known_of_actions() -> None:
    """The first rung on the weights of the others: what they carry changes nothing."""
    model = world_action_model()
    stage = load_stage("1", overrides={"weights": {"generation": 1.0, "world_action": 0.0}})
    set_trainable(model, stage)
    found = loss_of(model, stage)
    assert "world_action" not in found and found["loss"] == found["generation"]
    assert model.latent_actions is not None
    with torch.no_grad():
        for parameter in model.latent_actions.parameters():
            parameter.normal_()
    assert loss_of(model, stage) == found
    features, targets = batch(8)
    stage_loss(model, stage, features, targets, seeded())[0].backward()
    learn = {n for n, p in model.named_parameters() if p.requires_grad and p.grad is None}
    assert all(".mid_heads." in name for name in learn)


def test_tokens_carry_the_action_between_latents() -> None:
    model, _ = ready()
    latents, targets = latents_of(model)
    acted = noised_actions(model, latents, targets, seeded(), model.layout())
    assert acted is not None and model.latent_actions is not None
    times = acted.tokens.times[..., None]
    noise = acted.target + (acted.tokens.values - times * acted.target)  # noise = clean + target
    clean = acted.tokens.values - times * acted.target
    torch.testing.assert_close((1 - times) * clean + times * noise, acted.tokens.values)
    raw = 2 * latents[:, :, 3:]  # the codec's spread is 2, its mean 0
    tokens = model.latent_actions.scaled(latent_tokens(raw))
    first, second = tokens[3:4, 5], tokens[3:4, 6]
    wanted = model.latent_actions.standard(model.latent_actions.action(first, second))
    torch.testing.assert_close(clean[3, 5], wanted[0], atol=1e-4, rtol=1e-4)


def test_real_tokens_carry_the_motion_of_the_trajectory() -> None:
    model, _ = ready(**REAL)
    latents, targets = latents_of(model)
    acted = noised_actions(model, latents, targets, seeded(), model.layout())
    assert acted is not None and model.latent_actions is not None
    times = acted.tokens.times[..., None]
    clean = acted.tokens.values - times * acted.target
    motion = plan_motion(targets["trajectory"], 1, 8)
    wanted = model.latent_actions.standard_motion(motion)
    torch.testing.assert_close(clean, wanted, atol=1e-4, rtol=1e-4)
    with pytest.raises(DataError, match="clips have no trajectory"):
        noised_actions(model, latents, {}, seeded(), model.layout())


def test_samples_know_their_actions_or_nothing_or_something() -> None:
    model, _ = ready()
    latents, targets = latents_of(model)
    kinds = {"known": 0, "unknown": 0, "noised": 0}
    for number in range(40):
        acted = noised_actions(model, latents, targets, seeded(number), model.layout())
        assert acted is not None
        times = acted.tokens.times
        known, unknown = (times == 0).all(dim=1), (times == 1).all(dim=1)
        kinds["known"] += int(known.sum())
        kinds["unknown"] += int(unknown.sum())
        kinds["noised"] += int((~known & ~unknown).sum())
    assert all(80 < count < 135 for count in kinds.values()), kinds


def test_the_loss_is_over_noised_tokens_alone() -> None:
    model, _ = ready()
    latents, targets = latents_of(model)
    acted = noised_actions(model, latents, targets, seeded(), model.layout())
    assert acted is not None
    oracle = VideoOutput(actions=acted.target)
    assert float(acted.loss(oracle)) == 0
    wrong = torch.where((acted.tokens.times == 0)[..., None], acted.target + 5, acted.target)
    assert float(acted.loss(VideoOutput(actions=wrong))) == 0
    moved = torch.where((acted.tokens.times > 0)[..., None], acted.target + 2, acted.target)
    assert float(acted.loss(VideoOutput(actions=moved))) == pytest.approx(4)


def test_chunk_lengths_are_drawn_and_share_weights() -> None:
    model, _ = ready(options={"chunk": 4, "action_ff": 16})
    like = torch.zeros(1)
    found = [drawn_chunk(model, seeded(number), like)["chunk"] for number in range(40)]
    assert set(found) == {1, 2, 3, 4}
    other, _ = ready(options={"chunk": 1, "action_ff": 16})
    other.load_state_dict(model.state_dict())
    assert drawn_chunk(micro_model(), seeded(), like) == {}


def forced(share: float, **changes: Any) -> tuple[ReWorldModel, TrainingStage]:
    model = world_action_model(trained=True, **changes)
    stage = load_stage("1", model_overrides=CHUNKS, overrides={"teacher_forcing": share})
    set_trainable(model, stage)
    return model, stage


def test_past_chunks_are_clean_in_a_share_of_batches() -> None:
    model, stage = forced(0.5)
    layout, (latents, targets) = model.layout(), latents_of(model)
    tokens, rng = pack(latents), seeded()
    assert rng.generator is not None
    before = rng.generator.get_state()
    assert clean_past(0.0, tokens, None, rng, layout.grid) == {}
    assert torch.equal(rng.generator.get_state(), before)  # other losses are what they were
    found = [clean_past(0.5, tokens, None, seeded(n), layout.grid) for n in range(40)]
    assert 10 < sum("clean" in one for one in found) < 30
    acted = noised_actions(model, latents, targets, seeded(), layout)
    clean = clean_past(1.0, tokens, acted, seeded(), layout.grid)["clean"]
    assert acted is not None and clean.actions is acted.past
    assert torch.equal(clean.latents, tokens[:, 4 * layout.grid.cells :])
    assert stage_table(stage)["teacher_forcing"] == 0.5
    assert "teacher_forcing" not in stage_table(load_stage("1"))


def test_actions_of_past_chunks_are_clean_or_unknown_as_when_imagining() -> None:
    model, _ = ready()
    latents, targets = latents_of(model)
    for number in range(6):
        acted = noised_actions(model, latents, targets, seeded(number), model.layout())
        assert acted is not None
        unknown = (acted.tokens.times == 1).all(dim=1)
        assert torch.equal(acted.past.times, unknown[:, None].float().expand(-1, 8))
        clean = acted.tokens.values - acted.tokens.times[..., None] * acted.target
        wanted = torch.where(unknown[:, None, None], acted.tokens.values, clean)
        torch.testing.assert_close(acted.past.values, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("changes", [{}, JOINT, REAL], ids=["latent", "joint", "real"])
def test_teacher_forcing_teaches_all_that_is_used(changes: dict[str, Any]) -> None:
    model, stage = forced(1.0, **changes)
    features, targets = batch(8)
    loss, logs = stage_loss(model, stage, features, targets, seeded())
    loss.backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
    assert loss_of(*ready(**changes))["generation"] != pytest.approx(float(logs["generation"]))


def test_memory_is_counted_with_the_clean_past() -> None:
    """On fake tensors, which no number can be read from."""
    config, stage = world_action_config(), load_stage("1")
    plan = StepPlan(config, stage, scenes=2)
    plain = run_counted(plan)
    forced = run_counted(plan.replaced(stage=replace(stage, teacher_forcing=0.5)))
    assert forced.weights == plain.weights and forced.saved > 1.3 * plain.saved


def test_a_model_without_chunks_is_not_forced() -> None:
    with pytest.raises(ConfigError, match="teacher_forcing=1 without chunks"):
        load_stage("1", overrides={"teacher_forcing": 1.0})
    with pytest.raises(ConfigError, match="teacher_forcing must be from 0 to 1"):
        load_stage("1", model_overrides=CHUNKS, overrides={"teacher_forcing": 1.5})


def test_a_few_steps_lower_both_losses() -> None:
    model, stage = ready()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 3e-3)
    features, targets = batch(8)
    before = loss_of(model, stage, 99)
    for number in range(40):
        optimizer.zero_grad()
        stage_loss(model, stage, features, targets, seeded(number))[0].backward()
        optimizer.step()
    after = loss_of(model, stage, 99)
    assert after["generation"] < before["generation"]
    assert after["world_action"] < before["world_action"]


def test_nothing_of_the_future_enters_planning() -> None:
    """Neither its images nor an action of it: plans are those of the history."""
    model = world_action_model(trained=True).eval()
    torch.nn.init.normal_(model.action_dit.proj_out.weight)
    features, _ = batch(4)
    plain = model.plan(features)
    scrambled = {**features, "future_images": torch.randint(0, 255, (4, 8, 3, 32, 48))}
    assert torch.equal(model.plan(scrambled), plain)
    assert model.latent_actions is not None
    with torch.no_grad():
        for parameter in model.latent_actions.parameters():
            parameter.normal_()
    assert torch.equal(model.plan(features), plain)


def test_the_second_stage_goes_on_from_the_first_with_fresh_layers(tmp_path: Path) -> None:
    stage = load_stage("1")
    first = world_action_model(trained=True)
    set_trainable(first, stage)
    optimizer = torch.optim.AdamW([p for p in first.parameters() if p.requires_grad], 1e-2)
    features, targets = batch(8)
    untouched = {
        name: value.clone()
        for name, value in first.video_dit.state_dict().items()
        if ".real." in name
    }
    stage_loss(first, stage, features, targets, seeded())[0].backward()
    optimizer.step()
    finish_stage(first, stage)
    first.save_pretrained(tmp_path)
    second = start_model(world_action_config(**REAL), stage, tmp_path)
    state = second.video_dit.state_dict()
    assert all(torch.equal(state[name], value) for name, value in untouched.items())
    same = first.video_dit.state_dict()
    assert all(torch.equal(state[name], value) for name, value in same.items())
    assert second.history == ["statistics", "1"]
    frozen = weights_hash(second.latent_actions), weights_hash(second.codec)
    stage_loss(second, stage, features, targets, seeded())[0].backward()
    assert second.video_dit.action_in["latent"].weight.grad is None
    assert second.video_dit.action_in["real"].weight.grad is not None
    assert (weights_hash(second.latent_actions), weights_hash(second.codec)) == frozen


def test_untrained_or_foreign_latent_actions_are_refused(tmp_path: Path) -> None:
    stage, model = load_stage("1"), world_action_model()
    model.save_pretrained(tmp_path / "none")
    with pytest.raises(ConfigError, match="latent actions are not trained"):
        prepare_stage(world_action_model(), stage, tmp_path / "none")
    model = world_action_model(trained=True)
    torch.nn.init.normal_(model.codec.components)
    model.save_pretrained(tmp_path / "other")
    with pytest.raises(ConfigError, match="another codec's latents"):
        prepare_stage(world_action_model(), stage, tmp_path / "other")


def changed(**parts: dict[str, Any] | None) -> ModelConfig:
    values = world_action_config().to_dict()
    for name, change in parts.items():
        values[name] = None if change is None else values[name] | change
    return ModelConfig.from_dict(values)


def test_models_that_cannot_have_actions_are_refused() -> None:
    cases: list[tuple[dict[str, dict[str, Any] | None], str]] = [
        ({"video": {"backbone": "ltx", "options": {}, "action_numbers": 0}}, "backbone=ltx"),
        ({"actions": None, "video": {"action_numbers": 0}}, "world_action without actions"),
        ({"clip": {"encoding": "per_frame"}}, "per_frame"),
        ({"actions": {"numbers": 0}}, "actions.numbers = 0"),
        ({"actions": {"layers": 1}}, "actions.layers = 1"),
        ({"actions": {"transport": "hard"}}, "transport=hard"),
        ({"actions": {"tokens": "planned"}}, "tokens=planned"),
        ({"video": {"options": {"chunk": 0}}}, "options.chunk = 0"),
        ({"video": {"options": {"window": 2}}}, "options.window = 2 without chunk"),
        ({"video": {"options": {"chunk": 4, "window": 4}}}, "nothing of the past would be seen"),
        ({"video": {"options": {"chunk": 4, "window": 0}}}, "options.window = 0"),
        ({"video": {"action_numbers": 0}, "actions": {"numbers": 13, "tokens": "joint"}}, "12 ch"),
    ]
    for parts, message in cases:
        with pytest.raises(UsageError, match=message):
            changed(**parts)
    values = world_action_config().to_dict()
    with pytest.raises(UsageError, match="3 cameras"):
        ModelConfig.from_dict({**values, "cameras": "three"})


def test_clips_of_other_sizes_are_refused() -> None:
    model, _ = ready()
    latents = torch.zeros(2, 12, 12, 3, 3)
    with pytest.raises(ConfigError, match="latents of 9 cells, latent actions of 6"):
        layout = model.layout()
        grid = type(layout.grid)(4, 8, 3, 3)
        noised_actions(model, latents, {}, seeded(), type(layout)(grid, layout.coords))
    phase = {"share": 1.0, "clip": {"height": 32, "width": 48}}
    stage = load_stage("1", overrides={"phases": [phase]})
    with pytest.raises(ConfigError, match="phases of other clips"):
        stage.check(world_action_config())


def test_records_are_as_before_without_action_tokens() -> None:
    assert "world_action" not in stage_table(load_stage("1"))["weights"]
    other = load_stage("1", overrides={"weights": {"generation": 1.0, "world_action": 2.0}})
    assert stage_table(other)["weights"]["world_action"] == 2
    assert pack(torch.zeros(1, 12, 12, 2, 3)).shape == (1, 72, 12)
