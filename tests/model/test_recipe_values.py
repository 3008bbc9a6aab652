"""recipe=release in numbers: what reaches the networks, against formulas of the authors' code.

The formulas are restated from their description, or are diffusers', transformers' and torch's own;
each is an option of its own, which the paper's recipe can take too.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
from diffusers.models.transformers.transformer_ltx import (
    LTXVideoRotaryPosEmbed,
    LTXVideoTransformer3DModel,
)
from torch import Tensor

from reworld_agent.checkpoints.folder import embed_sentence
from reworld_agent.config import load_model_config
from reworld_agent.features import resize_image
from reworld_agent.model import ReWorldModel
from reworld_agent.negatives.settings import NegativeSettings
from reworld_agent.objectives.flow import draw_times
from reworld_agent.objectives.sharded_rng import ShardedRng
from reworld_agent.training.loop.ema import averages
from reworld_agent.training.loop.optim import rate_factor
from reworld_agent.training.losses import stage_loss
from reworld_agent.training.prepare import set_trainable
from reworld_agent.training.stages import load_stage
from reworld_agent.video.codecs.ltx import LTX_095, LTXCodec
from reworld_agent.video.conditioning import Grid, pack, video_coords
from reworld_agent.video.encoding import encode_clip, encode_history, to_pixels
from reworld_agent.video.prompts import DROPPED_PROMPT, PLANNER_PROMPT
from reworld_agent.video.sampler import dit_velocity
from tests.checkpoints.ancestors import SMALL_VAE
from tests.model.micro import batch, micro_config, micro_model
from tests.video.test_text import write_t5

PAPER, RELEASE = load_model_config("paper"), load_model_config("paper", "release")


def released_model() -> ReWorldModel:
    """The micro model with the release's switches that its sizes can take."""
    values = micro_config().to_dict() | {"recipe": "release"}
    values["video"] |= {"round_times": True}
    values["planner"] |= {"round_times": True}
    model = micro_model()
    model.config = type(model.config).from_dict(values)
    setattr(model.action_dit, "round_times", True)  # noqa: B010 (it is the Action DiT's own)
    return model


