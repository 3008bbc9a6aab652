"""The loss of each stage: what it reads, what it moves, and that it can be overfitted."""

from __future__ import annotations

import pytest
import torch

from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.model import ReWorldModel
from reworld_agent.training.losses import stage_loss
from reworld_agent.training.prepare import set_trainable
from reworld_agent.training.stages import TrainingStage, load_stage
from tests.model.micro import batch, micro_model


def ready(stage: str, **overrides: object) -> tuple[ReWorldModel, TrainingStage]:
    """A micro model whose gradients are set for a stage."""
    settings = load_stage(stage, overrides=overrides)
    model = micro_model()
    set_trainable(model, settings)
    return model, settings


def seeded(number: int = 0) -> torch.Generator:
    """The noise and times of a test."""
    return torch.Generator().manual_seed(number)


def negatives(targets: dict[str, torch.Tensor], valid: bool = True) -> dict[str, torch.Tensor]:
    """Targets with a hard negative 1.5 m to the left of the expert."""
    shift = torch.tensor([0.0, 1.5, 0.1])
    mask = torch.full((len(targets["trajectory"]),), valid)
    return {
        **targets,
        "hard_negative": targets["trajectory"] + shift,
        "hard_negative_valid": mask,
    }


@pytest.mark.parametrize("stage", ["1", "planner", "2", "3"])
def test_gradients_reach_what_is_trained_and_nothing_else(stage: str) -> None:
    model, settings = ready(stage)
    torch.nn.init.normal_(model.action_dit.proj_out.weight)
    features, targets = batch(4)
    loss, logs = stage_loss(model, settings, features, negatives(targets), seeded())
    loss.backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
    trained = {n.split(".")[0] for n, p in model.named_parameters() if p.grad is not None}
    assert trained == set(settings.trainable)
    assert float(logs["loss"]) == pytest.approx(float(loss.detach()))


def test_loss_is_the_weighted_sum_of_its_terms() -> None:
    features, targets = batch(4)
    expected = {
        "1": {"generation": 1.0, "intermediate": 0.5},
        "planner": {"action_flow": 1.0},
        "2": {"action_flow": 1.0, "alignment": 0.05},
        "3": {"action_flow": 1.0, "repulsion": 0.4},
    }
    for stage, weights in expected.items():
        model, settings = ready(stage)
        _, logs = stage_loss(model, settings, features, negatives(targets), seeded())
        total = sum(weight * float(logs[name]) for name, weight in weights.items())
        assert float(logs["loss"]) == pytest.approx(total, rel=1e-5)


def test_same_seed_same_loss() -> None:
    model, settings = ready("1")
    features, targets = batch(2)
    losses = [
        float(stage_loss(model, settings, features, targets, seeded(n))[0]) for n in (0, 0, 1)
    ]
    assert losses[0] == losses[1] != losses[2]


def test_future_images_never_reach_the_planner() -> None:
    model, settings = ready("planner")
    features, targets = batch(2)
    other = {**targets, "future_images": targets["future_images"].flip(0)}
    without = {"trajectory": targets["trajectory"]}
    losses = {
        float(stage_loss(model, settings, features, t, seeded())[0])
        for t in (targets, other, without)
    }
    assert len(losses) == 1


def test_stage_1_without_future_images_says_what_is_needed() -> None:
    model, settings = ready("1")
    features, targets = batch(2)
    with pytest.raises(DataError, match=r"no future images[\s\S]*navtrain has none"):
        stage_loss(model, settings, features, {"trajectory": targets["trajectory"]})


def test_no_negative_in_the_batch_leaves_the_imitation_loss() -> None:
    model, settings = ready("3")
    features, targets = batch(2)
    for found in (targets, negatives(targets, valid=False)):
        loss, logs = stage_loss(model, settings, features, found, seeded())
        assert float(loss) == pytest.approx(float(logs["action_flow"]))
        assert float(logs["negatives"]) == 0


def overfit(stage: str, term: str, steps: int, **overrides: object) -> float:
    """Share of a term that is left after training on 8 scenes with fixed noise and times."""
    model, settings = ready(stage, noise_draws=1, **overrides)
    features, targets = batch(8)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 4e-3)
    values = []
    for _ in range(steps):
        loss, logs = stage_loss(model, settings, features, negatives(targets), seeded())
        values.append(float(logs[term]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return values[-1] / values[0]


def test_flow_loss_can_be_overfitted() -> None:
    assert overfit("planner", "action_flow", 60) < 0.05


def test_generation_and_intermediate_loss_can_be_overfitted() -> None:
    only = {"generation": 1.0, "intermediate": 0.0}
    assert overfit("1", "generation", 60, weights=only) < 0.05
    only = {"generation": 0.0, "intermediate": 1.0}
    assert overfit("1", "intermediate", 60, weights=only) < 0.05


def test_alignment_can_be_overfitted() -> None:
    only = {"alignment": 1.0}
    assert overfit("2", "alignment", 60, weights=only) < 0.2


def test_repulsion_moves_the_plan_away_from_its_negative() -> None:
    only = {"repulsion": 1.0}
    assert overfit("3", "repulsion", 20, weights=only) > 1.2  # the loss is negative, and grows


def test_a_share_of_samples_is_pure_noise_throughout() -> None:
    times = {}
    for share in (0.0, 1.0):
        model, settings = ready("1", noise_share=share, video_times="sample")
        seen: list[torch.Tensor] = []
        model.video_dit.register_forward_pre_hook(
            lambda _, args, kwargs, seen=seen: seen.append(kwargs["timestep"]), with_kwargs=True
        )
        stage_loss(model, settings, *batch(4), seeded())
        times[share] = seen[0]
    history = model.grid.history
    assert (times[1.0][:, history:] == 1000).all() and (times[1.0][:, :history] == 0).all()
    assert not (times[0.0][:, history:] == 1000).any()
    with pytest.raises(ConfigError, match="noise_share"):
        load_stage("1", overrides={"noise_share": 1.5})


def test_dropped_states_give_way_to_the_mean_of_the_batch() -> None:
    """All dropped: the loss is that of scenes which all have the mean of their states."""
    model, settings = ready("planner", state_drop=1.0, context_drop=0.0, caption_drop=0.0)
    torch.nn.init.normal_(model.action_dit.proj_out.weight)
    features, targets = batch(8)
    states = torch.stack(model.planning_states(features), dim=1)
    own = {"ego": features["ego"], "states": states}
    mean = {**own, "states": states.mean(dim=0, keepdim=True).expand_as(states)}
    kept = load_stage("planner", overrides={"state_drop": 0.0, "context_drop": 0.0})
    draws = torch.rand(8, generator=(same := seeded()))  # that state_drop takes first
    assert draws.max() < 1
    dropped = stage_loss(model, settings, own, targets, seeded())[0]
    torch.testing.assert_close(dropped, stage_loss(model, kept, mean, targets, same)[0])
    assert not torch.isclose(dropped, stage_loss(model, kept, own, targets, seeded())[0])
    few = {"ego": own["ego"][:4], "states": own["states"][:4]}
    wanted = {name: values[:4] for name, values in targets.items()}
    drawn = seeded()
    torch.rand(4, generator=drawn)
    alone = stage_loss(model, kept, few, wanted, drawn)[0]
    torch.testing.assert_close(stage_loss(model, settings, few, wanted, seeded())[0], alone)
    settings.check_forward(8)
    with pytest.raises(ConfigError, match="mean over the 4 scenes"):
        settings.check_forward(4)
