"""Every setting of every command beside values that nobody means: bounded, or refused."""

from __future__ import annotations

import math
from typing import Any

import pytest

from reworld_agent.cli import tree
from reworld_agent.core.errors import ReWorldError, UsageError
from reworld_agent.core.settings import MOST_FLOAT, MOST_INT, Field, checked
from reworld_agent.training.stages import load_stage

JUNK: list[Any] = [
    *(math.nan, math.inf, -math.inf, 1e300, 10**20, -(10**20), -1, 0, 1.5, True),
    *("abc", "nan", "1e400", "100000x100000", "0x0", [], {}, [math.nan], {"a": math.nan}),
]


def _accepted(field: Field) -> list[Any]:
    """What a setting makes of the values that it takes; nothing but UsageError is raised."""
    found = []
    for value in JUNK:
        try:
            found.append(checked(field, value))
        except UsageError as error:
            assert error.message
    return found


def _numbers(value: Any) -> list[float]:
    if isinstance(value, tuple | list):
        return [number for item in value for number in _numbers(item)]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return [value] if is_number else []


@pytest.mark.parametrize("name", tree.names())
def test_no_number_is_without_bounds(name: str) -> None:
    passed_on = ("agent", "agent.overrides", "trainer.params", "scene_filter")  # checked elsewhere
    for field in tree.load(name).fields():
        found = _accepted(field)
        if field.about.read is not None and any(word in field.word for word in passed_on):
            continue
        for number in _numbers(found):
            assert math.isfinite(number), field.word
            assert abs(number) <= (MOST_INT if isinstance(number, int) else MOST_FLOAT), field.word
        if field.kind in (int, float):
            assert -(10**20) not in found and 1e300 not in found


@pytest.mark.parametrize("key", ["workers", "dataloader.params.num_workers"])
def test_no_machine_has_so_many_processes(key: str) -> None:
    commands = [tree.load(name) for name in tree.names()]
    fields = [field for command in commands for field in command.fields() if field.word == key]
    assert fields
    for field in fields:
        with pytest.raises(UsageError, match="is beyond 1024"):
            checked(field, 100_000)


@pytest.mark.parametrize(
    "overrides",
    [
        *({"learning_rate": value} for value in (math.nan, math.inf, 0, -1e-4, 1e300)),
        *({"weight_decay": value} for value in (math.nan, -1.0, 1e300)),
        *({"steps": value} for value in (0, -5, 10**20)),
        *({"batch_size": value} for value in (0, 10**12)),
        *({"betas": value} for value in ([0.9], [0.9, 1.0], [0.9, -0.1], [0.9, math.nan])),
        *({"warmup_steps": -1}, {"noise_draws": 10**9}, {"context_drop": 1.5}),
        *({"repulsion_cap": 0.0}, {"weights": {"generation": -1.0}}),
        *({"weights": {"generation": math.inf}}, {"gradient_clip": math.nan}),
    ],
)
def test_a_stage_refuses_numbers_that_cannot_train(overrides: dict[str, Any]) -> None:
    with pytest.raises(ReWorldError):
        load_stage("1", overrides=overrides)


def test_devices_are_numbers() -> None:
    field = next(f for f in tree.load("train").fields() if f.word == "trainer.params.devices")
    for given, wanted in ((2, 2), ("2", 2), ([0, 1], (0, 1)), (-1, -1), ("auto", "auto")):
        assert checked(field, given) == wanted
    for bad in (0, -2, "abc", [], [-1, 0], 1.5, 10**9, True, None):
        with pytest.raises(UsageError, match=r"must be a number, auto or a list"):
            checked(field, bad)
