"""Video clips on disk: sources, the index of them, decoding.

Importing this face imports nothing; torch comes with `ClipDataset` alone, PyAV with videos.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.clips.build import Findings, build_index, split_counts
    from reworld_agent.clips.dataset import ClipDataset
    from reworld_agent.clips.decode import read_frames
    from reworld_agent.clips.index import ClipIndex, read_index, write_index
    from reworld_agent.clips.kinematics import COMMANDS, EgoTrack, make_track
    from reworld_agent.clips.make import MadeIndex, make_index
    from reworld_agent.clips.recording import Recording, Refused, in_time_order
    from reworld_agent.clips.settings import IndexSettings
    from reworld_agent.clips.splits import SplitRule, split_rule
    from reworld_agent.clips.video_out import write_video
    from reworld_agent.clips.windows import ClipShape

__all__ = [
    "COMMANDS",
    "ClipDataset",
    "ClipIndex",
    "ClipShape",
    "EgoTrack",
    "Findings",
    "IndexSettings",
    "MadeIndex",
    "Recording",
    "Refused",
    "SplitRule",
    "build_index",
    "in_time_order",
    "make_index",
    "make_track",
    "read_frames",
    "read_index",
    "split_counts",
    "split_rule",
    "write_index",
    "write_video",
]
__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "build": ["Findings", "build_index", "split_counts"],
        "dataset": ["ClipDataset"],
        "decode": ["read_frames"],
        "index": ["ClipIndex", "read_index", "write_index"],
        "kinematics": ["COMMANDS", "EgoTrack", "make_track"],
        "make": ["MadeIndex", "make_index"],
        "recording": ["Recording", "Refused", "in_time_order"],
        "settings": ["IndexSettings"],
        "splits": ["SplitRule", "split_rule"],
        "video_out": ["write_video"],
        "windows": ["ClipShape"],
    },
)
