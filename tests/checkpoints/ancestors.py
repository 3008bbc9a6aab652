"""The ancestors' checkpoints at tiny size, in their own layout, with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel
from safetensors.torch import save_file
from torch import Tensor

from reworld_agent.config import ModelConfig, load_model_config
from reworld_agent.video.codecs.ltx import LTX_095

DEPTH, HEADS, HEAD_DIM, CAPTION = 3, 2, 12, 16
WIDTH = HEADS * HEAD_DIM
PLAN_HEADS, PLAN_HEAD_DIM = 2, 8
PLAN = PLAN_HEADS * PLAN_HEAD_DIM
# What the LTX VAE becomes; only its 128 latent channels and its structure stay.
SMALL_VAE: dict[str, Any] = {
    "block_out_channels": (8, 8, 8, 8, 8),
    "decoder_block_out_channels": (8, 8, 8),
    "layers_per_block": (1, 1, 1, 1, 1),
    "decoder_layers_per_block": (1, 1, 1, 1),
}
STOCK = {
    "num_attention_heads": HEADS,
    "attention_head_dim": HEAD_DIM,
    "cross_attention_dim": WIDTH,
    "num_layers": DEPTH,
    "caption_channels": CAPTION,
}


def small_config(recipe: str = "paper") -> ModelConfig:
    """The paper's configuration with three narrow blocks."""
    values = load_model_config("paper", recipe).to_dict()
    clip = {"height": 64, "width": 96}
    values["clip"] |= clip
    values["world_clip"] |= clip
    values["video"] |= {
        "num_layers": DEPTH,
        "num_heads": HEADS,
        "head_dim": HEAD_DIM,
        "caption_channels": CAPTION,
        "mid_blocks": [2],
    }
    values["planner"] |= {
        "num_heads": PLAN_HEADS,
        "head_dim": PLAN_HEAD_DIM,
        "ff_dim": PLAN,
        "ego_hidden": 2 * PLAN,
        "projected_blocks": [3] if recipe == "release" else [],
    }
    return ModelConfig.from_dict(values)


def video_state(seed: int = 0) -> dict[str, Tensor]:
    """The transformer of LTX-Video, under diffusers' names."""
    torch.manual_seed(seed)
    return LTXVideoTransformer3DModel(**STOCK).state_dict()


def planner_shapes() -> dict[str, tuple[int, ...]]:
    """DriveLaW-Act's planner: names and shapes as its code makes them."""
    d = PLAN
    shapes: dict[str, tuple[int, ...]] = {"action_scale_shift_table": (2, d)}

    def linear(name: str, out: int, into: int) -> None:
        shapes.update({f"{name}.weight": (out, into), f"{name}.bias": (out,)})

    linear("action_proj_in", d, 3)
    linear("action_proj_out", 3, d)
    linear("action_time_embed.emb.timestep_embedder.linear_1", d, 256)
    linear("action_time_embed.emb.timestep_embedder.linear_2", d, d)
    linear("action_time_embed.linear", 6 * d, d)
    linear("action_ego_status_encoder.fc1", 2 * d, 8)
    linear("action_ego_status_encoder.fc2", d, 2 * d)
    shapes |= {f"action_ego_status_encoder.norm.{x}": (2 * d,) for x in ("weight", "bias")}
    linear("action_state_film.0", 2 * d, d)
    linear("action_state_film.2", 6 * d, 2 * d)
    for block in range(DEPTH):
        stem = f"action_blocks.{block}"
        shapes[f"{stem}.scale_shift_table"] = (6, d)
        for attention, source in (("attn1", d), ("attn2", WIDTH)):
            shapes |= {f"{stem}.{attention}.norm_{x}.weight": (d,) for x in "qk"}
            for layer, into in (("to_q", d), ("to_k", source), ("to_v", source), ("to_out.0", d)):
                linear(f"{stem}.{attention}.{layer}", d, into)
        linear(f"{stem}.ff.w12", 2 * d, d)
        linear(f"{stem}.ff.w3", d, d)
    return shapes


def drivelaw_act(seed: int = 1) -> dict[str, Tensor]:
    """DriveLaW-Act: Video DiT and planner in one module."""
    state = video_state(seed)
    return state | {name: 0.2 * torch.randn(shape) for name, shape in planner_shapes().items()}


def reworld_stage1(seed: int = 2, block: int = 1) -> dict[str, Tensor]:
    """The release's Stage 1 file: `transformer.…` and a mid head, blocks counted from 0."""
    stem = f"ig_heads.{block}"
    state = video_state(seed) | {
        f"{stem}.ig_scale_shift_table": torch.randn(2, WIDTH),
        f"{stem}.ig_proj_out.weight": torch.randn(128, WIDTH),
        f"{stem}.ig_proj_out.bias": torch.randn(128),
    }
    return {f"transformer.{name}": tensor for name, tensor in state.items()}


def reworld_act(seed: int = 3, block: int = 2) -> dict[str, Tensor]:
    """The release's planner: DriveLaW-Act and a projector, blocks counted from 0."""
    stem = f"cross_modal_projectors.{block}"
    return drivelaw_act(seed) | {
        f"{stem}.norm.weight": torch.randn(WIDTH),
        f"{stem}.norm.bias": torch.randn(WIDTH),
        f"{stem}.proj.weight": torch.randn(PLAN, WIDTH),
    }


def write_ltx(folder: Path) -> Path:
    """A diffusers folder of LTX-Video: transformer/ and vae/."""
    torch.manual_seed(4)
    LTXVideoTransformer3DModel(**STOCK).save_pretrained(folder / "transformer")
    AutoencoderKLLTXVideo(**LTX_095).save_pretrained(folder / "vae")
    return folder


def write(state: dict[str, Tensor], file: Path) -> Path:
    """A safetensors file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, file)
    return file