def seen_by(model: ReWorldModel, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments with which its Video DiT is run from now on."""
    calls: list[dict[str, Any]] = []
    forward = model.video_dit.forward

    def noted(*args: Any, **kwargs: Any) -> Any:
        told, tokens = kwargs["timestep"], args[0].size(1)  # of every token, or of a frame's
        every = told.repeat_interleave(tokens // told.size(1), dim=1)
        calls.append({"hidden_states": args[0], **kwargs, "timestep": every})
        return forward(*args, **kwargs)

    monkeypatch.setattr(model.video_dit, "forward", noted)
    return calls


# --- positions, times ---------------------------------------------------------------------------


def test_positions_are_latent_steps_as_the_stock_grid_with_the_trainers_scale() -> None:
    clip, codec = RELEASE.world_clip, RELEASE.codec
    coords = video_coords(clip, codec)
    grid = Grid.of(clip, codec)
    steps = coords[0, 0].view(grid.frames, -1)
    assert steps[:, 0].tolist() == [0, 1, 2, 3, 4] and (steps == steps[:, :1]).all()
    # LTX-Video's trainer: (1 / latent frame rate, 32, 32) beside the stock grid
    rope = LTXVideoRotaryPosEmbed(dim=60)
    tokens = torch.zeros(1, grid.tokens, 1)
    scale = (codec.temporal_ratio / clip.fps, 32, 32)
    stock = rope(tokens, grid.frames, grid.height, grid.width, scale)
    for ours, theirs in zip(rope(tokens, video_coords=coords), stock, strict=True):
        assert torch.equal(ours, theirs)


def test_video_times_are_whole_in_training_and_in_sampling(monkeypatch: pytest.MonkeyPatch) -> None:
    model = released_model()
    calls = seen_by(model, monkeypatch)
    stage = load_stage("1", "release", "tiny")
    features, targets = batch(3)
    stage_loss(model, stage, features, targets, torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    drawn = torch.randn(3, 1, 1, generator=generator).sigmoid()  # one logit-normal time a sample
    future = model.grid.future_mask()
    expected = (drawn[:, :, 0] * 1000).round() * future
    assert torch.equal(calls[0]["timestep"], expected)
    tokens, condition = calls[0]["hidden_states"][:1], model.context(1)
    for rounded, told in ((True, 858.0), (False, 858.3)):
        velocity = dit_velocity(model.video_dit, condition, model.layout(), round_times=rounded)
        velocity(tokens, torch.full((1, tokens.size(1)), 0.8583))
        assert calls[-1]["timestep"].unique().tolist() == pytest.approx([told], abs=1e-3)


@pytest.mark.parametrize(
    ("tokens", "mean"), [(8, 0.586), (1024, 0.95), (4096, 2.05), (6048, 2.749)]
)
def test_shifted_times(tokens: int, mean: float) -> None:
    generator, like = torch.Generator().manual_seed(0), torch.zeros(1)
    logits = draw_times((40000,), "shifted_logit_normal", generator, like, tokens).double().logit()
    assert float(logits.mean()) == pytest.approx(mean, abs=0.02)
    assert float(logits.std()) == pytest.approx(1, abs=0.02)


def test_times_of_the_planners_stages() -> None:
    stage = load_stage("planner", "release", "paper")
    rng, like = ShardedRng(torch.Generator().manual_seed(0)), torch.zeros(1)
    action = rng.times((40000, 1), stage.action_distribution, like, PAPER.planner.horizon)
    assert float(action.mean()) == pytest.approx(0.619, abs=0.005)
    tokens = Grid.of(RELEASE.clip, RELEASE.codec).tokens
    label = rng.times((40000,), stage.video_label, like, tokens)
    assert float(label.mean()) == pytest.approx(0.914, abs=0.005)
    assert float((label < 0.9).float().mean()) == pytest.approx(0.29, abs=0.01)


@pytest.mark.parametrize("recipe", ["paper", "release"])
def test_what_planning_is_trained_on(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = released_model() if recipe == "release" else micro_model()
    calls = seen_by(model, monkeypatch)
    stage = load_stage("planner", recipe, "tiny", {"cache_states": False})
    stage_loss(model, stage, *batch(4), torch.Generator().manual_seed(0))
    told = calls[0]["timestep"][:, model.grid.future_mask()]
    noise = calls[0]["hidden_states"][:, model.grid.future_mask()]
    assert float(noise.std()) == pytest.approx(1, abs=0.1)  # whatever it is told, it sees noise
    if recipe == "paper":
        assert told.unique().tolist() == [1000]
    else:
        assert len(told[:, 0].unique()) == 4 and torch.equal(told, told.round())
        assert (told == told[:, :1]).all()


def test_stage_1_and_its_gradients_are_the_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    """L_Gen + 1.0 L_Mid around diffusers' own transformer: whole times, history clean at t = 0."""
    model = released_model()
    stage = load_stage("1", "release", "tiny")
    set_trainable(model, stage)
    features, targets = batch(3)
    head: Any = model.video_dit.mid_heads["1"]
    torch.nn.init.normal_(head.proj.weight, std=0.1)
    loss, _ = stage_loss(model, stage, features, targets, torch.Generator().manual_seed(3))
    loss.backward()
    sizes = {"num_attention_heads": 2, "attention_head_dim": 12, "num_layers": 2}
    channels = {"in_channels": 12, "out_channels": 12, "caption_channels": 32}
    stock: Any = LTXVideoTransformer3DModel(cross_attention_dim=24, **sizes, **channels)
    stock.load_state_dict(model.video_dit.state_dict(), strict=False)
    states: list[Tensor] = []
    stock.transformer_blocks[0].register_forward_hook(lambda m, i, out: states.append(out))
    clip = model.config.clip
    images = features["images"], targets["future_images"]
    clean = pack(encode_clip(model.codec, clip, *images, model.posterior(None)))
    generator = torch.Generator().manual_seed(3)
    t = torch.randn(3, 1, 1, generator=generator).sigmoid()[:, :, 0]
    noise = torch.randn(clean.shape, generator=generator)
    future = model.grid.future_mask()
    sigma = (t * future)[..., None]
    told = (t * 1000).round() * future
    velocity = stock(
        *((1 - sigma) * clean + sigma * noise, torch.zeros(3, 1, 32), told, None),
        video_coords=model.layout().coords.expand(3, -1, -1),
        return_dict=False,
    )[0]
    time = stock.time_embed(told.flatten(), batch_size=3, hidden_dtype=clean.dtype)[1]
    table = head.scale_shift_table.detach().clone().requires_grad_()
    weight, bias = (p.detach().clone().requires_grad_() for p in head.proj.parameters())
    shift, scale = (table + time.view(3, -1, 1, table.size(1))).unbind(2)
    normed = F.layer_norm(states[0], states[0].shape[-1:], eps=1e-6)
    mid = F.linear(normed * (1 + scale) + shift, weight, bias)
    target = noise - clean
    errors = [((v - target).square() * future[:, None]).sum(1).mean() for v in (velocity, mid)]
    expected = (errors[0] + 1.0 * errors[1]) / int(future.sum())
    expected.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)
    wanted = {name: p.grad for name, p in stock.named_parameters()}
    wanted |= {"mid_heads.1.scale_shift_table": table.grad, "mid_heads.1.proj.weight": weight.grad}
    wanted |= {"mid_heads.1.proj.bias": bias.grad}
    for name, parameter in model.video_dit.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, wanted[name], rtol=2e-3, atol=1e-6)


