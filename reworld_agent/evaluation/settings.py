"""`EvaluationRun`: what an evaluation takes, checked before data is read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig

from reworld_agent.core.configs import plain
from reworld_agent.core.errors import UsageError
from reworld_agent.core.sections import from_mapping, section
from reworld_agent.core.settings import MOST_WORKERS, Settings, as_text, setting
from reworld_agent.evaluation.agent_choice import AgentChoice, chosen_agent, read_agent
from reworld_agent.scenes.roots import DATA_VARIABLE
from reworld_agent.scenes.split_settings import SplitSettings

_FOLDER = "navhard_two_stage"  # below OPENSCENE_DATA_ROOT, as NAVSIM v2's settings have it
_PICKLES, _LOGS, _BLOBS = "synthetic_scene_pickles", "openscene_meta_datas", "sensor_blobs"
_WISH = "include_synthetic_scenes"  # of a scene filter of NAVSIM v2: two stages
_STAGES = "two stages (NAVSIM v2.2)"


def _read_beside(value: Any) -> tuple[AgentChoice, ...]:
    if value is not None and not isinstance(value, list | tuple):
        message = f"beside={as_text(value)} must be a list of agents"
        raise UsageError(message, "for example beside=[constant_velocity,human]")
    return tuple(read_agent(item) for item in value or ())


@dataclass(frozen=True, kw_only=True)
class EvaluationRun(Settings):
    """An agent's plans of every scene of a split, and their scores.

    Attributes:
        agent, beside: the agent, and more of them for the same table.
        two_stage: None = one stage.

    Raises:
        UsageError: settings that cannot be, or do not go together.
    """

    agent: AgentChoice = setting(
        "reworld, constant_velocity, human, ego_status_mlp, ego_status_mlp_town6, pdm_closed, "
        "habit or your own; "
        "agent.NAME=VALUE are its arguments, such as agent.checkpoint_path=FOLDER",
        read=read_agent,
        keys=lambda: None,
    )
    train_test_split: SplitSettings = section(SplitSettings)
    output_dir: Path = setting(
        "folder of the run; an unfinished run in it goes on", writes="folder"
    )
    experiment_name: str = setting("of the default output_dir", "pdm_score")
    protocol: Literal["pdms_v1", "epdms_v2", "both"] = setting(
        "NAVSIM v1.1, v2.2, or every column named by its protocol", "pdms_v1"
    )
    beside: tuple[AgentChoice, ...] = setting(
        "more agents, in the same table: [constant_velocity,human]", (), read=_read_beside
    )
    traffic: Literal["log_replay", "reactive"] | None = setting(
        "how the others move; reactive vehicles answer to each plan (epdms_v2 only); null = "
        "log_replay, in two stages reactive",
        None,
    )
    worker: Literal["sequential", "processes", "ray"] = setting("who scores", "processes")
    workers: int | None = setting(
        "processes; null = one for each core", None, least=1, cap=MOST_WORKERS
    )
    batch_size: int = setting("scenes planned at once", 16, least=1)
    cache_dir: Path | None = setting("scene caches; null = ~/.cache/reworld/scene_caches", None)
    resume: bool = setting("go on with an unfinished run in the same output_dir", True)
    two_stage: bool | None = setting(
        "EPDMS of both stages; null = as the split has it", None, group=_STAGES
    )
    synthetic_scenes_path: Path | None = setting(
        f"scenes of stage two; null = {_PICKLES} of the download below ${DATA_VARIABLE} that holds "
        f"them ({_FOLDER}, warmup_two_stage ...), or {_LOGS} of a private test's",
        None,
        group=_STAGES,
    )
    synthetic_sensor_path: Path | None = setting(
        f"their images; null = {_BLOBS} of the same download", None, group=_STAGES
    )

    @classmethod
    def from_config(
        cls, cfg: DictConfig, choices: Mapping[str, str] | None = None
    ) -> EvaluationRun:
        """From the configuration of `run_pdm_score.py`; see the class for what it raises.

        Args:
            cfg: composed.
            choices: names of the files that were chosen for its groups: `agent` is the name of
                the agent in tables; without it, that is its class's.
        """
        # the base installation has no Hydra, and needs none of this
        from reworld_agent.evaluation.agents import named_agents  # noqa: PLC0415

        values = plain(cfg)
        agent = chosen_agent(values["agent"], choices)
        values["agent"], values["beside"] = agent, named_agents(values.get("beside"), agent.name)
        scenes = dict(values["train_test_split"].get("scene_filter") or {})
        if values.get("two_stage") is None:
            values["two_stage"] = bool(scenes.get(_WISH))
        if values["two_stage"]:
            scenes.pop(_WISH, None)
        values["train_test_split"] = {**values["train_test_split"], "scene_filter": scenes}
        return from_mapping(cls, values, strangers=True)

    @property
    def moving(self) -> str:
        """How the others move."""
        return self.traffic or ("reactive" if self.two_stage else "log_replay")

    @property
    def mapping(self) -> Any:
        """The split's `reactive_all_mapping` of two stages; None where it has none."""
        return self.train_test_split.more.get("reactive_all_mapping")

    def check(self) -> None:
        """See the class."""
        for agent in (self.agent, *self.beside):
            agent.require_weights()
        if self.moving == "reactive" and self.protocol != "epdms_v2" and not self.two_stage:
            raise UsageError(
                f"traffic=reactive is of NAVSIM v2; protocol={self.protocol} replays the log",
                "set protocol=epdms_v2, or traffic=log_replay",
            )
        if not self.two_stage:
            return
        if self.protocol != "epdms_v2":
            raise UsageError(
                f"two stages are of NAVSIM v2, and protocol={self.protocol}",
                "set protocol=epdms_v2, or two_stage=false",
            )
        if not self.mapping and not self.plans_only:
            split = self.train_test_split.data_split
            raise UsageError(
                f"two_stage=true, but the split '{split}' has neither a reactive_all_mapping nor "
                "reactive_synthetic_initial_tokens",
                "use the train_test_split of a two-stage benchmark, for example navhard_two_stage",
            )
        self.synthetic_folders()

    @property
    def synthetic_tokens(self) -> tuple[str, ...]:
        """Frames of stage two that the split itself names."""
        named = self.train_test_split.scene_filter.reactive_synthetic_initial_tokens
        return tuple(str(token) for token in named or ())

    @property
    def plans_only(self) -> bool:
        """Two stages without a mapping: the private test can be planned and not scored."""
        return bool(self.two_stage and not self.mapping and self.synthetic_tokens)

    def synthetic_folders(self) -> tuple[Path, Path]:
        """Scenes of stage two, and their images; UsageError where nothing names them."""
        scenes = self._synthetic("synthetic_scenes_path", _LOGS if self.plans_only else _PICKLES)
        return scenes, self._synthetic("synthetic_sensor_path", _BLOBS)

    def _synthetic(self, key: str, name: str) -> Path:
        given: Path | None = getattr(self, key)
        if given is not None:
            return given.absolute()
        root = os.environ.get(DATA_VARIABLE)
        if not root:
            hint = f"set {key}=DIR, or export {DATA_VARIABLE}"
            raise UsageError(f"two_stage=true needs {key}", hint)
        return self._folder(Path(root)) / name

    def _folder(self, root: Path) -> Path:
        """The download of stage two: of the split's own name, or the one that holds its scenes."""
        own = root / f"{self.train_test_split.data_split}_two_stage"
        if self.plans_only or own.is_dir():
            return own
        usual = root / _FOLDER
        token = _first_synthetic(self.mapping) or (*self.synthetic_tokens, "")[0]
        folders = [usual, *(path for path in sorted(root.glob("*_two_stage")) if path != usual)]
        with_it = (path for path in folders if (path / _PICKLES / f"{token}.pkl").is_file())
        return next(with_it, usual)


def _first_synthetic(mapping: Any) -> str:
    """A frame of stage two in a mapping; "" where it is of another layout (which is said later)."""
    try:
        return str(mapping[0][2][0][0])
    except (LookupError, TypeError):
        return ""
