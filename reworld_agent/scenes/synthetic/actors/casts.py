"""How a version of the town fills a drive: what happens how often, and how dense the traffic is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cast:
    """What is drawn by lot for every drive.

    Attributes:
        themes: what the drives of a town are about, in turn.
        green: share of the lights that are green when ego comes.
        cars: other cars near ego's route, from and below.
        strollers: people on the pavements; bystanders: people at the kerb who never cross.
        calm: seconds between two brakings of a lead, from and to.
        queue: metres before ego where a queue at a red light begins, from and to.
        attempts: after which another theme is tried; 0 for never.
        more_standing, more_steps: share of the drives in which, beside what they are about, a
            vehicle stands in the lane or somebody steps out further on.
    """

    themes: tuple[str, ...]
    green: float
    cars: tuple[int, int]
    strollers: int
    bystanders: int
    calm: tuple[float, float]
    queue: tuple[float, float]
    attempts: int
    more_standing: float = 0.0
    more_steps: float = 0.0


CAST5 = Cast(
    themes=("turns", "lead", "queue", "cut_in", "crossing", "works", "queue", "lead"),
    green=0.88,
    cars=(12, 20),
    strollers=9,
    bystanders=0,
    calm=(5.0, 9.0),
    queue=(9.0, 14.0),
    attempts=0,
)
CAST6 = Cast(
    themes=(
        *("lead", "queue", "step_out", "obstacle", "cut_in", "lead", "crossing", "obstacle"),
        *("works", "queue", "obstacle", "lead", "step_out", "queue", "cut_in", "lead"),
    ),
    green=0.6,
    cars=(14, 26),
    strollers=12,
    bystanders=4,
    calm=(3.0, 7.0),
    queue=(9.0, 40.0),
    attempts=40,
    more_standing=0.3,
    more_steps=0.4,
)
