"""DriveLaW's code beside ours under recipe=release, on the same random weights and numbers.

    DRIVELAW_CHECKOUT=DIR python -m tests.checkpoints.deviations

prints one row for each thing compared: the largest difference, and the largest that may be.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from torch import Tensor

from reworld_agent.checkpoints.convert import Request, convert_checkpoint
from reworld_agent.checkpoints.folder import embed_sentence
from reworld_agent.checkpoints.keys import ACTION, VIDEO, OurKey, to_theirs
from reworld_agent.config import load_model_config
from reworld_agent.config.sigmas import linear_quadratic_sigmas
from reworld_agent.features import resize_image
from reworld_agent.model import ReWorldModel
from reworld_agent.objectives.flow import draw_times, time_shift
from reworld_agent.objectives.sharded_rng import ShardedRng
from reworld_agent.planner.actions import ActionNormaliser
from reworld_agent.planner.sampler import scene_noise
from reworld_agent.training.losses import stage_loss
from reworld_agent.training.prepare import set_trainable
from reworld_agent.training.stages import load_stage
from reworld_agent.video.codecs.ltx import LTX_095
from reworld_agent.video.conditioning import pack, video_coords
from reworld_agent.video.encoding import encode_clip, to_pixels
from reworld_agent.video.prompts import DROPPED_PROMPT, PLANNER_PROMPT
from tests.checkpoints import ancestors, drivelaw_code
from tests.checkpoints.drivelaw_code import ACT, PIPELINE, TRAINER, functions
from tests.video.test_text import write_t5

VARIABLE = "DRIVELAW_CHECKOUT"
B = 2


@dataclass(frozen=True)
class Row:
    """One comparison: the largest absolute difference found, and the largest that may be."""

    what: str
    gap: float
    most: float
    compared: int = 1


@dataclass(frozen=True)
class Both:
    """Their transformer and ours with its weights; what both are asked."""

    checkout: Path
    theirs: Any
    ours: ReWorldModel
    features: dict[str, Tensor]
    expert: Tensor

    @classmethod
    def of(cls, checkout: Path, folder: Path) -> Both:
        """Random weights, converted by our own converter."""
        theirs = drivelaw_code.transformer(checkout)
        file = ancestors.write(theirs.state_dict(), folder / "act.safetensors")
        config = ancestors.small_config("release")
        ltx = ancestors.write_ltx(folder / "ltx")
        ours = convert_checkpoint(Request("drivelaw", file, vae=ltx), config).model
        clip = config.clip
        torch.manual_seed(1)
        shape = (B, clip.history_frames, 3, clip.height, clip.width)
        images = torch.randint(0, 256, shape, dtype=torch.uint8)
        features = {"images": images, "ego": torch.randn(B, 8)}
        expert = torch.randn(B, 8, 3).cumsum(dim=1) * torch.tensor([1.0, 0.2, 0.02])
        return cls(checkout, theirs, ours, features, expert)

    def coords(self) -> Tensor:
        """Their positions of the planner's tokens."""
        code = functions(
            self.checkout, f"{ACT}/utils/model_utils.py", "prepare_video_ids", "scale_video_ids"
        )
        grid = self.ours.grid
        ids = code["prepare_video_ids"](B, grid.frames, grid.height, grid.width)
        return code["scale_video_ids"](ids, scale_factor=32, scale_factor_t=1).float()

    def run(self, tokens: Tensor, text: Tensor, times: Tensor, **how: Any) -> Any:
        """Their forward."""
        ego = self.features["ego"]
        mask = torch.ones(text.shape[:2])
        context = {"vel": ego[:, :2], "acc": ego[:, 2:4], "cmd_onehot": ego[:, 4:]}
        coords = self.coords()
        return self.theirs(
            *(tokens, text, times, mask), video_coords=coords, context_dict=context, **how
        ).sample


def _gap(one: Any, other: Any) -> float:
    a, b = (torch.as_tensor(x).double() for x in (one, other))
    assert a.shape == b.shape, (a.shape, b.shape)
    return float((a - b).abs().max())


# --- networks -----------------------------------------------------------------------------------