# --- optimisation -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["planner", "2", "3"])
def test_warm_up_averages_and_dropped_captions(name: str) -> None:
    stage = load_stage(name, "release", "paper")
    assert [rate_factor(stage, step) for step in (0, 499, 999, 5000)] == [0.001, 0.5, 1, 1]
    callback: Any = averages(micro_model(), stage)[0]
    callback.on_train_start(_Trainer(), _Trainer())
    average = callback.average
    assert average.get_decay(3001) == 0
    for later in (1, 10, 100):
        expected = 1 - (1 + later / 0.5) ** -0.75
        assert average.get_decay(3001 + later) == pytest.approx(min(expected, 0.999))
    assert average.get_decay(10**6) == 0.999
    assert stage.caption_drop == 0.06 and stage.context_drop == 0
    assert load_stage(name, "paper", "paper").caption_drop == 0


class _Trainer:
    """What the callback asks of Lightning."""

    global_step, device = 0, "cpu"


def test_context_is_dropped_where_mining_will_guide() -> None:
    dropped = [load_stage(name, "paper", "paper").context_drop for name in ("1", "planner", "2")]
    assert dropped == [0, 0.1, 0.1]  # BeyondDrive's share
    assert load_stage("planner").context_drop == load_stage("2").context_drop == 0.05


def test_dropped_captions_see_the_negative_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    model = released_model()
    model.planning_prompt = torch.zeros(1, 5, 32)
    model.training_prompts = torch.stack([torch.full((3, 32), 1.0), torch.full((3, 32), 2.0)])
    calls = seen_by(model, monkeypatch)
    stage = load_stage("planner", "release", "tiny", {"caption_drop": 0.4})
    features, targets = batch(8)
    for seed in range(12):
        stage_loss(model, stage, features, targets, torch.Generator().manual_seed(seed))
    text = torch.cat([call["encoder_hidden_states"] for call in calls])
    assert text.shape == (96, 3, 32) and set(text.unique().tolist()) == {1.0, 2.0}
    assert 0.25 < float((text[:, 0, 0] == 2).float().mean()) < 0.55
    model.eval().plan(features)
    assert calls[-1]["encoder_hidden_states"].shape == (8, 5, 32)


def test_the_nearest_negative_is_raw_under_the_release() -> None:
    assert NegativeSettings().under("release").space == "raw"
    assert NegativeSettings().under("paper").space == "normalised"
    for recipe in ("paper", "release"):
        assert NegativeSettings(space="raw").under(recipe).space == "raw"


def test_stage_2_leaves_the_projectors_at_their_start() -> None:
    model = ReWorldModel(load_model_config("tiny", "release"))
    for frozen in (True, False):
        set_trainable(model, load_stage("2", "release", "tiny", {"frozen_projectors": frozen}))
        learns = {p.requires_grad for p in model.action_dit.projectors.parameters()}
        assert learns == {not frozen}


# --- what planners see ---------------------------------------------------------------------------


@pytest.fixture
def vae(monkeypatch: pytest.MonkeyPatch) -> LTXCodec:
    """A small LTX VAE under the release's configuration, random."""
    for key, value in SMALL_VAE.items():
        monkeypatch.setitem(LTX_095, key, value)
    torch.manual_seed(0)
    codec = LTXCodec.build(RELEASE.codec).eval()
    codec.latents_mean.normal_()
    codec.latents_std.uniform_(0.5, 2)
    return codec


