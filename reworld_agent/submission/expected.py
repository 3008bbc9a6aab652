"""Which tokens must be in a submission?"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from reworld_agent.core.errors import ConfigError, DataError, ReWorldError
from reworld_agent.core.records import read_yaml
from reworld_agent.core.result_tables import read_arrow
from reworld_agent.core.text import shown
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.splits import resolve_split

_SECOND_STAGE = "reactive_synthetic_initial_tokens"  # what the devkit's script plans in stage two


@dataclass(frozen=True)
class Expected:
    """Tokens of a split.

    Attributes:
        first: of the logged scenes; None where nothing tells them.
        second: of the synthetic scenes of v2.2's second stage, empty where the split has none;
            None where nothing tells them.
        source: who says so.
        data_split: the folder of logs.
    """

    first: frozenset[str] | None
    second: frozenset[str] | None
    source: str
    data_split: str = ""


UNKNOWN = Expected(None, None, "nothing")


def of_split(name: str) -> Expected:
    """Tokens of a train_test_split; raises ConfigError where it cannot be composed."""
    # Hydra, which an installation for scoring lacks
    from reworld_agent.evaluation.compose import compose  # noqa: PLC0415

    return _of_settings(compose([f"train_test_split={name}"]).train_test_split, name)


def of_run(trajectories: Path) -> Expected:
    """Tokens of the split that a run was started on, from its own record."""
    for folder in (trajectories.parent, trajectories.parent.parent):
        config = folder / "code" / "hydra" / "config.yaml"
        if config.is_file():
            return _of_config(config)
    record = trajectories.parent / "inference.parquet"
    if record.is_file():
        return Expected(_tokens(record), None, f"the run's {record.name}")
    return UNKNOWN


def _of_config(path: Path) -> Expected:
    try:
        split = OmegaConf.create(read_yaml(path)).train_test_split
        return _of_settings(split, "the run's own split")
    except ReWorldError:
        raise
    except Exception as error:  # what is damaged or changed there fails in any of its readers
        reason = (str(error) or type(error).__name__).splitlines()[0]
        message = f"{shown(path)}: is damaged, or no run's settings ({reason})"
        raise DataError(message, "name the split: train_test_split=NAME") from error


def _of_settings(split: Any, name: str) -> Expected:
    """From the settings of a split: its scene filter over the logs, or its list of tokens."""
    settings: Any = OmegaConf.to_container(split.scene_filter, resolve=True)
    data_split = str(split.data_split)
    second = frozenset(settings.get(_SECOND_STAGE) or ())
    one_stage = {item.name for item in fields(SceneFilter) if "synthetic" not in item.name}
    one_stage.discard("all_mapping")
    scene_filter = SceneFilter(**{k: v for k, v in settings.items() if k in one_stage})
    try:
        loader = resolve_split(data_split, ()).loader(scene_filter)
        first = frozenset(loader.tokens) | frozenset(scene_filter.tokens or ())
        return Expected(first, second, f"{name} (logs of {data_split})", data_split)
    except ReWorldError as error:
        if not scene_filter.tokens:
            raise ConfigError(
                f"the tokens of {name} are not known: {error.message}", error.hint
            ) from error
    return Expected(frozenset(scene_filter.tokens), second, f"{name} (its token list)", data_split)


def _tokens(record: Path) -> frozenset[str]:
    return frozenset(map(str, read_arrow(record, columns=["token"])["token"].to_pylist()))