@torch.no_grad()
def networks(both: Both) -> Iterator[Row]:
    """States of every block, both velocities."""
    grid = both.ours.grid
    tokens, text = torch.randn(B, grid.tokens, 128), torch.randn(B, 5, ancestors.CAPTION)
    times = grid.token_times(torch.ones(B)) * 1000
    actions, t = torch.randn(B, 8, 3), torch.tensor([0.8583, 0.29])
    found = both.run(
        *(tokens, text, times),
        action_states=actions,
        action_timestep=(t * 1000).round().long()[:, None].expand(-1, 8),
        return_action=True,
        return_video=True,
        store_buffer=True,
    )
    layout = both.ours.layout()
    output = both.ours.video_dit(
        *(tokens, text, times, torch.ones(B, 5)),
        video_coords=layout.coords,
        grid=layout.grid,
        tap=range(1, ancestors.DEPTH + 1),
    )
    memory = both.ours.action_dit.cache(output.states)
    velocity = both.ours.action_dit(actions, t, both.features["ego"], memory).velocity
    pairs = zip(found["video_states_buffer"], output.states, strict=True)
    yield Row("states of all blocks", max(_gap(a, b) for a, b in pairs), 0.0, ancestors.DEPTH)
    yield Row("video velocity", _gap(found["video"], output.velocity), 0.0)
    yield Row("action velocity", _gap(found["action"], velocity), 1e-5)


@torch.no_grad()
def plans(both: Both) -> Iterator[Row]:
    """Plans of 5 and 10 steps: their loop (pipeline and agent) around their transformer, metres."""
    code = functions(both.checkout, PIPELINE, "linear_quadratic_schedule")
    poses_of = functions(both.checkout, f"{ACT}/videodrive_agent.py", "denorm_odo")["denorm_odo"]
    model = both.ours.eval()
    history = model.encode(both.features["images"])
    tokens = pack(torch.cat([history, model.future_noise(B)], dim=2))
    model.planning_prompt = torch.randn(1, 5, ancestors.CAPTION)
    text = model.planning_prompt.expand(B, -1, -1)
    times = 1000.0 * model.grid.future_mask().expand(B, -1)
    for steps in (5, 10):
        planner = dataclasses.replace(model.config.planner, steps=steps)
        model.config = dataclasses.replace(model.config, planner=planner)
        sigmas = code["linear_quadratic_schedule"](steps)
        yield Row(
            f"noise levels of {steps} steps", _gap(sigmas, linear_quadratic_sigmas(steps)), 1e-6
        )
        scheduler: Any = FlowMatchEulerDiscreteScheduler()
        scheduler.set_timesteps(timesteps=(sigmas * 1000).tolist())
        actions = scene_noise((8, 3), B, planner.seed, torch.zeros(1))
        kept = None
        for at in scheduler.timesteps:
            found = both.run(
                *(tokens, text, times),
                action_states=actions,
                action_timestep=at.round().long().expand(B, 8),
                return_action=True,
                return_video=False,
                store_buffer=kept is None,
                video_states_buffer=kept,
            )
            kept = found.get("video_states_buffer", kept)
            actions = scheduler.step(found["action"], at, actions, return_dict=False)[0]
        poses = poses_of(actions.clamp(-1, 1))
        yield Row(f"plan of {steps} steps [m]", _gap(poses, model.plan(both.features)), 1e-4)


