"""Scenarios of a closed loop: drives of a split of the town, or made from a seed for one event.

    make(seed=3, kind="cut_in", difficulty=2, town="test-fan")
    from_split("town6_test", 5)

The same arguments give the same scenario, on any machine and with any number of workers.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache

from reworld_agent.closed_loop.kinds import FROM_SPLIT, KINDS, SECONDS, THEMES
from reworld_agent.core.errors import SceneError, UsageError
from reworld_agent.core.settings import did_you_mean
from reworld_agent.scenes.synthetic.actors.casts import CAST6, Cast
from reworld_agent.scenes.synthetic.drive import SPLITS, Drive, SplitPlan
from reworld_agent.scenes.synthetic.rollout import find_drive, make_drive
from reworld_agent.scenes.synthetic.town.plans import TOWNS6

EASY, MEDIUM, HARD = 1, 2, 3
_FRAMES = 44  # 21.5 s: history and scenario
_ATTEMPTS = 400
_LONGEST_SEED = 2**31


@dataclass(frozen=True)
class _SeededPlan(SplitPlan):
    """One scenario as a split of one drive."""

    def log_name(self, index: int) -> str:
        """The scenario's own name, after a day and a vehicle as in nuPlan's."""
        return f"2026.01.01.00.00.00_veh-loop_{self.name}"


_CASTS: dict[int, Cast] = {
    EASY: replace(
        CAST6, green=0.9, cars=(6, 12), strollers=6, calm=(6.0, 10.0), queue=(25.0, 40.0),
        more_standing=0.0, more_steps=0.0,
    ),
    MEDIUM: CAST6,
    HARD: replace(
        CAST6, green=0.45, cars=(20, 32), strollers=16, calm=(2.0, 4.0), queue=(8.0, 16.0),
        more_standing=0.6, more_steps=0.7,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Scenario:
    """What is driven, for `seconds` from `HISTORY` on.

    Attributes:
        name: unique among scenarios.
        town: a key of the town's plans of version 6.
        kind: one of KINDS, or `drive` of a split's own.
        split, index: of a split's drive; "" and 0 of a seeded one.
        seed, difficulty: of a seeded one; 0 of a split's.
        seconds: how long it is driven.
    """

    name: str
    town: str
    kind: str
    split: str = ""
    index: int = 0
    seed: int = 0
    difficulty: int = 0
    seconds: float = SECONDS

    def drive(self) -> Drive:
        """Town, traffic and ego's route.

        Raises:
            SceneError: nothing drivable comes of this seed in this town.
        """
        if self.split:
            return make_drive(self.split, self.index)
        return _seeded_drive(self)


def from_split(split: str, index: int, seconds: float = SECONDS) -> Scenario:
    """The drive number `index` of a split of the town (version 6).

    Raises:
        UsageError: there is no such split, or it is one of version 5.
    """
    plan = require_split(split)
    if index < 0:
        raise UsageError(f"drive {index} of {split}", "count from 0")
    town = plan.town(index).key
    return Scenario(f"{split}-{index:04d}", town, FROM_SPLIT, split, index, seconds=seconds)


def make(
    seed: int,
    kind: str,
    difficulty: int = MEDIUM,
    town: str = "test-fan",
    seconds: float = SECONDS,
) -> Scenario:
    """A scenario about one event, from a seed.

    Args:
        seed: 0 or more.
        kind: one of KINDS.
        difficulty: 1 easy, 2 medium, 3 hard: more and denser traffic, fewer green lights, more
            hazards beside what the scenario is about.
        town: a key of `TOWNS6`, such as test-fan.
        seconds: of the scenario.

    Raises:
        UsageError: one of them is none of these. Whether the seed gives a scenario is known only
            when its drive is made.
    """
    if kind not in THEMES:
        raise UsageError(f"'{kind}' is no kind of scenario", did_you_mean(kind, KINDS, ""))
    if town not in TOWNS6:
        raise UsageError(f"there is no town '{town}'", did_you_mean(town, list(TOWNS6), ""))
    if difficulty not in _CASTS:
        raise UsageError(f"difficulty={difficulty} must be 1, 2 or 3", "1 is easy, 3 is hard")
    if not 0 <= seed < _LONGEST_SEED:
        raise UsageError(f"seed={seed} must be an integer from 0 to {_LONGEST_SEED - 1}", "choose")
    name = f"{kind}-{difficulty}-{town}-{seed:04d}"
    return Scenario(name, town, kind, seed=seed, difficulty=difficulty, seconds=seconds)


def of_split(
    split: str, count: int, kinds: tuple[str, ...] = (FROM_SPLIT,), seconds: float = SECONDS
) -> list[Scenario]:
    """`count` scenarios in the towns of a split, of these kinds in turn.

    Those of `drive` are the split's own drives, in order, and beyond the last one further drives of
    its seed; the others go through the difficulties, then the towns, then the seeds.

    Args:
        split: of version 6.
        count: of scenarios.
        kinds: one or more, each once.
        seconds: of each.

    Raises:
        UsageError: no such split or kind.
    """
    towns = require_split(split).towns
    found = []
    for k in range(count):
        turn, which = divmod(k, len(kinds))
        if kinds[which] == FROM_SPLIT:
            found.append(from_split(split, turn, seconds))
            continue
        turn, level = divmod(turn, len(_CASTS))
        seed, place = divmod(turn, len(towns))
        town = towns[(place + which) % len(towns)]
        found.append(make(seed, kinds[which], 1 + level, town, seconds))
    return found


def require_split(split: str) -> SplitPlan:
    """A split that can be driven in; raises UsageError."""
    six = [name for name, plan in SPLITS.items() if plan.version != "5"]
    if split not in six:
        hint = did_you_mean(split, six, f"one of {', '.join(six)}; world=logs drives over logs")
        raise UsageError(f"split={split} is no split of the town that can be driven in", hint)
    return SPLITS[split]


@lru_cache(maxsize=2)
def _seeded_drive(scenario: Scenario) -> Drive:
    key = f"{scenario.kind}/{scenario.difficulty}/{scenario.town}".encode()
    number = int.from_bytes(hashlib.blake2b(key, digest_size=4).digest(), "big")
    cast = replace(_CASTS[scenario.difficulty], themes=(THEMES[scenario.kind],), attempts=0)
    plan = _SeededPlan(scenario.name, (scenario.town,), number, 1, _FRAMES, "6", cast)
    try:
        return find_drive(plan, scenario.seed, attempts=_ATTEMPTS)
    except SceneError as error:
        raise SceneError(
            f"{scenario.name}: no scenario of this kind comes of seed {scenario.seed} in "
            f"{scenario.town}",
            "take another seed, or another town",
        ) from error
