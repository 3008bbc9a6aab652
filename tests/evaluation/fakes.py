"""Agents and a scorer for tests of the machinery around them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reworld_agent.baselines import ConstantVelocityAgent
from reworld_agent.compat import AgentInput, SensorConfig, Trajectory
from reworld_agent.core.errors import DataError
from reworld_agent.pdm import batch
from reworld_agent.pdm.cache_io import sources
from reworld_agent.pdm.metrics import columns
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.scenes.frame_checks import validate_frame
from reworld_agent.scenes.log_index import find_frame
from reworld_agent.scenes.logs import load_log


class LookingAgent(ConstantVelocityAgent):
    """Constant velocity with the front camera open."""

    def get_sensor_config(self) -> SensorConfig:
        config = SensorConfig.build_no_sensors()
        config.cam_f0 = [0, 1, 2, 3]
        return config


class FailingAgent(ConstantVelocityAgent):
    """Never plans."""

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        raise RuntimeError("no plan today")


class UnbuiltAgent(ConstantVelocityAgent):
    """Cannot be made."""

    def __init__(self) -> None:
        raise ValueError("no luck")


class BatchAgent(ConstantVelocityAgent):
    """Plans batches; remembers their sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.fallback_reasons: list[str | None] = []

    def compute_trajectories(self, agent_inputs: list[AgentInput]) -> list[Trajectory]:
        self.batches.append(len(agent_inputs))
        self.fallback_reasons = [None] * len(agent_inputs)
        return [self.compute_trajectory(agent_input) for agent_input in agent_inputs]


@dataclass
class FakeCache:
    """Remembers its token and origin; saves as a file that holds them."""

    token: str
    origin: str = ""

    def save(self, path: Path) -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{self.token} {self.origin}", encoding="utf-8")
        return self.origin


_READ = SceneCache.read


class FakeScorer:
    """In place of `reworld_agent.pdm`: the score of a trajectory is its first x over 100.

    Attributes:
        scored: tokens, one entry a trajectory.
        built: tokens whose cache was built.
        bad: tokens that cannot be built.
    """

    def __init__(self) -> None:
        self.scored: list[str] = []
        self.built: list[str] = []
        self.bad: set[str] = set()

    def build(self, data_root: Path, maps_root: Path, data_split: str, token: str) -> FakeCache:
        if token in self.bad:
            raise DataError(f"scene {token} has no route", "leave it out")
        path, index = find_frame(Path(data_root) / "navsim_logs" / data_split, token)
        for frame in load_log(path)[index : index + 11]:
            validate_frame(frame, path)
        self.built.append(token)
        return FakeCache(token)

    def read(self, path: Path) -> tuple[Any, str]:
        if path.read_bytes().startswith(b"PK"):  # the golden scene's
            return _READ(path)
        token, _, origin = path.read_text(encoding="utf-8").partition(" ")
        if token != path.stem:
            raise DataError(f"{path}: not a whole scene cache")
        return FakeCache(token, origin), origin

    def score(
        self,
        cache: FakeCache,
        poses: np.ndarray,
        protocol: str,
        explain: bool = False,
        interval_s: float | None = None,
    ) -> dict[str, Any]:
        self.scored += [cache.token] * len(poses)
        first = poses[:, 0, 0] / 100
        values = {
            name: first.copy() if name.endswith("score") else np.ones(len(poses))
            for name in columns(protocol)
        }
        return {**values, "progress_m": poses[:, -1, 0]}

    def install(self, monkeypatch: pytest.MonkeyPatch) -> FakeScorer:
        monkeypatch.setattr(sources, "build_scene_cache", self.build)
        monkeypatch.setattr(SceneCache, "read", self.read)
        monkeypatch.setattr(batch, "score", self.score)
        for place in ("evaluation.run", "pdm.batch"):
            monkeypatch.setattr(f"reworld_agent.{place}.require_trust", lambda *_: None)
        return self
