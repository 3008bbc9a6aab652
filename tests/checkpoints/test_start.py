"""Where stages start: files that lack parts or hold more, ancestors' checkpoints, other layouts."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.loaders.single_file_utils import (
    convert_ltx_transformer_checkpoint_to_diffusers,
    convert_ltx_vae_checkpoint_to_diffusers,
)
from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
from safetensors.torch import load_file, save_file
from torch import Tensor

from reworld_agent.checkpoints.convert import Request, convert_checkpoint
from reworld_agent.checkpoints.lightricks import diffusers_names
from reworld_agent.core.errors import WeightsError
from reworld_agent.model import ReWorldModel
from reworld_agent.training.prepare import prepare_stage
from reworld_agent.training.stages import TrainingStage, load_stage
from reworld_agent.video.codecs.ltx import LTX_095
from tests.checkpoints import ancestors
from tests.model.micro import micro_model

FULL_VAE = dict(LTX_095)  # before the tests' fixture makes it small
STAGES = {name: load_stage(name, "paper", "tiny") for name in ("1", "planner", "2")}


def prepared(file: Path, stage: str, model: ReWorldModel | None = None) -> ReWorldModel:
    """The micro model, or another, after a stage has taken over a start."""
    model = model or micro_model(seed=5)
    prepare_stage(model, STAGES[stage], file)
    return model


def test_a_file_that_lacks_a_head_and_holds_a_teacher(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = micro_model()
    state = {
        f"module._orig_mod.model.{name}": tensor
        for name, tensor in model.state_dict().items()
        if "mid_heads" not in name
    }
    teacher = {f"teacher.{name}": tensor for name, tensor in list(state.items())[:3]}
    torch.save({"state_dict": {**state, **teacher}, "global_step": 3}, tmp_path / "last.ckpt")
    found = prepared(tmp_path / "last.ckpt", "1")
    wanted = model.state_dict()
    for name, tensor in found.state_dict().items():
        if "mid_heads" not in name:
            assert torch.equal(tensor, wanted[name]), name
    head: Any = found.video_dit.mid_heads["1"]
    assert torch.equal(head.proj.weight, model.video_dit.proj_out.weight)
    said = caplog.text
    assert re.search(r"last\.ckpt: loaded: codec 4, video_dit \d+, action_dit \d+", said)
    assert "missing, started afresh: mid heads 1: copies of the output layer" in said
    assert "left: 3 tensors" in said and "taken to be stage statistics" in said


def test_what_cannot_start_afresh_is_told(tmp_path: Path) -> None:
    state = micro_model().state_dict()
    del state["action_dit.proj_in.weight"]
    state["video_dit.proj_in.weight"] = torch.zeros(3, 3)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError) as caught:
        prepared(tmp_path / "w.pth", "1")
    said = str(caught.value)
    assert "action_dit: missing (1): proj_in.weight" in said
    assert "video_dit: mis-shaped (1): proj_in.weight" in said and "instead of (24, 12)" in said


def small(recipe: str = "paper") -> ReWorldModel:
    """A random model of the ancestors' small size."""
    return ReWorldModel(ancestors.small_config(recipe))


def stage_of(name: str) -> TrainingStage:
    """A stage whose blocks the small model has."""
    changes: dict[str, Any] = {"align_blocks": [2]} if name == "2" else {}
    return load_stage(name, "paper", "tiny", changes)


