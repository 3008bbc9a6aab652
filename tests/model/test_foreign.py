"""Checkpoints of others, and ours in others' wrappers: told for what they are, or read."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from reworld_agent.checkpoints.source import open_source
from reworld_agent.core.errors import WeightsError
from reworld_agent.generation.model_choice import ModelSettings, config_of
from reworld_agent.model import ReWorldModel
from reworld_agent.model.shipped import load_checkpoint
from reworld_agent.model.tensor_files import split_name
from reworld_agent.training.loop.resume import finished_steps
from reworld_agent.training.prepare import prepare_stage
from reworld_agent.training.stages import load_stage
from tests.model.micro import micro_config, micro_model


@pytest.fixture(scope="module")
def model() -> ReWorldModel:
    return micro_model()


def _same(file: Path, model: ReWorldModel) -> bool:
    found, wanted = load_checkpoint(file, model.config).state_dict(), model.state_dict()
    return found.keys() == wanted.keys() and all(torch.equal(found[k], wanted[k]) for k in wanted)


WRAPPERS: dict[str, Callable[[str], str]] = {
    "none": lambda name: name,
    "ours": lambda name: f"model.{name}",
    "the devkit's": lambda name: f"agent.model.{name}",
    "DDP": lambda name: f"module.{name}",
    "compiled": lambda name: f"_orig_mod.{name}",
    "both": lambda name: f"module._orig_mod.model.{name}",
    "compiled parts": lambda name: f"model.{name.replace('.', '._orig_mod.', 1)}",
    "FSDP": lambda name: f"_fsdp_wrapped_module.{name.replace('.', '._fsdp_wrapped_module.', 1)}",
    "checkpointed": lambda name: name.replace(".weight", "._checkpoint_wrapped_module.weight"),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_wrappers_in_front_of_our_names(name: str, model: ReWorldModel, tmp_path: Path) -> None:
    state = {WRAPPERS[name](key): value for key, value in model.state_dict().items()}
    other = {}
    if all(split_name(key)[0] for key in state):  # a teacher beside the model in its module
        other = {f"teacher.{key}": value for key, value in list(model.state_dict().items())[:3]}
    torch.save({"state_dict": {**state, **other}, "global_step": 3}, tmp_path / "last.ckpt")
    assert _same(tmp_path / "last.ckpt", model)
    torch.save(state, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    assert _same(tmp_path / "w.pth", model)
    torch.save({"model": state, "epoch": 2}, tmp_path / "w.pt")
    assert _same(tmp_path / "w.pt", model)
    save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / "w.safetensors")
    assert _same(tmp_path / "w.safetensors", model)


def test_a_stage_starts_from_any_of_these_files(model: ReWorldModel, tmp_path: Path) -> None:
    torch.save({f"module.{key}": v for key, v in model.state_dict().items()}, tmp_path / "w.pth")
    fresh = micro_model(seed=1)
    prepare_stage(fresh, load_stage("1", "paper", "tiny", {}), tmp_path / "w.pth")
    wanted = model.state_dict()
    assert all(torch.equal(value, wanted[key]) for key, value in fresh.state_dict().items())


FOREIGN = {
    "agent._transfuser_model._backbone.image_encoder.conv1.weight": ("TransFuser", "agent=transf"),
    "agent._transfuser_model._trajectory_head.plan_anchor": ("DiffusionDrive", "agent=diffusion"),
    "agent._mlp.0.weight": ("EgoStatusMLP", "agent=ego_status_mlp"),
    "model.diffusion_model.patchify_proj.weight": ("Lightricks' single file", "convert from=ltx"),
    "transformer.transformer_blocks.0.attn1.to_q.lora_A.weight": ("LoRA", "merge it"),
    "lora_unet_blocks_0.lora_down.weight": ("LoRA", "merge it"),
    "transformer_blocks.0.attn1.to_q.weight": ("transformer of diffusers", "convert from=ltx"),
    "transformer.action_blocks.0.attn1.to_q.weight": ("DriveLaW", "convert from=drivelaw"),
    "ig_heads.3.ig_proj_out.weight": ("authors' ReWorld", "convert from=reworld"),
    "decoder.up_blocks.0.resnets.0.conv1.weight": ("VAE", "transformer/"),
    "encoder.block.0.layer.0.SelfAttention.q.weight": ("T5", "t5="),
    "policy.backbone.layer1.0.conv1.weight": ("another model .*policy.backbone", "OUTPUT_DIR"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_checkpoints_of_others_are_told(name: str, tmp_path: Path) -> None:
    what, fix = FOREIGN[name]
    state = {name: torch.zeros(2, 2), "other.weight": torch.zeros(1)}
    torch.save({"state_dict": state, "hyper_parameters": {}}, tmp_path / "last.ckpt")
    torch.save(state, tmp_path / "w.pth")
    save_file(state, tmp_path / "w.safetensors")
    for file in ("last.ckpt", "w.pth", "w.safetensors"):
        with pytest.raises(WeightsError, match=f"{file} is .*{what}.*\n  next: .*{fix}"):
            load_checkpoint(tmp_path / file, micro_config())
    if "another model" not in what:
        with pytest.raises(WeightsError, match=f"{what}.*\n  next: .*{fix}"):
            config_of(ModelSettings(checkpoint_path=tmp_path / "last.ckpt"))
    with pytest.raises(WeightsError, match=f"{what}.*\n  next: .*{fix}"):
        prepare_stage(micro_model(), load_stage("1", "paper", "tiny", {}), tmp_path / "w.pth")


class Evil(nn.Module):
    """A whole module, which people save too."""


ODD: dict[str, Any] = {
    "list": [torch.zeros(1)],
    "number": 3,
    "text": "x",
    "nothing": {},
    "no tensors": {"state_dict": {"a": 1}},
    "numbered": {"state_dict": {1: torch.zeros(1)}},
    "nested": {"state_dict": {"a": {"b": torch.zeros(1)}}},
    "tensor": torch.zeros(3),
    "listed": {"state_dict": [torch.zeros(1)]},
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("suffix", [".ckpt", ".pth"])
def test_odd_contents(name: str, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"odd{suffix}"
    torch.save(ODD[name], file)
    for use in (lambda f: load_checkpoint(f, micro_config()), open_source):
        with pytest.raises(WeightsError, match=r"odd\.\w+ (holds|is) .*\n  next: "):
            use(file)


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    contents = {
        "lfs.ckpt": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS"),
        "page.pth": (b"<!DOCTYPE html><html>", "web page"),
        "zipped.ckpt": (gzip.compress(b"x" * 100), "gzip"),
        "empty.ckpt": (b"", "empty"),
        "json.safetensors": (b'{"a": 1}', "text file"),
        "m.safetensors.index.json": (b"{}", "index of shards"),
        "noise.ckpt": (bytes(range(256)) * 4, "not a readable file of tensors"),
    }
    for name, (data, what) in contents.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(WeightsError, match=f"{what}.*\n  next: "):
            load_checkpoint(tmp_path / name, micro_config())
    torch.save(Evil(), tmp_path / "whole.pth")
    with pytest.raises(WeightsError, match=r"test_foreign\.Evil.*not opened\n.*state_dict"):
        load_checkpoint(tmp_path / "whole.pth", micro_config())


def test_a_damaged_checkpoint_is_one_error(model: ReWorldModel, tmp_path: Path) -> None:
    torch.save({"state_dict": model.state_dict()}, tmp_path / "last.ckpt")
    whole = (tmp_path / "last.ckpt").read_bytes()
    for length in range(0, len(whole), len(whole) // 12):
        (tmp_path / "cut.ckpt").write_bytes(whole[:length])
        with pytest.raises(WeightsError, match=r"cut\.ckpt is "):
            load_checkpoint(tmp_path / "cut.ckpt", micro_config())


def test_a_changed_body_of_a_checkpoint_is_found(model: ReWorldModel, tmp_path: Path) -> None:
    torch.save({"state_dict": model.state_dict(), "global_step": 3}, tmp_path / "last.ckpt")
    whole = (tmp_path / "last.ckpt").read_bytes()
    assert finished_steps(tmp_path / "last.ckpt") == 3
    wanted = model.state_dict()["codec.components"].numpy().tobytes()
    place = whole.index(wanted[:64])
    (tmp_path / "last.ckpt").write_bytes(whole[:place] + b"\x01" + whole[place + 1 :])
    for use in (lambda file: load_checkpoint(file, micro_config()), finished_steps):
        with pytest.raises(WeightsError, match=r"last\.ckpt .*is not as it was saved"):
            use(tmp_path / "last.ckpt")
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"state_dict": model.state_dict()}, tmp_path / "fast.ckpt")
    finally:
        torch.serialization.set_crc32_options(True)
    assert _same(tmp_path / "fast.ckpt", model)


def test_folders_of_others_are_told(tmp_path: Path) -> None:
    def write(name: str, **files: object) -> Path:
        for file, content in files.items():
            place = tmp_path / name / file.replace("__", "/").replace("_json", ".json")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps(content))
        return tmp_path / name

    pipeline = write("pipe", model_index_json={"_class_name": "LTXPipeline"}, transformer__x=1)
    cases = {
        pipeline: r"diffusers folder \(LTXPipeline\).*\n.*convert from=ltx",
        write("part", config_json={"_class_name": "LTXVideoTransformer3DModel"}): "one part of",
        write("t5", config_json={"model_type": "t5"}): r"transformers \(t5\)",
        write("lora", adapter_config_json={}): "LoRA",
        write("sharded", **{"model.safetensors.index_json": {}}): "sharded model of Hugging Face",
        write("fsdp", **{"__0_0.distcp": 1, ".metadata": 1}): "distributed training",
        write("loose", **{"a.ckpt": 1}): r"folder with a\.ckpt.*\n.*name the file itself",
        write("run", weights__config_json={}): "output folder of a training.*\n.*weights",
        write("nothing", readme=1): "no weights at",
    }
    for folder, message in cases.items():
        with pytest.raises(WeightsError, match=message):
            load_checkpoint(folder, micro_config())
        with pytest.raises(WeightsError, match=message):
            config_of(ModelSettings(checkpoint_path=folder))
