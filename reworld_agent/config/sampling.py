"""How a future is imagined, and how the planner's sentence is embedded."""

from __future__ import annotations

from dataclasses import dataclass

from reworld_agent.config.fields import choice, positive, require
from reworld_agent.config.sigmas import SCHEDULES


@dataclass(frozen=True)
class SamplingConfig:
    """How a future is imagined.

    Attributes:
        steps, sigmas: Euler steps and their noise levels, see `sigmas.SCHEDULES`.
        gamma: strength of self-guidance (Eq. 9); 1 = off.
        low, high: the noise levels t at which self-guidance is on.
        cfg: strength of classifier-free guidance; 1 = off. It needs prompts.
    """

    steps: int = 30
    sigmas: str = "linear_quadratic"
    gamma: float = 1.4
    low: float = 0.0
    high: float = 1.0
    cfg: float = 1.0

    def __post_init__(self) -> None:
        """Check every field."""
        positive("sampling", steps=self.steps, gamma=self.gamma, cfg=self.cfg)
        choice("sampling.sigmas", self.sigmas, tuple(SCHEDULES))
        require(
            0 <= self.low <= self.high <= 1,
            f"sampling.low = {self.low}, sampling.high = {self.high}",
            "give an interval of noise levels, 0 <= low <= high <= 1",
        )


@dataclass(frozen=True)
class PromptConfig:
    """How T5 embeds the planner's sentence, for learning to plan and for planning.

    T5 sees it padded to so many tokens; the padding's own embeddings are cut off afterwards.

    Attributes:
        train_tokens, plan_tokens: that length.
        train_masked, plan_masked: T5 attends to the sentence alone, not to the padding.
    """

    train_tokens: int = 256
    train_masked: bool = False
    plan_tokens: int = 256
    plan_masked: bool = False

    def __post_init__(self) -> None:
        """Check every field."""
        positive("prompt", train_tokens=self.train_tokens, plan_tokens=self.plan_tokens)