def test_stages_start_from_ancestors(
    ltx: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    model = small()
    prepare_stage(model, stage_of("1"), ltx)
    stock = load_file(ltx / "transformer" / "diffusion_pytorch_model.safetensors")
    assert all(torch.equal(model.video_dit.state_dict()[n], t) for n, t in stock.items())
    assert model.history == ["statistics"]
    for line in ("transformer of diffusers", "loaded: ", "mid heads 2: copies", "VAE: ltx"):
        assert line in caplog.text
    with pytest.raises(WeightsError, match=r"have passed statistics\n  next: .*stage=planner"):
        prepare_stage(small(), stage_of("2"), ltx)
    file = ancestors.write(ancestors.drivelaw_act(), tmp_path / "act.safetensors")
    with pytest.raises(WeightsError, match=r"DriveLaW: .*no vae/.*\n  next: .*vae=DIR"):
        prepare_stage(small(), stage_of("2"), file)
    whole = tmp_path / "whole"
    (whole / "transformer").mkdir(parents=True)
    (whole / "vae").symlink_to(ltx / "vae")
    save_file(ancestors.drivelaw_act(), whole / "transformer" / "act.safetensors")
    model = small()
    prepare_stage(model, stage_of("2"), whole)
    assert model.history == ["statistics", "1", "planner"]


# --- other layouts of LTX-Video ------------------------------------------------------------------


def lightricks(transformer: dict[str, Any], vae: dict[str, Any]) -> dict[str, Any]:
    """Diffusers' names as Lightricks' single file has them."""
    pairs = (("time_embed.", "adaln_single."), ("norm_q.", "q_norm."), ("norm_k.", "k_norm."))
    found = {}
    for name, tensor in transformer.items():
        for ours, theirs in pairs:
            name = name.replace(ours, theirs)
        name = re.sub(r"^proj_in\.", "patchify_proj.", name)
        found[f"model.diffusion_model.{name}"] = tensor
    return found | {f"vae.{_vae(name)}": tensor for name, tensor in vae.items()}


def _vae(name: str) -> str:
    statistics = {"latents_mean": "mean-of-means", "latents_std": "std-of-means"}
    if name in statistics:
        return f"per_channel_statistics.{statistics[name]}"
    name = re.sub(r"^decoder\.(time_embedder|scale_shift_table)", r"decoder.last_\1", name)
    name = name.replace("resnets.", "res_blocks.")
    block = re.match(
        r"^(encoder\.down|decoder\.up)_blocks\.(\d)\.((?:down|up)samplers\.0\.)?(.+)", name
    )
    if block:
        number = 2 * int(block[2]) + (1 if block[3] else 2 * (block[1] == "decoder.up"))
        return f"{block[1]}_blocks.{number}.{block[4]}"
    name = name.replace("encoder.mid_block.", "encoder.down_blocks.8.")
    return name.replace("decoder.mid_block.", "decoder.up_blocks.0.")


def test_names_are_those_of_diffusers_own_conversion() -> None:
    with torch.device("meta"):
        vae = AutoencoderKLLTXVideo(**FULL_VAE).state_dict()
        stock = small().video_dit.state_dict()
    stock = {name: tensor for name, tensor in stock.items() if "mid_heads" not in name}
    theirs = lightricks(stock, vae)
    for part, convert, wanted in (
        ("vae", convert_ltx_vae_checkpoint_to_diffusers, vae),
        ("transformer", convert_ltx_transformer_checkpoint_to_diffusers, stock),
    ):
        assert set(diffusers_names(theirs, part)) == set(wanted)
        marked = {name: Named(name, tensor.shape) for name, tensor in theirs.items()}
        converted = {ours: one.name for ours, one in convert(marked).items()}
        assert diffusers_names(theirs, part) == converted


class Named:
    """A tensor's name and shape: what the conversion looks at."""

    def __init__(self, name: str, shape: torch.Size) -> None:
        self.name, self.shape = name, shape


def same(one: ReWorldModel, other: ReWorldModel) -> bool:
    """Whether two models have the same tensors."""
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_every_layout_gives_the_same_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LTX_095, "decoder_block_out_channels", (8, 16, 32))  # doubled, as theirs
    ltx = ancestors.write_ltx(tmp_path / "ltx")
    config = ancestors.small_config()
    expected = convert_checkpoint(Request("ltx", ltx), config).model
    usual = "diffusion_pytorch_model.safetensors"
    transformer = load_file(ltx / "transformer" / usual)
    single = ancestors.write(
        lightricks(transformer, load_file(ltx / "vae" / usual)), tmp_path / "s.safetensors"
    )
    assert same(convert_checkpoint(Request("ltx", single), config).model, expected)
    comfy = {f"model.diffusion_model.{name}": tensor for name, tensor in transformer.items()}
    file = ancestors.write(comfy, tmp_path / "comfy.safetensors")
    assert same(convert_checkpoint(Request("ltx", file, vae=ltx), config).model, expected)
    folder = tmp_path / "cut"
    halves: list[dict[str, Tensor]] = [{}, {}]
    for number, (name, tensor) in enumerate(transformer.items()):
        halves[number % 2][name] = tensor
    names: dict[str, str] = {}
    for number, half in enumerate(halves):
        ancestors.write(half, folder / f"model-{number}.safetensors")
        names |= dict.fromkeys(half, f"model-{number}.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": names}))
    for source in (folder, index):
        assert same(convert_checkpoint(Request("ltx", source, vae=ltx), config).model, expected)
    (folder / "model-1.safetensors").unlink()
    with pytest.raises(WeightsError, match="lacks shards: model-1"):
        convert_checkpoint(Request("ltx", index, vae=ltx), config)
    model = small()
    prepare_stage(model, stage_of("1"), single)
    assert model.history == ["statistics"]
