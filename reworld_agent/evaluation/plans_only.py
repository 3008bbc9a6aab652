"""A split that can be planned and not scored: the private test of NAVSIM v2's challenge.

Nobody outside has its future, its objects or the mapping of its stages. Its logs hold five frames
of each scene, of which the last two are planned; its synthetic scenes are logs of five frames too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from reworld_agent.core.errors import ConfigError
from reworld_agent.evaluation.inference import FAILED
from reworld_agent.evaluation.settings import EvaluationRun
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.preflight import Preflight, preflight
from reworld_agent.scenes.scene import AgentInput, Scene
from reworld_agent.scenes.sensors import SensorConfig
from reworld_agent.scenes.splits import DataRoots


class PlannedStages:
    """The frames of both stages of such a split, as a scene loader gives them.

    Args:
        settings: of the run.
        roots: of stage one.
        sensor_config: which sensors.

    Raises:
        DataError: a folder of logs is missing or empty.
    """

    def __init__(
        self, settings: EvaluationRun, roots: DataRoots, sensor_config: SensorConfig
    ) -> None:
        history = replace(
            settings.train_test_split.scene_filter,
            num_future_frames=0,
            frame_interval=1,
            has_route=False,  # the benchmark names its frames
        )
        scenes, blobs = settings.synthetic_folders()
        later = replace(history, tokens=settings.synthetic_tokens, log_names=None)
        self._sensors = sensor_config
        self._first = roots.loader(history, sensor_config)
        self._second = SceneLoader(scenes, blobs, later, sensor_config, one_drive=False)
        self._parts = (self._first, self._second)
        self.tokens = [*self._first.tokens, *self._second.tokens]

    def __len__(self) -> int:
        return len(self.tokens)

    def preflights(self) -> Mapping[str, Preflight]:
        """What planning will open in each stage; raises DataError where a log cannot be read."""
        names = ("stage one", "stage two")
        return {
            name: preflight(part, self._sensors, maps=False)
            for name, part in zip(names, self._parts, strict=True)
        }

    def get_agent_input_from_token(self, token: str) -> AgentInput:
        """What an agent may see; raises as `SceneLoader.get_agent_input_from_token`."""
        return self._of(token).get_agent_input_from_token(token)

    def get_scene_from_token(self, token: str) -> Scene:
        """There is none: raises ConfigError."""
        raise ConfigError(
            f"scene {token} is of a private test: its future is not known",
            "an agent with requires_scene=True cannot take part",
        )

    def sources(self) -> dict[str, tuple[str, Path]]:
        """For each token the name of its log and the file that it is read from."""
        return {
            token: (window.log.stem, window.log)
            for part in self._parts
            for token, window in part.scene_frames_dicts.windows.items()
        }

    def _of(self, token: str) -> SceneLoader:
        return self._second if token in self._second.scene_frames_dicts.windows else self._first


def text_of(name: str, record: pd.DataFrame, data_split: str) -> str:
    """What is printed of one agent: how many frames it planned, and what to do with the plans."""
    planned = int((record["status"] != FAILED).sum())
    return (
        f"{name}: {planned} of {len(record)} frames of both stages planned; split {data_split} has "
        "no scores outside the leaderboard\n"
        "next: reworld submit FOLDER version=2.2 output=submission.pkl"
    )


def failures_of(record: pd.DataFrame) -> pd.DataFrame:
    """Frames without a plan: token, reason, phase."""
    failed: Any = record.loc[record["status"] == FAILED, ["token", "reason"]]
    return pd.DataFrame(failed.assign(phase="planning"))
