"""Is a submission complete, well-formed, and something that a car could drive?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.findings import FAIL, OK, WARN, Finding
from reworld_agent.submission.contents import (
    HORIZON_S,
    SYNTHETIC_TOKEN_LENGTH,
    Plan,
    Plans,
    Submission,
)
from reworld_agent.submission.expected import Expected
from reworld_agent.submission.fields import FIELDS, STAGES, as_text, field_faults

MAX_SPEED_MPS = 35.0  # nuPlan's cars stay below 30
MAX_CURVATURE_1PM = 0.4  # a radius of 2.5 m; no car steers below 4
_MOVING_MPS = 1.0  # slower than that, directions and curvatures are noise
_SAME_S = 1e-6
_SHOWN = 3
_AGAIN = "plan these scenes again: reworld score with the same output_dir="


def check(submission: Submission, expected: Expected) -> Iterator[Finding]:
    """All checks that need nothing but the file and the tokens that must be in it."""
    yield _fields(submission)
    for number, (key, seeds) in enumerate(submission.stages.items()):
        if len(seeds) != 1:
            what = f"{key} holds {len(seeds)} sets of predictions; the devkit's scorer takes one"
            status = FAIL if not seeds else WARN
            yield Finding(key, status, what, "submit one seed at a time")
        for plans in seeds:
            wanted = expected.second if number else expected.first
            yield _tokens(key, plans, wanted, expected.source)
            yield from _poses(key, plans)
            if number and not plans and not wanted:
                what = "empty: the leaderboards of v2.2 score two stages"
                yield Finding(key, WARN, what, "plan a two-stage split, such as navhard_two_stage")


def _fields(submission: Submission) -> Finding:
    faults = field_faults(submission.fields)
    known = {*FIELDS.values(), *STAGES[submission.version]}
    strange = [key for key in submission.fields if key not in known]
    if strange:
        faults.append(f"unknown keys {', '.join(map(repr, strange))}")
    if faults:
        return Finding("fields", FAIL, "; ".join(faults), f"keys: {', '.join(sorted(known))}")
    fields = ", ".join(str(as_text(submission.fields[key])) for key in FIELDS.values())
    return Finding("fields", OK, f"version {submission.version}; {fields}")


def _tokens(name: str, plans: Plans, wanted: frozenset[str] | None, source: str) -> Finding:
    """The set of tokens beside the split's."""
    count = f"{len(plans):,} scenes"
    digits = re.compile(r"[0-9a-f]{16,17}")
    strange = [token for token in plans if not digits.fullmatch(token)]
    if strange:
        return Finding(name, FAIL, f"{count}; no NAVSIM tokens: {_names(strange)}", _AGAIN)
    if wanted is None:
        what = f"{count}; nothing tells which scenes there must be"
        return Finding(name, WARN, what, "say train_test_split=NAME")
    missing, extra = sorted(wanted - plans.keys()), sorted(plans.keys() - wanted)
    faults = [f"missing {_names(missing)}"] if missing else []
    faults += [f"too many {_names(extra)}"] if extra else []
    if faults:
        what = f"{count}, but {len(wanted):,} are in {source}: {'; '.join(faults)}"
        fix = _AGAIN if missing else "say the train_test_split= that was planned"
        if missing and len(missing[0]) == SYNTHETIC_TOKEN_LENGTH:
            fix = "plan the synthetic scenes too, and name them with second_stage=RUN"
        return Finding(name, FAIL, what, fix)
    return Finding(name, OK, f"{count}, those of {source}")


def _poses(name: str, plans: Mapping[str, Plan]) -> Iterator[Finding]:
    """Shapes, finite numbers, and what a car could drive."""
    infinite = [token for token, plan in plans.items() if not np.isfinite(plan.poses).all()]
    if infinite:
        yield Finding(name, FAIL, f"NaN or infinite poses: {_names(infinite)}", _AGAIN)
        return
    found = [*_lengths(name, plans), *_driving(name, plans)] if plans else []
    yield from found
    if plans and not found:
        yield Finding(name, OK, "finite, 4 s long, at speeds and curvatures of a car")


