"""What the services take, checked before an agent is built or a port is opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig

from reworld_agent.closed_loop.serving.address import Address, read_address, usual_address
from reworld_agent.core.configs import plain
from reworld_agent.core.errors import UsageError
from reworld_agent.core.sections import from_mapping
from reworld_agent.core.settings import Settings, did_you_mean, setting
from reworld_agent.evaluation.agent_choice import AgentChoice, chosen_agent, read_agent
from reworld_agent.scenes.camera_names import CAMERA_NAMES
from reworld_agent.scenes.roots import EMBEDDED_SPLITS

_CAMERAS = "pictures"
_THREADS = "calls answered at once; plans and pictures are made one by one"
# those of version 6, whose renderer paints any pose
_SPLITS = tuple(name for name in EMBEDDED_SPLITS if name.startswith("town6_"))


def _read_cameras(value: Any) -> Mapping[str, str]:
    """Logical ids by NAVSIM's names; none of None."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise UsageError(f"cameras={value} must be a table", "write cameras.cam_f0=LOGICAL_ID")
    for name in value:
        if name not in CAMERA_NAMES:
            usual = f"one of {', '.join(CAMERA_NAMES)}"
            hint = did_you_mean(str(name), CAMERA_NAMES, usual, "cameras.{}=")
            raise UsageError(f"cameras.{name}= is no camera of NAVSIM", hint)
    return {str(name): str(camera) for name, camera in value.items()}


@dataclass(frozen=True, kw_only=True)
class ServeDriverRun(Settings):
    """An agent behind AlpaSim's egodriver service."""

    agent: AgentChoice = setting(
        "reworld, constant_velocity, human and pdm_closed (which no simulator can drive), "
        "ego_status_mlp, ego_status_mlp_town6, habit or your own; "
        "agent.NAME=VALUE are its arguments, such as agent.checkpoint_path=FOLDER",
        read=read_agent,
        keys=lambda: None,
    )
    address: str | None = setting(
        "HOST:PORT or unix:PATH; null = $ALPASIM_DRIVER_HOST:$ALPASIM_DRIVER_PORT, and without "
        "them 127.0.0.1:50051",
        None,
    )
    threads: int = setting(_THREADS, 8, least=1, most=64)
    rate_hz: float = setting(
        "poses a second of a plan that is sent, on straight lines between the agent's own",
        10.0,
        least=0.5,
        most=100,
    )
    plan_timeout_s: float = setting(
        "how long a plan may take; then the drive is answered by a stop, and so is every other, "
        "at once, until the plan is there",
        30.0,
        above=0,
        most=3600,
    )
    cameras: Mapping[str, str] | None = setting(
        "which camera of the simulator is cam_f0 ...: cameras.cam_f0=LOGICAL_ID; without it the "
        "one of that name, or that looks there",
        None,
        read=_read_cameras,
        keys=lambda: CAMERA_NAMES,
        group=_CAMERAS,
    )
    repaint: bool = setting(
        "paint pictures of other lenses as NAVSIM's cameras would take them", True, group=_CAMERAS
    )
    oldest_s: float = setting(
        "age at which the last picture, or ego's pose, is too old to plan from",
        0.3,
        above=0,
        most=10,
        group=_CAMERAS,
    )

    @classmethod
    def from_config(
        cls, cfg: DictConfig, choices: Mapping[str, str] | None = None
    ) -> ServeDriverRun:
        """From the command's configuration; raises UsageError.

        Args:
            cfg: composed.
            choices: names of the files that were chosen for its groups: `agent` is the name.
        """
        values = plain(cfg)
        values["agent"] = chosen_agent(values["agent"], choices)
        return from_mapping(cls, values, strangers=True)

    def check(self) -> None:
        """The address can be one, and the agent's weights are there."""
        self.place()
        self.agent.require_weights()

    def place(self) -> Address:
        """Where it listens."""
        return read_address(self.address or usual_address(os.environ))


@dataclass(frozen=True, kw_only=True)
class ServeWorldSettings(Settings):
    """The town behind AlpaSim's sensorsim service."""

    data_split: str = setting("whose drives are its scenes", "town6_test", choices=_SPLITS)
    drives: int | None = setting("only the first so many; null = all", None, least=1)
    address: str = setting("HOST:PORT or unix:PATH", "127.0.0.1:50052")
    threads: int = setting(_THREADS, 8, least=1, most=64)

    def check(self) -> None:
        """The address can be one, and there are so many drives."""
        # --help does without the town
        from reworld_agent.scenes.synthetic.drive import SPLITS  # noqa: PLC0415

        self.place()
        most = SPLITS[self.data_split].logs
        if (self.drives or 1) > most:
            raise UsageError(
                f"drives={self.drives}, but {self.data_split} has {most}", f"at most drives={most}"
            )

    def place(self) -> Address:
        """Where it listens."""
        return read_address(self.address)
