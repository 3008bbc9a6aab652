"""Training of other agents than ours: as the devkit does it, resumed, validated, then scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, DistributedSampler

from reworld_agent.baselines import EgoStatusMLPAgent
from reworld_agent.compat import Scene
from reworld_agent.core.errors import ConfigError, DataError, UsageError
from reworld_agent.evaluation.compose import TRAIN, compose
from reworld_agent.training import AgentTrainRun, run
from reworld_agent.training.agents.module import WEIGHTS, AgentModule
from reworld_agent.training.agents.samples import AgentSamples
from reworld_agent.training.from_config import settings_of
from reworld_agent.training.loop.records import CHECKPOINT
from tests.scenes.small_logs import SPLIT
from tests.training.agents import SomebodysAgent
from tests.training.test_data import small_loader
from tests.training.test_run import small_split

__all__ = ["small_split"]  # the fixture of this module too


def config(output: Path, *more: str) -> AgentTrainRun:
    """A run of the blind baseline on the small split: two batches of up to four scenes an epoch."""
    words = [
        "agent=ego_status_mlp",
        f"train_test_split.data_split={SPLIT}",
        f"output_dir={output}",
        "dataloader.params.batch_size=4",
        "trainer.params.accelerator=cpu",
        "+trainer.params.enable_progress_bar=false",
        *more,
    ]
    settings = settings_of(compose(words, TRAIN), {"agent": "ego_status_mlp"})
    assert isinstance(settings, AgentTrainRun)
    return settings


def somebodys(output: Path, *more: str) -> AgentTrainRun:
    """The same of an agent that draws and has a schedule."""
    settings = config(output, *more)
    target = {"_target_": "tests.training.agents.SomebodysAgent"}
    return settings.replaced(agent=type(settings.agent)("somebodys", target))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / WEIGHTS, weights_only=True)["state_dict"]
    return state


def test_an_agent_is_trained_as_the_devkit_trains_it(tmp_path: Path) -> None:
    trained = run(config(tmp_path / "run", "trainer.params.max_epochs=2", "seed=3"))
    assert (trained.title, trained.weights) == ("agent ego_status_mlp", tmp_path / "run" / WEIGHTS)
    torch.manual_seed(3)
    agent = EgoStatusMLPAgent(learning_rate=1e-4)
    loader = small_loader(tmp_path)
    samples = AgentSamples(agent, loader)
    sampler: Any = DistributedSampler(samples, 1, 0, shuffle=True, seed=3)
    optimizer = agent.get_optimizers()
    counts = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        for features, targets in DataLoader(samples, 4, sampler=sampler):
            loss = agent.compute_loss(features, targets, agent.forward(features))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            counts.append(len(targets["trajectory"]))
    assert counts == [4, 2, 4, 2]
    found = weights(tmp_path / "run")
    assert found.keys() == {f"agent.{name}" for name in agent.state_dict()}
    assert all(torch.equal(found[f"agent.{k}"], v) for k, v in agent.state_dict().items())
    again = EgoStatusMLPAgent(checkpoint_path=str(trained.weights))
    again.initialize()
    assert all(torch.equal(v, agent.state_dict()[k]) for k, v in again.state_dict().items())
    assert run(config(tmp_path / "run", "trainer.params.max_epochs=2", "seed=3")).earlier
    with pytest.raises(ConfigError, match="other settings: epochs: it has 2, config has 3"):
        run(config(tmp_path / "run", "trainer.params.max_epochs=3", "seed=3"))


def test_a_resumed_run_ends_in_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["trainer.params.max_epochs=4", "checkpoint_steps=1"]
    words += [f"validation.split={SPLIT}", "validation.every=4"]
    SomebodysAgent.counter.scenes.clear()
    run(somebodys(tmp_path / "straight", *words))
    assert SomebodysAgent.counter.scenes == [4, 2] * 4
    step = AgentModule.training_step

    def fail(self: AgentModule, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.current_epoch == 2 and batch_idx == 1:
            raise OSError("power cut")
        return step(self, batch, batch_idx)

    with monkeypatch.context() as cut:
        cut.setattr(AgentModule, "training_step", fail)
        with pytest.raises(OSError, match="power cut"):
            run(somebodys(tmp_path / "broken", *words))
    assert (tmp_path / "broken" / CHECKPOINT).is_file()
    run(somebodys(tmp_path / "broken", *words))
    one, other = weights(tmp_path / "straight"), weights(tmp_path / "broken")
    assert all(torch.equal(one[key], other[key]) for key in one)
    tables = [pd.read_csv(tmp_path / name / "validation.csv") for name in ("straight", "broken")]
    assert tables[0]["step"].tolist() == [4, 8] and {"loss", "ade_m", "fde_m"} <= set(tables[0])
    pd.testing.assert_frame_equal(tables[0], tables[1])


def test_an_agent_of_a_fork_gives_its_loss_by_its_terms(tmp_path: Path) -> None:
    settings = config(tmp_path, "trainer.params.max_epochs=1", "seed=3", "validation.every=1")
    settings = settings.replaced(validation=settings.validation.replaced(hold_out=0.5))
    target = {"_target_": "tests.training.agents.ForksAgent"}
    run(settings.replaced(agent=type(settings.agent)("forks", target)))
    row = pd.read_csv(tmp_path / "validation.csv").iloc[-1]
    assert row["loss"] == pytest.approx(2 * row["trajectory_loss"])


def test_logs_are_held_out_and_steps_are_an_end(tmp_path: Path) -> None:
    words = ["trainer.params.max_steps=3", "validation.hold_out=0.5", "validation.every=1"]
    run(config(tmp_path, *words))
    table = pd.read_csv(tmp_path / "validation.csv")
    assert table["step"].tolist() == [1, 2, 3]  # three scenes are left: one batch an epoch
    assert config(tmp_path).epochs == 100 and config(tmp_path, *words).epochs is None


def test_samples_are_kept_as_far_as_memory_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = small_loader(tmp_path)
    asked: list[str] = []
    read = loader.get_scene_from_token

    def noted(token: str) -> Scene:
        asked.append(token)
        return read(token)

    monkeypatch.setattr(loader, "get_scene_from_token", noted)
    samples = AgentSamples(EgoStatusMLPAgent(hidden_size=4), loader)
    samples._free = 2 * 4 * (8 + 24)  # two scenes of 32 numbers
    first = [samples[number] for number in range(4)]
    again = [samples[number] for number in range(4)]
    assert asked == loader.tokens[:4] + loader.tokens[2:4]
    for (features, targets), (same, too) in zip(first, again, strict=True):
        assert torch.equal(features["ego_status"], same["ego_status"])
        assert torch.equal(targets["trajectory"], too["trajectory"])


def test_a_loss_that_is_not_finite_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, *batch: Any) -> torch.Tensor:
        return self.mlp[0].weight.sum() * float("nan")

    monkeypatch.setattr(EgoStatusMLPAgent, "compute_loss", broken)
    with pytest.raises(DataError, match="the loss is nan at step 0"):
        run(config(tmp_path, "trainer.params.max_epochs=1"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["clips=index.parquet"], "clips=index.parquet with agent=ego_status_mlp"),
        (["stage=2"], "stage=2 with agent=ego_status_mlp"),
        (["protocol=table2"], "protocol=table2 with agent"),
        (["trainer.params.strategy=fsdp2"], "strategy=fsdp2 with agent"),
        (["+agent.depth=3"], r"agent.depth= is not an argument of .*EgoStatusMLPAgent"),
        (["validation.split=nowhere"], "no navsim_logs/nowhere"),
    ],
)
def test_mistakes_are_refused(words: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        config(tmp_path, *words)


def test_an_agent_without_builders_is_refused(tmp_path: Path) -> None:
    settings = config(tmp_path)
    human = {"_target_": "reworld_agent.baselines.HumanAgent"}
    with pytest.raises(
        UsageError, match=r"agent=human cannot be trained: it has no get_feature_builders"
    ):
        run(settings.replaced(agent=type(settings.agent)("human", human)))


@pytest.mark.devkit
def test_an_agent_of_the_devkit(tmp_path: Path) -> None:
    """As its own run_training.py has it: agent=ego_status_mlp_agent."""
    theirs = pytest.importorskip(
        "navsim.agents.ego_status_mlp_agent", reason="needs the stock NAVSIM devkit"
    )
    settings = config(tmp_path / "run", "trainer.params.max_epochs=1")
    sampling = "nuplan.planning.simulation.trajectory.trajectory_sampling.TrajectorySampling"
    target = {
        "_target_": "navsim.agents.ego_status_mlp_agent.EgoStatusMLPAgent",
        "trajectory_sampling": {"_target_": sampling, "time_horizon": 4, "interval_length": 0.5},
        "hidden_layer_dim": 16,
        "lr": 1e-3,
    }
    trained = run(settings.replaced(agent=type(settings.agent)("ego_status_mlp_agent", target)))
    agent = theirs.EgoStatusMLPAgent(
        hidden_layer_dim=16,
        lr=1e-3,
        trajectory_sampling=theirs.TrajectorySampling(time_horizon=4, interval_length=0.5),
        checkpoint_path=str(trained.weights),
    )
    agent.initialize()
    found = weights(tmp_path / "run")
    assert all(torch.equal(found[f"agent.{k}"], v) for k, v in agent.state_dict().items())