def training_step(both: Both) -> Iterator[Row]:
    """The planner stage's loss under recipe=release, and its gradients in both transformers."""
    model, generator = both.ours, torch.Generator().manual_seed(5)
    stage = load_stage("planner", "release", "paper", {"caption_drop": 0.5})
    set_trainable(model, stage)
    prompts = model.training_prompts = torch.randn(2, 5, ancestors.CAPTION)
    targets = {"trajectory": both.expert}
    loss, _ = stage_loss(model, stage, both.features, targets, generator)
    loss.backward()
    # the same numbers, drawn again in the order of the batch
    generator.manual_seed(5)
    rng = ShardedRng(generator)
    history = model.encode(both.features["images"], rng.normal)
    shape = (*history.shape[:2], model.grid.future, *history.shape[3:])
    tokens = pack(torch.cat([history, rng.normal(shape, history)], dim=2))
    sampler = functions(
        both.checkout, f"{ACT}/utils/timestep_samplers.py", "ShiftedLogitNormalTimestepSampler"
    )["ShiftedLogitNormalTimestepSampler"]()
    shift = sampler._get_shift_for_sequence_length
    sigma = (torch.randn(B, generator=generator) + shift(tokens.size(1))).sigmoid()
    dropped = torch.rand(B, generator=generator) < stage.caption_drop
    t = (torch.randn(B, 1, generator=generator) + shift(8)).sigmoid()[:, 0].clamp(0, 1)
    noise = torch.randn(B, 1, 8, 3, generator=generator)[:, 0]
    low, span = torch.tensor([-1.57, -19.68, -1.67]), torch.tensor([66.74, 42, 3.53])
    actions = 2 * (both.expert - low) / span - 1
    text = torch.where(dropped[:, None, None], prompts[1], prompts[0])
    label = torch.round(sigma * 1000).long()[:, None] * model.grid.future_mask()
    for parameter in both.theirs.parameters():
        parameter.grad = None
    found = both.run(
        *(tokens, text, label.float()),
        action_states=(1 - t[:, None, None]) * actions + t[:, None, None] * noise,
        action_timestep=torch.round(t * 1000).long()[:, None].expand(-1, 8),
        return_action=True,
        return_video=True,
    )
    expected = (found["action"] - (noise - actions)).pow(2).mean()
    expected.backward()
    yield Row("L_FM of recipe=release", _gap(expected.detach(), loss.detach()), 1e-5)
    for part, module in ((VIDEO, model.video_dit), (ACTION, model.action_dit)):
        gaps = []
        for name, ours in module.named_parameters():
            if ours.grad is not None:
                theirs = both.theirs.get_parameter(to_theirs(OurKey(part, name))).grad
                gaps.append(_gap(theirs, ours.grad) / float(theirs.abs().max().clamp(min=1e-8)))
        yield Row(f"its gradients in {part}, relative", max(gaps), 1e-3, len(gaps))


# --- what is around them ------------------------------------------------------------------------


