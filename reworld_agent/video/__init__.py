"""What will happen: codecs, conditioning, the video backbone with its mid heads, the sampler.

Importing this face imports nothing; `video.codecs` and `video.backbones` have the registries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.video.conditioning import Grid, pack, unpack, video_coords
    from reworld_agent.video.encoding import decode_future, encode_clip, encode_history
    from reworld_agent.video.prompts import PLANNER_PROMPT, Motion, world_prompt
    from reworld_agent.video.sampler import (
        Guidance,
        cfg_velocity,
        dit_velocity,
        guided_velocity,
        sample_video,
    )
    from reworld_agent.video.text import PromptBook, T5Encoder

__all__ = [
    "PLANNER_PROMPT",
    "Grid",
    "Guidance",
    "Motion",
    "PromptBook",
    "T5Encoder",
    "cfg_velocity",
    "decode_future",
    "dit_velocity",
    "encode_clip",
    "encode_history",
    "guided_velocity",
    "pack",
    "sample_video",
    "unpack",
    "video_coords",
    "world_prompt",
]
__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "conditioning": ["Grid", "pack", "unpack", "video_coords"],
        "encoding": ["decode_future", "encode_clip", "encode_history"],
        "prompts": ["PLANNER_PROMPT", "Motion", "world_prompt"],
        "sampler": ["Guidance", "cfg_velocity", "dit_velocity", "guided_velocity", "sample_video"],
        "text": ["PromptBook", "T5Encoder"],
    },
)
