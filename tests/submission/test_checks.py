"""What would fail on the server, or could not be driven, is found before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from reworld_agent.core.findings import FAIL, OK, WARN
from reworld_agent.submission.checks import check
from reworld_agent.submission.contents import Plan, Submission
from reworld_agent.submission.expected import UNKNOWN, Expected
from reworld_agent.submission.fields import FIELDS, field_faults

TOKENS = [f"{number:016x}" for number in range(10)]
SYNTHETIC = [token + "f" for token in TOKENS]
GOOD = {
    **dict.fromkeys(FIELDS.values(), "x"),
    "email": "one@lab.org",
}


def _straight(speed: float = 5.0, count: int = 8) -> NDArray[np.float64]:
    poses = np.zeros((count, 3))
    poses[:, 0] = speed * 4.0 / count * np.arange(1, count + 1)
    return poses


def _plans(poses: NDArray | None = None, tokens: list[str] = TOKENS) -> dict[str, Plan]:
    found = {}
    for number, token in enumerate(tokens):
        own = _straight(4.0 + number) if poses is None else poses * (1 + 0.01 * number)
        found[token] = Plan(own, 0.1 if len(own) == 40 else 0.5)
    return found


def _check(plans: dict[str, Plan], wanted: Expected | None = None, **fields: str) -> dict[str, str]:
    """What is found, by status; everything of one status together."""
    submission = Submission("1.1", {**GOOD, **fields}, {"predictions": (plans,)})
    wanted = wanted or Expected(frozenset(TOKENS), frozenset(), "the split")
    found: dict[str, str] = {}
    for finding in check(submission, wanted):
        found[finding.status] = found.get(finding.status, "") + finding.what + "\n"
    return found


def test_a_good_submission_passes() -> None:
    assert set(_check(_plans())) == {OK}
    assert set(_check(_plans(_straight(count=40)))) == {OK}
    angle = np.linspace(0.05, 0.8, 8)  # a bend of 20 m radius
    arc = np.stack([20 * np.sin(angle), 20 * (1 - np.cos(angle)), angle], axis=1)
    backwards = _straight(-2.0)
    assert set(_check(_plans(arc))) == {OK} and set(_check(_plans(backwards))) == {OK}


def test_tokens_are_compared_with_the_split() -> None:
    plans = _plans()
    missing = _check({t: p for t, p in plans.items() if t != TOKENS[3]})[FAIL]
    assert "9 scenes, but 10 are in the split" in missing and f"missing {TOKENS[3]}" in missing
    extra = _check({**plans, "f" * 16: plans[TOKENS[0]]})[FAIL]
    assert "too many ffffffffffffffff" in extra
    assert "no NAVSIM tokens: average" in _check({**plans, "average": plans[TOKENS[0]]})[FAIL]
    assert "nothing tells" in _check(plans, UNKNOWN)[WARN]


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        (lambda p: p * 20.0 * [1, 1, 0], WARN, "faster than 35 m/s"),
        (lambda p: p + np.outer(np.arange(8) % 2, [0, 0, 1.3]), WARN, "sharper than a car steers"),
        (lambda p: p[:, [1, 0, 2]], FAIL, "headings do not point along the path"),
        (lambda p: p + np.outer(np.arange(8), [0, 0, 5.0]), FAIL, "degrees?"),
        (lambda p: p - p[0], FAIL, r"the pose at t0 is not part of it"),
        (lambda p: np.where(p > 15, np.nan, p), FAIL, "NaN or infinite poses"),
        (lambda p: p[:7], WARN, "shorter than 4 s (down to 3.5 s)"),
        (lambda p: np.concatenate([p, p[-1:] * 9 / 8]), WARN, "longer than 4 s (up to 4.5 s)"),
    ],
)
def test_poses_that_no_car_drives(
    change: Callable[[np.ndarray], np.ndarray], status: str, message: str
) -> None:
    found = _check(_plans(change(_straight())))
    assert message in found[status]
    assert status == FAIL or FAIL not in found


def test_the_same_plan_everywhere_is_a_broken_planner() -> None:
    plan = Plan(_straight(), 0.5)
    assert "all trajectories are the same" in _check(dict.fromkeys(TOKENS, plan))[FAIL]
    assert FAIL not in _check({TOKENS[0]: plan}, UNKNOWN)


def test_required_entries() -> None:
    assert field_faults(GOOD) == []
    assert "'team_name' is missing (team_name=)" in field_faults({})[0]
    assert len(field_faults({})) == len(FIELDS)
    assert "placeholder 'MUST_SET'" in _check(_plans(), team_name="MUST_SET")[FAIL]
    assert "no address" in _check(_plans(), email="one at lab")[FAIL]
    assert (
        "unknown keys 'country/region'" in _check(_plans(), None, **{"country/region": "x"})[FAIL]
    )


def test_two_stages() -> None:
    wanted = Expected(frozenset(TOKENS), frozenset(SYNTHETIC), "navhard")
    stages = {
        "first_stage_predictions": (_plans(),),
        "second_stage_predictions": (_plans(tokens=SYNTHETIC),),
    }
    submission = Submission("2.2", GOOD, stages)
    assert {finding.status for finding in check(submission, wanted)} == {OK}
    half = replace(submission, stages={**stages, "second_stage_predictions": ({},)})
    (found,) = [finding for finding in check(half, wanted) if finding.status == FAIL]
    assert found.name == "second_stage_predictions" and "second_stage=RUN" in found.fix
    one_stage = Expected(frozenset(TOKENS), frozenset(), "navtest")
    assert any("two stages" in f.what for f in check(half, one_stage) if f.status == WARN)
    seeds = replace(submission, stages={**stages, "first_stage_predictions": (_plans(), _plans())})
    assert any("2 sets of predictions" in f.what for f in check(seeds, wanted))
