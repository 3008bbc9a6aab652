"""Everything a stage learns from: scenes as arrays, clips, cached latents, and their order."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.training.datasets.clip_records import embed_prompts, encode_latents
    from reworld_agent.training.datasets.clip_settings import LatentSettings, PromptSettings

__all__ = ["LatentSettings", "PromptSettings", "embed_prompts", "encode_latents"]

__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "clip_records": ["embed_prompts", "encode_latents"],
        "clip_settings": ["LatentSettings", "PromptSettings"],
    },
)