@torch.no_grad()
def test_latents_are_a_sample_of_tiles_as_diffusers_has_them(vae: LTXCodec) -> None:
    clip = dataclasses.replace(RELEASE.clip, height=544, width=576, history_frames=2)
    images = torch.randint(0, 256, (1, 2, 3, 544, 576), dtype=torch.uint8)
    stock = AutoencoderKLLTXVideo(**LTX_095).eval()
    stock.load_state_dict(vae.state_dict())
    stock.enable_tiling()
    pixels = to_pixels(images)
    numbers = torch.randn(1, 128, 2, 17, 18)
    expected = []
    for frame in range(2):
        found = stock.encode(pixels[:, :, frame : frame + 1]).latent_dist
        latent = found.mean + found.std * numbers[:, :, frame : frame + 1]
        mean, std = (one.view(1, -1, 1, 1, 1) for one in (stock.latents_mean, stock.latents_std))
        expected.append((latent - mean) / std)
    ours = encode_history(vae, clip, images, lambda shape, like: numbers)
    torch.testing.assert_close(ours, torch.cat(expected, dim=2))
    whole = encode_history(LTXCodec.from_config(vae.config), clip, images)
    assert whole.shape == ours.shape
    vae.disable_tiling()
    apart = encode_history(vae, clip, images) - encode_history(vae, clip, images, _zero)
    assert apart.abs().max() == 0  # the mode is a sample with numbers of 0


def _zero(shape: Any, like: Tensor) -> Tensor:
    return torch.zeros(*shape)


@torch.no_grad()
def test_planning_samples_alike_for_every_scene(vae: LTXCodec) -> None:
    model = micro_model()
    clip = dataclasses.replace(RELEASE.clip, height=32, width=64)
    model.config = dataclasses.replace(RELEASE, clip=clip)
    model.codec = vae
    images = torch.randint(0, 256, (3, 4, 3, 32, 64), dtype=torch.uint8)
    latents = model.encode(images)
    torch.testing.assert_close(model.encode(images[1:2]), latents[1:2])
    assert torch.equal(model.encode(images), latents)
    mode = encode_history(vae, clip, images)
    assert (latents - mode).abs().max() > 1e-3
    rng = ShardedRng(torch.Generator().manual_seed(0))
    assert not torch.equal(model.encode(images, rng.normal), model.encode(images, rng.normal))


def test_t5_of_training_and_of_planning(tmp_path: Path) -> None:
    from transformers import AutoTokenizer, T5EncoderModel

    folder = write_t5(tmp_path / "t5", width=32)
    model = micro_model()
    model.config = dataclasses.replace(model.config, prompt=RELEASE.prompt)
    embed_sentence(model, folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder / "tokenizer")
    t5: Any = T5EncoderModel.from_pretrained(folder / "text_encoder", dtype=torch.bfloat16)

    def theirs(text: str, length: int, masked: bool) -> tuple[Tensor, Tensor]:
        found = tokenizer(text, padding="max_length", max_length=length, return_tensors="pt")
        mask = found.attention_mask
        with torch.no_grad():
            states = t5(found.input_ids, attention_mask=mask if masked else None)[0]
        return states.float(), mask.bool()

    sentence, mask = theirs(PLANNER_PROMPT, 128, False)
    negative, _ = theirs(DROPPED_PROMPT, 128, False)
    planned, seen = theirs(PLANNER_PROMPT, 256, True)
    assert model.planning_prompt is not None and model.training_prompts is not None
    assert torch.equal(model.planning_prompt[0], planned[seen])
    assert torch.equal(model.training_prompts[0], sentence[mask])
    assert torch.equal(model.training_prompts[1], negative[mask])  # under the sentence's own mask
    assert not torch.allclose(planned[seen], sentence[mask])
    model.save_pretrained(tmp_path / "weights")
    loaded = ReWorldModel.from_pretrained(tmp_path / "weights")
    assert torch.equal(loaded.training_prompts, model.training_prompts)  # type: ignore[arg-type]


def test_images_are_resized_without_antialiasing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (108, 192, 3), dtype=np.uint8)
    chosen = RELEASE.clip.resize
    ours = resize_image(image, 76, 134, chosen)
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    theirs = F.interpolate(pixels, (76, 134), mode="bilinear", align_corners=False)
    apart = np.abs(ours - theirs[0].permute(1, 2, 0).numpy())
    assert apart.max() <= 0.501  # rounded to whole levels
    assert np.abs(ours.astype(int) - resize_image(image, 76, 134)).max() > 20
    assert PAPER.clip.resize == "area"
