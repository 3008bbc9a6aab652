"""Codecs, between pixels and latents, behind one Protocol: registered here, built by name.

`docs/extending/codec.md` shows how one is added from outside. This face imports no torch.
"""

from __future__ import annotations

from reworld_agent.config import CodecConfig
from reworld_agent.core.extending.registry import Registry
from reworld_agent.video.codecs.protocol import (
    Codec,
    CodecBuilder,
    Decoded,
    Encoded,
    FittedCodec,
    PointDistribution,
    TrainableCodec,
)

__all__ = [
    "CODECS",
    "Codec",
    "CodecBuilder",
    "Decoded",
    "Encoded",
    "FittedCodec",
    "PointDistribution",
    "TrainableCodec",
    "build_codec",
]

CODECS: Registry[CodecBuilder] = Registry(
    "codec",
    {
        "conv": "reworld_agent.video.codecs.conv:ConvCodec.build",
        "patch_pca": "reworld_agent.video.codecs.patch_pca:PatchPCACodec.build",
        "repwam": "reworld_agent.video.codecs.repwam:RepViTok.build",
        "ltx_vae": "reworld_agent.video.codecs.ltx:LTXCodec.build",
    },
)


def build_codec(config: CodecConfig) -> Codec:
    """The codec of a configuration, without weights; raises ConfigError where it has none."""
    return CODECS.get(config.kind, "codec.kind")(config)