def positions(both: Both) -> Iterator[Row]:
    """Of the planner's tokens, and of video training's."""
    yield Row(
        "positions, planner", _gap(both.coords(), both.ours.layout().coords.expand(B, -1, -1)), 0
    )
    release = load_model_config("paper", "release")
    clip, codec = release.world_clip, release.codec
    utils = "DriveLaW-Video/Train/src/ltxv_trainer/ltxv_utils.py"
    code = functions(both.checkout, utils, "get_rope_scale_factors", "prepare_video_coordinates")
    size = (5, clip.height // 32, clip.width // 32)
    raw = code["prepare_video_coordinates"](*size, batch_size=1)
    scaled = raw.reshape(1, -1, 3) * torch.tensor(code["get_rope_scale_factors"](clip.fps))
    yield Row(
        "positions, video training", _gap(scaled.transpose(1, 2), video_coords(clip, codec)), 0
    )


def times(both: Both) -> Iterator[Row]:
    """Their sampler of times, from the same random numbers."""
    name = "ShiftedLogitNormalTimestepSampler"
    sampler = functions(both.checkout, f"{ACT}/utils/timestep_samplers.py", name)[name]()
    for tokens in (8, 6048):
        torch.manual_seed(0)
        theirs = sampler.sample(1000, tokens)
        torch.manual_seed(0)
        ours = draw_times((1000,), "shifted_logit_normal", None, theirs, tokens)
        yield Row(
            f"times of {tokens} tokens (shift {time_shift(tokens):.3f})",
            _gap(theirs, ours),
            1e-6,
            1000,
        )


@torch.no_grad()
def latents(both: Both) -> Iterator[Row]:
    """Their latents of history and future, sampled, with tiles as their agent switches them on."""
    names = ("_normalize_latents", "_pack_latents", "get_latents")
    code = functions(both.checkout, f"{ACT}/utils/data_utils.py", *names)
    stock = AutoencoderKLLTXVideo(**LTX_095).eval()
    stock.load_state_dict(both.ours.codec.state_dict())
    stock.enable_tiling()
    clip = dataclasses.replace(both.ours.config.clip, height=544, width=576, history_frames=2)
    images = torch.randint(0, 256, (1, 2 + 8, 3, 544, 576), dtype=torch.uint8)
    future = torch.cat([images[:, 2:], images[:, -1:]], dim=1)
    past, later = code["get_latents"](
        *(stock, to_pixels(images[:, :2]), to_pixels(future)),
        generator=torch.Generator().manual_seed(0),
    )
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(1, 128, 2, 17, 18, generator=generator)
    alone = torch.randn(2, 128, 1, 17, 18, generator=generator)
    numbers = torch.cat([alone.squeeze(2).transpose(0, 1)[None], numbers], dim=2)
    ours = encode_clip(both.ours.codec, clip, images[:, :2], images[:, 2:], lambda *_: numbers)
    theirs = torch.cat([past.flatten(0, 1)[None], later], dim=1)
    yield Row("latents, tiled and sampled", _gap(theirs, pack(ours)), 1e-4)


def sentences(both: Both) -> Iterator[Row]:
    """The planner's sentence and what T5 makes of it, in training and in planning."""
    code = functions(both.checkout, TRAINER, "one_hot_to_cmd", "build_prompt_fixed")
    sentence = code["build_prompt_fixed"](torch.zeros(4, 3), [0, 1, 0], 3.0, 0.1)
    yield Row("planner's sentence", float(sentence != PLANNER_PROMPT), 0)
    source = (both.checkout / TRAINER).read_text(encoding="utf-8")
    yield Row("its negative sentence", float(f'"{DROPPED_PROMPT}"' not in source), 0)
    with tempfile.TemporaryDirectory() as folder:
        t5 = write_t5(Path(folder), ancestors.CAPTION)
        embed_sentence(both.ours, t5)
        from transformers import AutoTokenizer, T5EncoderModel

        tokenizer: Any = AutoTokenizer.from_pretrained(t5 / "tokenizer")
        encoder: Any = T5EncoderModel.from_pretrained(t5 / "text_encoder", dtype=torch.bfloat16)
    utils = f"{ACT}/utils/data_utils.py"
    train = functions(both.checkout, utils, "_encode_prompt", "get_text_conditions")
    method = "LTXConditionPipeline._get_t5_prompt_embeds"
    plan = functions(both.checkout, PIPELINE, method)[method]
    with torch.no_grad():
        one = train["get_text_conditions"](tokenizer, encoder, PLANNER_PROMPT)
        other = train["get_text_conditions"](tokenizer, encoder, DROPPED_PROMPT)
        pipeline = SimpleNamespace(
            tokenizer=tokenizer, text_encoder=encoder, _execution_device=torch.device("cpu")
        )
        planned, seen = plan(pipeline, PLANNER_PROMPT)
    mask = one["prompt_attention_mask"][0]
    learned = torch.stack([x["prompt_embeds"][0][mask] for x in (one, other)])
    assert both.ours.training_prompts is not None and both.ours.planning_prompt is not None
    yield Row("T5 in training (128, no mask)", _gap(learned, both.ours.training_prompts), 0)
    yield Row(
        "T5 in planning (256, mask)",
        _gap(planned[0][seen[0].bool()], both.ours.planning_prompt[0]),
        0,
    )


def images(both: Both) -> Iterator[Row]:
    """Resizing, in levels of 255: ours are whole levels."""
    code = functions(both.checkout, f"{ACT}/videodrive_features.py", "_resize_to_hw")
    image = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)
    pixels = torch.from_numpy(image).permute(2, 0, 1).float()
    theirs = code["_resize_to_hw"](pixels).permute(1, 2, 0)
    how = load_model_config("paper", "release").clip.resize
    yield Row("resized image [levels]", _gap(theirs, resize_image(image, 768, 1344, how)), 0.55)


def actions(both: Both) -> Iterator[Row]:
    """Values in [-1, 1] to metres and radians."""
    code = functions(both.checkout, f"{ACT}/videodrive_agent.py", "denorm_odo")
    values = torch.rand(4, 8, 3) * 2 - 1
    ours = ActionNormaliser("drivelaw", 8).denormalise(values)
    yield Row("poses of normalised values [m]", _gap(code["denorm_odo"](values), ours), 1e-5)


COMPARED: tuple[Callable[[Both], Iterator[Row]], ...] = (
    *(networks, plans, training_step, positions, times, latents, sentences, images, actions),
)


def main() -> None:
    """Print all rows."""
    checkout = os.environ.get(VARIABLE)
    if not checkout:
        raise SystemExit(f"name a checkout of github.com/xiaomi-research/drivelaw: {VARIABLE}=DIR")
    LTX_095.update(ancestors.SMALL_VAE)
    with tempfile.TemporaryDirectory() as folder:
        both = Both.of(Path(checkout), Path(folder))
        rows = [dataclasses.asdict(row) for compare in COMPARED for row in compare(both)]
    print(pd.DataFrame(rows).to_string(index=False, float_format=lambda x: f"{x:.2g}"))


if __name__ == "__main__":
    main()
