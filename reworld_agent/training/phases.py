"""The resolution curriculum of Stage 1 as data.

Motion first, in long clips of small frames; then detail. DriveLaW's two phases (arXiv 2512.23421,
3.5), which the paper takes over.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from reworld_agent.config import ClipConfig, CodecConfig
from reworld_agent.config.fields import build_dataclass, require
from reworld_agent.core.errors import ConfigError


@dataclass(frozen=True)
class ClipPhase:
    """A part of a video stage's steps, and how its clips differ from the model's.

    Attributes:
        share: of the stage's steps, in (0, 1].
        clip: fields of `ClipConfig`, such as height, width and future_frames.
    """

    share: float
    clip: dict

    def apply(self, clip: ClipConfig) -> ClipConfig:
        """A clip with this phase's changes; raises ConfigError for an unknown field."""
        return build_dataclass(ClipConfig, {**dataclasses.asdict(clip), **self.clip}, "phases.clip")


def check_phases(phases: Sequence[ClipPhase], clip: ClipConfig, codec: CodecConfig) -> None:
    """Raise ConfigError where shares do not add up to 1, or a clip does not fit the codec."""
    total = sum(phase.share for phase in phases)
    whole = not phases or (abs(total - 1) < 1e-9 and min(phase.share for phase in phases) > 0)
    require(
        whole,
        f"the shares of the phases add up to {total:g}",
        "give each phase a positive share; together they are 1",
    )
    for number, phase in enumerate(phases, 1):
        try:
            phase.apply(clip).check(codec)
        except ConfigError as error:
            raise ConfigError(f"phase {number}: {error.message}", error.hint) from None


def phase_number(phases: Sequence[ClipPhase], step: int, steps: int) -> int:
    """The phase (from 0) of an optimiser step (from 0) of a stage of `steps`; 0 without phases."""
    end = 0.0
    for number, phase in enumerate(phases):
        end += phase.share * steps
        if step < round(end):
            return number
    return max(len(phases) - 1, 0)


def phase_clip(
    phases: Sequence[ClipPhase], clip: ClipConfig, step: int, steps: int
) -> ClipConfig | None:
    """The clip of an optimiser step (from 0) of a stage of `steps`; None = there are no phases."""
    return phases[phase_number(phases, step, steps)].apply(clip) if phases else None
