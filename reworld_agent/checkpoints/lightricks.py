"""Lightricks' single files of LTX-Video 0.9.5: their names as diffusers has them.

One file holds the transformer, under `model.diffusion_model.` or bare, and the VAE, under `vae.`.
The same correspondence as diffusers' `convert_ltx_*_checkpoint_to_diffusers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from reworld_agent.model.tensor_files import bare

MARK = "patchify_proj."  # a name that no other layout has
_VAE = "vae."
_TRANSFORMER_NAMES = {
    "patchify_proj.": "proj_in.",
    "adaln_single.": "time_embed.",
    "q_norm.": "norm_q.",
    "k_norm.": "norm_k.",
}
_VAE_NAMES = {
    "res_blocks.": "resnets.",
    "conv_shortcut.": "conv_shortcut.conv.",
    "norm3.norm.": "norm3.",
    "last_time_embedder.": "time_embedder.",
    "last_scale_shift_table": "scale_shift_table",
    "per_channel_statistics.mean-of-means": "latents_mean",
    "per_channel_statistics.std-of-means": "latents_std",
}
_BLOCK = re.compile(r"^(encoder\.down|decoder\.up)_blocks\.(\d+)\.(.+)$")
_LAST_DOWN = 8  # of the encoder's list: its middle block


def is_lightricks(names: Iterable[str]) -> bool:
    """Whether a file with these tensors is one of theirs."""
    return any(MARK in name for name in names)


def diffusers_names(names: Iterable[str], part: str | None) -> dict[str, str]:
    """The names in a file by those that diffusers has, of one part.

    Args:
        names: in the file.
        part: `vae`, or the transformer.
    """
    found = {}
    for name in names:
        ours = _vae(name) if part == "vae" else _transformer(name)
        if ours is not None:
            found[ours] = name
    return found


def _transformer(name: str) -> str | None:
    if name.startswith(_VAE):
        return None
    return _renamed(bare(name), _TRANSFORMER_NAMES)


def _vae(name: str) -> str | None:
    """Blocks and their samplers alternate in one list of theirs."""
    if not name.startswith(_VAE):
        return None
    name = _renamed(name.removeprefix(_VAE), _VAE_NAMES)
    if name.startswith("per_channel_statistics."):
        return None  # others than mean and deviation
    block = _BLOCK.match(name)
    if block is None:
        return name
    side, number, rest = block[1], int(block[2]), block[3]
    half = side.partition(".")[0]
    if number == (_LAST_DOWN if half == "encoder" else 0):
        return f"{half}.mid_block.{rest}"
    if half == "encoder":
        sampler = "downsamplers.0." if number % 2 else ""
        return f"{side}_blocks.{number // 2}.{sampler}{rest}"
    sampler = "upsamplers.0." if number % 2 else ""
    return f"{side}_blocks.{(number - 1) // 2}.{sampler}{rest}"


def _renamed(name: str, pairs: dict[str, str]) -> str:
    for old, new in pairs.items():
        name = name.replace(old, new)
    return name
