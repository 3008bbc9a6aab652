"""Agents as other people write them: what the devkit takes runs here, and what fails says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from reworld_agent.baselines import ConstantVelocityAgent
from reworld_agent.compat import AbstractAgent, AgentInput, SensorConfig, Trajectory
from reworld_agent.core.errors import ConfigError, WeightsError
from reworld_agent.core.provenance import weights_hash
from reworld_agent.evaluation.agent_choice import AgentChoice
from reworld_agent.evaluation.agents import build_agent, build_agents
from tests.evaluation.fakes import FakeScorer
from tests.evaluation.test_run import _config, run

HERE = "tests.evaluation.test_agents"


class NeverInitialised(AbstractAgent):
    """As the devkit's constant_velocity_agent is: it never calls Module.__init__."""

    requires_scene = False

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed

    def name(self) -> str:
        return "never_initialised"

    def initialize(self) -> None:
        pass

    def get_sensor_config(self) -> SensorConfig:
        return SensorConfig.build_no_sensors()

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        poses = np.zeros((8, 3), dtype=np.float32)
        poses[:, 0] = self._speed * np.arange(1, 9)
        return Trajectory(poses)


class Unfinished(AbstractAgent):
    """Never says whether it sees the scene, and asks for a sensor that there is not."""

    def __init__(self, sensors: bool = True) -> None:
        vars(self)["sensors"] = sensors

    def name(self) -> str:
        return "unfinished"

    def initialize(self) -> None:
        pass

    def get_sensor_config(self) -> SensorConfig:
        if not vars(self)["sensors"]:
            raise TypeError("nothing of this name")
        return SensorConfig.build_no_sensors()


class Blind(ConstantVelocityAgent):
    """Forgets to return what it wants to see."""

    def get_sensor_config(self) -> SensorConfig:
        return None  # type: ignore[return-value]


class Learned(ConstantVelocityAgent):
    """Takes weights as the devkit's agents do: from a torch file with a state_dict."""

    def __init__(self, checkpoint_path: str | None = None, rate: float = 1e-4) -> None:
        super().__init__()
        self.layer, self.checkpoint_path = nn.Linear(1, 1), checkpoint_path

    def initialize(self) -> None:
        found = torch.load(self.checkpoint_path, weights_only=True)  # type: ignore[arg-type]
        self.load_state_dict(found["state_dict"])


def test_an_agent_that_never_calls_its_modules_constructor(
    small_split: Path, scorer: FakeScorer, tmp_path: Path
) -> None:
    cfg = _config(tmp_path / "out", f"{HERE}.NeverInitialised")
    assert run(cfg) == 0
    assert pd.read_parquet(tmp_path / "out" / "pdm_scores.parquet")["valid"].all()
    cfg.agent.speed = 2.0
    with pytest.raises(ConfigError, match=r"unfinished run with another arguments"):
        run(cfg)  # a plan of other arguments is another plan
    cfg.resume = False
    assert run(cfg) == 0
    plans = pd.read_parquet(tmp_path / "out" / "trajectories.parquet")
    assert plans["poses"].iloc[0][0] == 2.0


def test_weights_count_by_what_they_are_and_not_by_their_file(
    small_split: Path, scorer: FakeScorer, tmp_path: Path
) -> None:
    state = {f"layer.{key}": value for key, value in nn.Linear(1, 1).state_dict().items()}
    for name in ("one.ckpt", "moved.ckpt"):
        torch.save({"state_dict": state}, tmp_path / name)
    cfg = _config(tmp_path / "out", f"{HERE}.Learned", scene_filter={"max_scenes": 1})
    for name in ("one.ckpt", "moved.ckpt"):
        cfg.agent.checkpoint_path = str(tmp_path / name)
        assert run(cfg) == 0
    assert len(scorer.scored) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "has no attribute 'requires_scene'"),
        ({"sensors": False}, "TypeError: .*nothing"),
        ({"_target_": f"{HERE}.Blind"}, "'NoneType' object has no attribute 'cam_f0'"),
    ],
)
def test_an_agent_that_lacks_what_is_asked_of_it(arguments: dict[str, Any], message: str) -> None:
    given = {"_target_": f"{HERE}.Unfinished", **arguments}
    choice = AgentChoice("unfinished", given)
    with pytest.raises(ConfigError, match=f"cannot be asked for its plans.*{message}"):
        build_agents([choice])


class WithExtraState(nn.Linear):
    """A state_dict that holds more than tensors."""

    def get_extra_state(self) -> Any:
        return {"version": 3}

    def set_extra_state(self, state: Any) -> None:
        pass


def in_a_list(module: nn.Module) -> NeverInitialised:
    """An agent that hides its network from nn.Module."""
    agent = NeverInitialised()
    vars(agent)["networks"] = [module]
    return agent


@pytest.mark.parametrize(
    "make",
    [
        lambda: WithExtraState(2, 2),
        lambda: in_a_list(nn.Linear(2, 2)),
        lambda: nn.Linear(2, 2, dtype=torch.bfloat16),
        lambda: nn.Sequential(nn.Linear(2, 2), nn.LazyLinear(2), nn.Linear(2, 2, device="meta")),
        lambda: nn.ParameterDict({"weight": nn.Parameter(torch.randn(2, 2).to_sparse())}),
    ],
    ids=["extra state", "in a list", "bfloat16", "lazy and meta", "sparse"],
)
def test_weights_of_any_kind_have_a_hash(make: Any) -> None:
    found = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        found.append(weights_hash(make()))
    assert len(found[0]) == 64 and found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"checkpoint_path": None}, r"AttributeError: .*\n  next: .*agent.checkpoint_path=FILE"),
        ({"checkpoint_path": "/none.ckpt"}, r"from /none.ckpt: FileNotFoundError.*\n  next: check"),
    ],
)
def test_weights_that_somebodys_agent_cannot_load(arguments: dict[str, Any], message: str) -> None:
    choice = AgentChoice("learned", {"_target_": f"{HERE}.Learned", **arguments})
    with pytest.raises(WeightsError, match=r"the agent 'learned' cannot be init.*" + message):
        build_agents([choice])


@pytest.mark.parametrize(
    ("module", "hint"),
    [
        ("no_such_devkit.agents", "its package is installed, or its folder on PYTHONPATH"),
        ("needs_timm", "install timm_of_nobody, which the code of needs_timm.Agent imports"),
        ("nothing_inside", "nothing_inside has no Agent"),
    ],
)
def test_an_agent_that_cannot_be_imported_says_what_to_do(
    module: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_timm.py").write_text("import timm_of_nobody.models\nclass Agent: ...\n")
    (tmp_path / "nothing_inside.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=hint):
        build_agent(AgentChoice("x", {"_target_": f"{module}.Agent"}))
