"""Which windows of the logs are scenes, with the devkit's fields (v1.1, and v2.2's on top)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import Settings, setting

if TYPE_CHECKING:
    from reworld_agent.scenes.log_index import LogEntry

_GROUP = "which scenes of the split"


def _as_given(value: Any) -> Any:
    """What v2.2's mappings of tokens are read as: nothing here looks into them."""
    return value


@dataclass(frozen=True, kw_only=True)
class SceneFilter(Settings, prefix="train_test_split.scene_filter"):
    """Windows of `num_frames` frames that start every `frame_interval` frames of a log.

    `include_synthetic_scenes` and the fields after it are of v2.2's two-stage evaluation, and read
    so that its files load; here `two_stage=true` names the second stage, and the wish for it in a
    filter is refused.

    Raises:
        UsageError: a length below its minimum, or synthetic scenes asked for.
    """

    num_history_frames: int = setting(
        "frames up to the present one, at 2 Hz", 4, least=1, group=_GROUP
    )
    num_future_frames: int = setting("frames after the present one", 10, least=0, group=_GROUP)
    frame_interval: int | None = setting(
        "frames between the starts of two scenes; null = scenes do not overlap",
        None,
        least=1,
        group=_GROUP,
    )
    has_route: bool = setting("only scenes whose present frame has a route", True, group=_GROUP)
    max_scenes: int | None = setting("stop after so many; null = all", None, least=1, group=_GROUP)
    log_names: tuple[str, ...] | None = setting("only these logs, without .pkl", None, group=_GROUP)
    tokens: tuple[str, ...] | None = setting("only scenes with these tokens", None, group=_GROUP)
    include_synthetic_scenes: bool = setting("", False)
    all_mapping: Any = setting("", None, read=_as_given)
    synthetic_scene_tokens: Any = setting("", None, read=_as_given)
    reactive_synthetic_initial_tokens: Any = setting("", None, read=_as_given)
    non_reactive_synthetic_initial_tokens: Any = setting("", None, read=_as_given)

    def check(self) -> None:
        """See the class; a stride that is not given becomes the whole window."""
        if self.frame_interval is None:
            object.__setattr__(self, "frame_interval", self.num_frames)
        if self.include_synthetic_scenes:
            raise UsageError(
                f"{self.prefix}.include_synthetic_scenes=true: no filter of ours finds synthetic "
                "scenes",
                "set it to false; two stages are scored by `reworld score two_stage=true`",
            )

    @property
    def num_frames(self) -> int:
        """Frames in a scene."""
        return self.num_history_frames + self.num_future_frames

    def windows(self, entry: LogEntry) -> Iterator[tuple[str, int]]:
        """Token of the present frame and number of the first frame, of each scene of a log.

        Gaps in time between frames are not looked for, and a route is asked of the present frame
        alone, as in the devkit.
        """
        wanted = None if self.tokens is None else set(self.tokens)
        last = len(entry.tokens) - self.num_frames
        for start in range(0, last + 1, self.frame_interval or self.num_frames):
            present = start + self.num_history_frames - 1
            if self.has_route and not entry.routed[present]:
                continue
            if wanted is None or entry.tokens[present] in wanted:
                yield entry.tokens[present], start
