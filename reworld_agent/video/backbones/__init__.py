"""Video backbones, which imagine the world, behind one Protocol: registered here, built by name.

`docs/extending/backbone.md` shows how one is added from outside. This face imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reworld_agent.config import VideoConfig
from reworld_agent.core.extending.registry import Registry
from reworld_agent.core.lazy import lazy_face
from reworld_agent.video.backbones.protocol import BackboneBuilder, Condition, VideoBackbone

if TYPE_CHECKING:
    from reworld_agent.video.backbones.output import VideoOutput
    from reworld_agent.video.backbones.run import condition_of, run_backbone

__all__ = [
    "BACKBONES",
    "BackboneBuilder",
    "Condition",
    "VideoBackbone",
    "VideoOutput",
    "build_backbone",
    "condition_of",
    "run_backbone",
]
__getattr__, __dir__ = lazy_face(
    __name__, {"output": ["VideoOutput"], "run": ["condition_of", "run_backbone"]}
)

BACKBONES: Registry[BackboneBuilder] = Registry(
    "backbone",
    {
        "ltx": "reworld_agent.video.backbones.ltx:VideoDiT.build",
        "wan": "reworld_agent.video.backbones.wan:WanVideo.build",
        "world_action": "reworld_agent.video.backbones.world_action:WorldActionDiT.build",
    },
)


def build_backbone(config: VideoConfig, channels: int) -> VideoBackbone:
    """The backbone of a configuration, randomly initialised; ConfigError where it has none.

    Args:
        config: its sizes and mid heads.
        channels: C of the latents that it takes and whose velocity it gives.
    """
    return BACKBONES.get(config.backbone, "video.backbone")(config, channels)
