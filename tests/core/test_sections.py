"""Settings inside of settings: from nested mappings, and their words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reworld_agent.core.errors import UsageError
from reworld_agent.core.sections import (
    all_fields,
    from_mapping,
    is_known,
    known_words,
    rest,
    section,
)
from reworld_agent.core.settings import Settings, setting


@dataclass(frozen=True, kw_only=True)
class Engine(Settings, prefix="engine.params"):
    steps: int = setting("steps", 3, least=1)
    more: Mapping[str, Any] = rest(lambda: ("precision", "logger"))


@dataclass(frozen=True, kw_only=True)
class Clips(Settings):
    index: Path | None = setting("an index", None, key="clips")


def _pairs(value: Any) -> dict[str, int]:
    if not isinstance(value, Mapping):
        raise UsageError(f"changes={value} must be a table")
    return dict(value)


@dataclass(frozen=True, kw_only=True)
class Run(Settings):
    seed: int = setting("seed")
    changes: Mapping[str, int] = setting("changes", (), read=dict, keys=lambda: ("rate",))
    engine: Engine = section(Engine)
    clips: Clips = section(Clips)


def test_a_section_is_read_from_where_its_prefix_stands() -> None:
    values = {"seed": 1, "clips": "a.parquet", "engine": {"params": {"steps": 5, "logger": "x"}}}
    run = from_mapping(Run, values)
    assert run == Run(
        seed=1,
        clips=Clips(index=Path("a.parquet")),
        engine=Engine(steps=5, more={"logger": "x"}),
    )
    assert run.as_dict()["engine"] == {"steps": 5, "more": {"logger": "x"}}
    assert values["engine"] == {"params": {"steps": 5, "logger": "x"}}, "it is left as it was"


def test_words_of_all_depths() -> None:
    assert [field.word for field in all_fields(Run)] == [
        *("seed", "changes", "engine.params.steps", "clips")
    ]
    assert set(known_words(Run)) == {
        *("seed", "changes", "changes.rate", "engine.params.steps", "clips"),
        *("engine.params.precision", "engine.params.logger"),
    }
    known = ("seed", "engine", "engine.params", "engine.params.logger", "changes.rate", "clips")
    unknown = ("sed", "engine.steps", "engine.params.stps", "changes.rat", "clips.index", "params")
    assert all(is_known(Run, word) for word in known)
    assert not any(is_known(Run, word) for word in unknown)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sed": 2}, "sed= is unknown\n  next: did you mean seed=?"),
        ({"engine": {"params": {"stps": 2}}}, "engine.params.stps= is unknown\n  next: did you"),
        ({"engine": {"prams": {"steps": 2}}}, "engine.prams.steps= is unknown\n  next: did you"),
        ({"engine": {"params": 3}}, "engine.params=3 must be a table of settings"),
        ({"engine": 3}, "engine.params=3 must be a table of settings"),
        ({"engine": {"params": {"steps": 0}}}, "engine.params.steps=0 must be an integer of at"),
        ({}, "seed= is missing\n  next: it must be an integer"),
    ],
)
def test_what_is_refused_names_the_whole_word(values: dict[str, Any], message: str) -> None:
    given = {"seed": 1, **values} if values else {}
    with pytest.raises(UsageError) as caught:
        from_mapping(Run, given)
    assert message in str(caught.value)


def test_strangers_at_the_top_alone() -> None:
    assert from_mapping(Run, {"seed": 1, "stage": 3, "_target_": "x"}, strangers=True).seed == 1
    with pytest.raises(UsageError, match="stps"):
        from_mapping(Run, {"seed": 1, "engine": {"params": {"stps": 3}}}, strangers=True)
