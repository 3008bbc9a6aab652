"""`DriveRun`: what driving an agent takes, checked before anything is driven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from omegaconf import DictConfig

from reworld_agent.closed_loop.kinds import FROM_SPLIT, KINDS, SECONDS
from reworld_agent.core.configs import plain
from reworld_agent.core.errors import UsageError
from reworld_agent.core.sections import from_mapping
from reworld_agent.core.settings import MOST_WORKERS, Settings, as_text, setting
from reworld_agent.evaluation.agent_choice import AgentChoice, chosen_agent, read_agent
from reworld_agent.scenes.roots import require_split as require_logged_split

_WORK, _LOGS = "how it is done", "over logs (world=logs, world=stages)"
_LOG_HZ = 2  # frames a second


@dataclass(frozen=True, kw_only=True)
class DriveRun(Settings):
    """An agent driven through scenarios of the town or over logs, and its scores.

    Raises:
        UsageError: settings that cannot be, or do not go together.
    """

    agent: AgentChoice = setting(
        "reworld, constant_velocity, human (the recorded driver), ego_status_mlp, "
        "ego_status_mlp_town6, pdm_closed, habit or your own; "
        "agent.NAME=VALUE are its arguments, such as agent.checkpoint_path=FOLDER",
        read=read_agent,
        keys=lambda: None,
    )
    output_dir: Path = setting(
        "folder of the run; an unfinished run in it goes on", writes="folder"
    )
    experiment_name: str = setting("of the default output_dir", "drive")
    world: Literal["town", "logs", "stages"] = setting(
        "town: everybody reacts, cameras are painted; logs: those of NAVSIM, whose others drive as "
        "logged; stages: 4 s over a log, then 4 s of the nearest synthetic scene of NAVSIM v2",
        "town",
    )
    split: str = setting(
        "whose drives and towns: town6_test, town6_val ...; of logs the folder below navsim_logs",
        "town6_test",
    )
    scenarios: int = setting("how many", 64, least=1, most=100_000)
    kinds: tuple[str, ...] = setting(
        "drive: the split's own drives; the others are made from seeds, at three difficulties in "
        "turn",
        (FROM_SPLIT,),
        choices=(FROM_SPLIT, *KINDS),
    )
    seconds: float = setting("of a scenario", SECONDS, least=1, most=60)
    replan_hz: int = setting(
        "how often a second the agent plans: 1, 2, 5 or 10", 2, least=1, most=10
    )
    latency: float = setting(
        "seconds after which a plan is followed (simulated, in steps of 0.1)", 0.0, least=0, most=1
    )
    film: bool = setting("keep the pictures of CAM_F0, for `reworld look`", False)
    cameras: Literal["none", "logged"] | None = setting(
        "none: agents that need only state, others are refused; logged: pictures of the log; null "
        "= what the agent asks for",
        None,
        group=_LOGS,
    )
    near: float = setting(
        "metres from the logged ego within which logged pictures count as true; the table says "
        "who left that, and when",
        2.0,
        least=0,
        most=60,
        group=_LOGS,
    )
    mapping: Path | None = setting(
        "world=stages: yaml of the two-stage split (reactive_all_mapping)",
        None,
        exists="file",
        group=_LOGS,
    )
    synthetic_scenes: Path | None = setting(
        "world=stages: folder of the synthetic scenes, synthetic_scene_pickles",
        None,
        exists="folder",
        group=_LOGS,
    )
    synthetic_sensors: Path | None = setting(
        "world=stages: folder of their sensor data; null = sensor_blobs beside the scenes",
        None,
        exists="folder",
        group=_LOGS,
    )
    worker: Literal["sequential", "processes", "ray"] = setting(
        "who drives", "processes", group=_WORK
    )
    workers: int | None = setting(
        "processes; null = one for each core", None, least=1, cap=MOST_WORKERS, group=_WORK
    )
    resume: bool = setting("go on with an unfinished run in the same output_dir", True, group=_WORK)

    @classmethod
    def from_config(cls, cfg: DictConfig, choices: Mapping[str, str] | None = None) -> DriveRun:
        """From the configuration of `reworld drive`; see the class for what it raises.

        Args:
            cfg: composed.
            choices: names of the files that were chosen for its groups: `agent` names the agent in
                tables; without it, that is its class's name.
        """
        values = plain(cfg)
        values["agent"] = chosen_agent(values["agent"], choices)
        return from_mapping(cls, values, strangers=True)

    @property
    def interval(self) -> float:
        """Seconds between two plans."""
        return 1.0 / self.replan_hz

    @property
    def synthetic(self) -> tuple[Path, Path]:
        """Folders of the synthetic scenes and of their sensor data."""
        assert self.synthetic_scenes is not None
        beside = self.synthetic_scenes.with_name("sensor_blobs")
        return self.synthetic_scenes.absolute(), (self.synthetic_sensors or beside).absolute()

    def check(self) -> None:
        """See the class."""
        self.agent.require_weights()
        for name in ("mapping", "synthetic_scenes"):
            if (self.world == "stages") != (getattr(self, name) is not None):
                hint = f"add {name}=" if self.world == "stages" else "set world=stages"
                raise UsageError(f"world={self.world} {name}={as_text(getattr(self, name))}", hint)
        if self.world == "town":
            self._check_town()
        else:
            self._check_logs()
        if 10 % self.replan_hz:
            raise UsageError(f"replan_hz={self.replan_hz} does not divide 10", "use 1, 2, 5 or 10")
        if abs(self.latency * 10 - round(self.latency * 10)) > 1e-6:
            raise UsageError(f"latency={self.latency:g} is no multiple of 0.1 s", "for example 0.2")
        if self.latency >= self.interval:
            raise UsageError(
                f"latency={self.latency:g} is not below the {self.interval:g} s between two plans",
                "set a smaller replan_hz=, or a smaller latency=",
            )

    def _check_town(self) -> None:
        # the towns take a second to import, and --help needs none
        from reworld_agent.closed_loop.scenarios import require_split  # noqa: PLC0415

        require_split(self.split)
        if not self.kinds or len(set(self.kinds)) < len(self.kinds):
            given = ",".join(self.kinds)
            message = f"kinds=[{given}] must name one kind or more, each once"
            raise UsageError(message, f"for example kinds=[{FROM_SPLIT}]")
        if self.cameras == "logged":
            hint = "leave cameras= out, or set world=logs"
            raise UsageError("cameras=logged, but the town paints its pictures", hint)

    def _check_logs(self) -> None:
        require_logged_split(self.split)
        if self.kinds != (FROM_SPLIT,):
            hint = "leave kinds= out, or set world=town"
            raise UsageError(f"kinds=[{','.join(self.kinds)}], but logs have no kinds", hint)
        if self.replan_hz > _LOG_HZ:
            hint = f"replan_hz={_LOG_HZ} or 1"
            raise UsageError(
                f"replan_hz={self.replan_hz}, but logs have {_LOG_HZ} frames a second", hint
            )
        if abs(self.seconds * _LOG_HZ - round(self.seconds * _LOG_HZ)) > 1e-6:
            raise UsageError(f"seconds={self.seconds:g} is no multiple of 0.5 s", "for example 20")
