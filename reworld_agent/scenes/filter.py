"""Which windows of the logs are scenes, with the devkit's fields (v1.1, and v2.2's on top)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from reworld_agent.core.errors import ConfigError
from reworld_agent.scenes.log_index import LogEntry


@dataclass
class SceneFilter:
    """Windows of `num_frames` frames that start every `frame_interval` frames of a log.

    Attributes:
        num_history_frames: the present frame included.
        num_future_frames: after the present one.
        frame_interval: None takes `num_frames`, so that scenes do not overlap.
        has_route: only scenes whose present frame has a route.
        max_scenes: stop after so many.
        log_names: only these logs (file names without `.pkl`).
        tokens: only scenes whose present frame has one of these tokens.
        include_synthetic_scenes and the fields after it: of v2.2's two-stage evaluation; read so
            that its files load; here `two_stage=true` names the second stage, and the wish for it
            in a filter is refused.

    Raises:
        ConfigError: a length below its minimum, or synthetic scenes asked for.
    """

    num_history_frames: int = 4
    num_future_frames: int = 10
    frame_interval: int | None = None
    has_route: bool = True
    max_scenes: int | None = None
    log_names: list[str] | None = None
    tokens: list[str] | None = None
    include_synthetic_scenes: bool = False
    all_mapping: dict[tuple[str, str], list[tuple[str, str]]] | None = None
    synthetic_scene_tokens: list[str] | None = None
    reactive_synthetic_initial_tokens: list[Any] | None = None
    non_reactive_synthetic_initial_tokens: list[Any] | None = None

    def __post_init__(self) -> None:
        if self.frame_interval is None:
            self.frame_interval = self.num_frames
        minima = {"num_history_frames": 1, "num_future_frames": 0, "frame_interval": 1}
        for name, minimum in minima.items():
            if getattr(self, name) < minimum:
                raise ConfigError(
                    f"scene_filter.{name} is {getattr(self, name)}",
                    f"use {minimum} or more",
                )
        if self.include_synthetic_scenes:
            raise ConfigError(
                "scene_filter.include_synthetic_scenes: no filter of ours finds synthetic scenes",
                "set it to false; two stages are scored by run_pdm_score.py two_stage=true",
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
