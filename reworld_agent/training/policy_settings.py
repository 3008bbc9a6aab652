"""How Stage 4 learns from the score: `method=` by the papers that it follows, and its settings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

import yaml

from reworld_agent.config.sigmas import FLOW_GRPO, NOISE_SCHEDULES
from reworld_agent.core.errors import ConfigError, UsageError
from reworld_agent.core.settings import did_you_mean

POST_TRAINING = "4"  # the stage
GRPO, DPO, REJECTION, REINFORCE = KINDS = ("grpo", "dpo", "rejection", "reinforce")
SAMPLES, POOL = PAIRS = ("samples", "pool")
PLANNING, RANDOM = STARTS = ("planning", "random")
_LIMITS: dict[str, tuple[float, float]] = {
    "samples": (1, 1024),
    "noise": (0.0, 10.0),
    "correlation": (0.0, 1000.0),
    "quiet_steps": (0, 1000),
    "kl": (0.0, 1e6),
    "beta": (0.0, 1e9),
    "margin": (0.0, 1.0),
    "discount": (0.0, 1.0),
    "workers": (1, 1024),
}


@dataclass(frozen=True)
class PolicySettings:
    """What is drawn, what it is worth, and how the planner follows.

    Attributes:
        kind: `grpo` (group-relative advantages), `reinforce` (advantage over the plan that would
            be driven), `rejection` (the best plan of a group is the one to imitate), `dpo` (of two
            plans one is preferred).
        samples: plans drawn for each scene.
        noise_schedule, noise, correlation, quiet_steps: see `planner.stochastic.Exploration`.
        start: chains start at the noise of `planning`, or at `random` noise.
        normalise: group-relative advantages are divided by the group's deviation.
        discount: factor of the policy gradient of a step for each step after it.
        kl: factor of the KL divergence from the planner that the stage started from.
        kl_limit: nats a plan; beyond, the run stops and saves. None = it is not watched.
        pairs: of `dpo`: best and worst of the `samples`, or the log and the hard negative of the
            `pool`.
        beta: of `dpo`.
        margin: least difference of reward of a pair, or of the best and the worst plan.
        reward: factors of what is added up: protocols (their score), or columns of one.
        without: metrics that the scores of the reward leave out: they count as 1.
        workers: processes that score.
    """

    kind: str = GRPO
    samples: int = 16
    noise_schedule: str = FLOW_GRPO
    noise: float = 0.7
    correlation: float = 0.0
    quiet_steps: int = 0
    start: str = PLANNING
    normalise: bool = True
    discount: float = 1.0
    kl: float = 0.0
    kl_limit: float | None = None
    pairs: str = SAMPLES
    beta: float = 2000.0
    margin: float = 0.0
    reward: Mapping[str, float] = field(default_factory=lambda: {"pdms_v1": 1.0}, hash=False)
    without: tuple[str, ...] = ()
    workers: int = 1

    def __post_init__(self) -> None:
        choices = {
            "kind": KINDS,
            "noise_schedule": NOISE_SCHEDULES,
            "start": STARTS,
            "pairs": PAIRS,
        }
        for key, known in choices.items():
            if getattr(self, key) not in known:
                message = f"policy.{key}={getattr(self, key)} does not exist"
                raise ConfigError(message, "use " + " | ".join(known))
        for key, (low, high) in _LIMITS.items():
            if not low <= getattr(self, key) <= high:  # nor is NaN
                message = f"policy.{key}={getattr(self, key):g}"
                raise ConfigError(message, f"policy.{key} must be from {low:g} to {high:g}")
        if self.kl_limit is not None and not 0 < self.kl_limit < math.inf:
            message = f"policy.kl_limit={self.kl_limit:g}"
            raise ConfigError(message, "use nats above 0, such as 500, or null")
        for name, factor in self.reward.items():
            if not isinstance(factor, int | float) or not 0 < abs(factor) < math.inf:
                raise ConfigError(f"policy.reward.{name}={factor}", "give a finite number, not 0")
        if not self.reward:
            raise ConfigError("policy.reward={} rewards nothing", "use policy.reward.pdms_v1=1.0")
        self._check_group()
        if self.kind in (DPO, REJECTION) and (self.kl > 0 or self.kl_limit is not None):
            message = f"policy.kl={self.kl:g} policy.kl_limit={self.kl_limit} with {self.kind}"
            raise ConfigError(message, f"they are of {GRPO} and {REINFORCE}: use 0 and null")

    def _check_group(self) -> None:
        if self.samples < 2 and self.draws and self.kind != REINFORCE:
            raise ConfigError(
                f"policy.samples=1 with {self.kind}: a group of one has no better and no worse",
                f"use policy.samples=2 or more, or method={REINFORCE}",
            )
        if self.draws and self.noise == 0:
            raise ConfigError(
                "policy.noise=0: all plans of a group would be the same", "use policy.noise=0.3"
            )

    @property
    def draws(self) -> bool:
        """Whether plans are drawn and scored; pairs of a pool need neither."""
        return not (self.kind == DPO and self.pairs == POOL)

    @property
    def needs_pool(self) -> bool:
        """Whether a pool of hard negatives is read."""
        return not self.draws

    @property
    def keeps_start(self) -> bool:
        """Whether the planner that the stage started from is kept beside the one that learns."""
        return self.kind == DPO or self.kl > 0 or self.kl_limit is not None


def read_method(value: Any) -> str | None:
    """A name of METHODS, or None; UsageError for another."""
    if value is None:
        return None
    known = methods()
    if str(value) not in known:
        hint = did_you_mean(str(value), known, "use method=" + " | ".join(known), "method={}")
        raise UsageError(f"method={value} does not exist", hint)
    return str(value)


def methods() -> list[str]:
    """Names of the methods; the first is the default."""
    return list(_tables())


def method_table(name: str | None) -> dict[str, Any]:
    """What a method changes in the settings of Stage 4, its `policy` among them."""
    return dict(_tables()[read_method(name) or methods()[0]])


@cache
def _tables() -> dict[str, dict[str, Any]]:
    file = resources.files("reworld_agent.config").joinpath("defaults", "post_training.yaml")
    tables: dict[str, dict[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return tables