def _lengths(name: str, plans: Mapping[str, Plan]) -> Iterator[Finding]:
    """Plans that do not end at 4 s; the devkit scores them, in its own way."""
    ends = {token: len(plan.poses) * plan.interval_s for token, plan in plans.items()}
    short = [token for token, end in ends.items() if end < HORIZON_S - _SAME_S]
    if short:
        what = f"shorter than {HORIZON_S:g} s (down to {min(ends.values()):g} s): {_names(short)}"
        fix = "the devkit lets them stand still at their last pose: plan 4 s"
        yield Finding(name, WARN, what, fix)
    long = [token for token, end in ends.items() if end > HORIZON_S + _SAME_S]
    if long:
        what = f"longer than {HORIZON_S:g} s (up to {max(ends.values()):g} s): {_names(long)}"
        fix = "the devkit scores the first 4 s; of v2.2's stages the last pose is the end point"
        yield Finding(name, WARN, what, fix)


def _driving(name: str, plans: Mapping[str, Plan]) -> Iterator[Finding]:
    speeds, bends, turned = {}, {}, {}
    for token, plan in plans.items():
        speeds[token], bends[token], turned[token] = _motion(plan)
    fast = [token for token, value in speeds.items() if value > MAX_SPEED_MPS]
    if fast:
        what = (
            f"faster than {MAX_SPEED_MPS:g} m/s (up to {max(speeds.values()):.0f}): {_names(fast)}"
        )
        yield Finding(name, WARN, what, "poses are in m, in the ego frame at t0")
    sharp = [token for token, value in bends.items() if value > MAX_CURVATURE_1PM]
    if sharp:
        what = f"sharper than a car steers (up to {max(bends.values()):.2f} 1/m): {_names(sharp)}"
        yield Finding(name, WARN, what, "headings are in rad; compare them with the path")
    sideways = [token for token, value in turned.items() if value]
    if len(sideways) > 0.2 * len(plans):
        what = (
            f"headings do not point along the path in {len(sideways):,} scenes: {_names(sideways)}"
        )
        yield Finding(name, FAIL, what, "poses are x forward [m], y left [m], heading [rad]")
    yield from _suspicious(name, plans)


def _suspicious(name: str, plans: Mapping[str, Plan]) -> Iterator[Finding]:
    """Signs that the planner, or what wrote its plans, is broken as a whole."""
    poses = [plan.poses for plan in plans.values()]
    if max(np.abs(p[:, 2]).max() for p in poses) > 2 * np.pi:
        yield Finding(name, FAIL, "headings beyond 2 pi: degrees?", "headings are in rad")
    if len(poses) > 1 and all(np.array_equal(p, poses[0]) for p in poses[1:]):
        yield Finding(name, FAIL, "all trajectories are the same", "look at the agent")
    moving = [p for p in poses if np.hypot(p[-1, 0], p[-1, 1]) > 1.0]
    if len(moving) > 1 and all((p[0] == 0).all() for p in moving):
        what = "every trajectory starts at (0, 0, 0): the pose at t0 is not part of it"
        yield Finding(name, FAIL, what, "the first pose is that one interval after t0")


def _motion(plan: Plan) -> tuple[float, float, bool]:
    """Highest speed [m/s], highest curvature [1/m], and whether it moves across its headings."""
    poses: NDArray[np.float64] = np.concatenate([np.zeros((1, 3)), plan.poses.astype(np.float64)])
    steps = np.diff(poses, axis=0)
    lengths = np.hypot(steps[:, 0], steps[:, 1])
    moving = lengths > _MOVING_MPS * plan.interval_s
    if not moving.any():
        return float(lengths.max() / plan.interval_s), 0.0, False
    bend = np.abs(_wrapped(steps[:, 2]))[moving] / lengths[moving]
    course = np.arctan2(steps[:, 1], steps[:, 0])
    slip = np.abs(_wrapped(course - (poses[:-1, 2] + 0.5 * _wrapped(steps[:, 2]))))[moving]
    # Backwards is a way to drive; across is not.
    across = np.minimum(slip, np.pi - slip) > np.pi / 4
    return float(lengths.max() / plan.interval_s), float(bend.max()), bool(across.mean() > 0.5)


def _wrapped(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Into [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def _names(tokens: list[str]) -> str:
    more = f" and {len(tokens) - _SHOWN} more" if len(tokens) > _SHOWN else ""
    return f"{', '.join(tokens[:_SHOWN])}{more}"
