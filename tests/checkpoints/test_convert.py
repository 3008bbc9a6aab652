"""Every ancestor's layout becomes a model of ours with exactly its tensors."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel
from safetensors.torch import load_file

from reworld_agent.checkpoints.convert import Request, convert_checkpoint
from reworld_agent.checkpoints.folder import convert_to
from reworld_agent.checkpoints.keys import ACTION, VIDEO, OurKey, to_theirs
from reworld_agent.model import ReWorldModel
from tests.checkpoints import ancestors


def features(batch: int = 2) -> dict[str, torch.Tensor]:
    """Random images and ego states of the small configuration."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (batch, 4, 3, 64, 96), generator=generator, dtype=torch.uint8)
    return {"images": images, "ego": torch.rand(batch, 8, generator=generator)}


def test_ltx_becomes_a_model_that_starts_stage_1(ltx: Path, tmp_path: Path) -> None:
    config = ancestors.small_config()
    output = tmp_path / "out"
    convert_to(Request("ltx", ltx), config, output, progress=False)
    model = ReWorldModel.from_pretrained(output, config)
    stock = LTXVideoTransformer3DModel.from_pretrained(ltx / "transformer")
    for name, tensor in stock.state_dict().items():
        assert torch.equal(model.video_dit.state_dict()[name], tensor), name
    vae = load_file(ltx / "vae" / "diffusion_pytorch_model.safetensors")
    assert all(torch.equal(model.codec.state_dict()[name], vae[name]) for name in vae)
    head: Any = model.video_dit.mid_heads["2"]
    assert torch.equal(head.proj.weight, stock.proj_out.weight)
    assert torch.equal(head.scale_shift_table, stock.scale_shift_table)
    assert model.history == ["statistics"]
    assert model.plan(features()).shape == (2, 8, 3)
    card = (output / "README.md").read_text()
    assert "mid heads 2: copies" in card and "Action DiT: from seed 42" in card


def test_written_files_are_readable_by_everybody(ltx: Path, tmp_path: Path) -> None:
    convert_to(Request("ltx", ltx), ancestors.small_config(), tmp_path / "out", progress=False)
    for path in (tmp_path / "out").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644)
    assert {p.name for p in tmp_path.iterdir()} == {"ltx", "out"}  # nothing half-written


def theirs(model: ReWorldModel) -> dict[str, torch.Tensor]:
    """Our model in the ancestors' names."""
    parts = ((VIDEO, model.video_dit), (ACTION, model.action_dit))
    return {
        to_theirs(OurKey(part, name)): tensor
        for part, module in parts
        for name, tensor in module.state_dict().items()
    }


def test_drivelaw_there_and_back(ltx: Path, tmp_path: Path) -> None:
    state = ancestors.drivelaw_act()
    file = ancestors.write(
        state | {"traj_scorer.out.0.weight": torch.ones(3)}, tmp_path / "a.safetensors"
    )
    converted = convert_checkpoint(Request("drivelaw", file, vae=ltx), ancestors.small_config())
    back = {k: v for k, v in theirs(converted.model).items() if not k.startswith("ig_heads.")}
    assert set(back) == set(state)
    assert all(torch.equal(back[name], state[name]) for name in state)
    assert any("left out: 1 tensors, such as traj_scorer" in note for note in converted.notes)
    block = converted.model.action_dit.blocks[1]
    assert torch.equal(block.cross.to_k.weight, state["action_blocks.1.attn2.to_k.weight"])
    assert torch.equal(block.ff.proj_in.weight, state["action_blocks.1.ff.w12.weight"])
    scale = converted.model.normaliser.scale[0]
    torch.testing.assert_close(scale, torch.tensor([33.37, 21.0, 1.765]))


def test_the_trunk_is_that_of_the_planner_unless_told_otherwise(ltx: Path, tmp_path: Path) -> None:
    video = ancestors.write(ancestors.video_state(7), tmp_path / "video.safetensors")
    act_state = ancestors.drivelaw_act(8)
    act = ancestors.write(act_state, tmp_path / "act.safetensors")
    config = ancestors.small_config()
    for trunk, wanted in (("act", act_state), ("source", ancestors.video_state(7))):
        model = convert_checkpoint(Request("drivelaw", video, act, ltx, trunk), config).model
        found = model.video_dit.get_parameter("transformer_blocks.2.attn1.to_q.weight")
        assert torch.equal(found, wanted["transformer_blocks.2.attn1.to_q.weight"])
        assert torch.equal(model.action_dit.proj_in.bias, act_state["action_proj_in.bias"])


def test_the_release_there_and_back(ltx: Path, tmp_path: Path) -> None:
    first, act = ancestors.reworld_stage1(), ancestors.reworld_act()
    source = ancestors.write(first, tmp_path / "dualflow_dit.safetensors")
    planner = ancestors.write(act, tmp_path / "act" / "diffusion_pytorch_model.safetensors")
    config = ancestors.small_config("release")
    request = Request("reworld", source, planner.parent, ltx)
    converted = convert_to(request, config, tmp_path / "out", progress=False)
    wanted = {name.removeprefix("transformer."): tensor for name, tensor in first.items()} | act
    back = theirs(converted.model)
    assert set(back) == set(wanted)
    assert all(torch.equal(back[name], wanted[name]) for name in wanted)
    loaded = ReWorldModel.from_pretrained(tmp_path / "out", config)
    assert torch.equal(loaded.plan(features()), converted.model.plan(features()))
    assert loaded.history == ["statistics", "1", "planner", "2", "3"]


def test_early_names_of_head_and_projector(ltx: Path, tmp_path: Path) -> None:
    state = ancestors.reworld_act() | {
        name.removeprefix("transformer."): tensor
        for name, tensor in ancestors.reworld_stage1().items()
    }
    renamed = {
        name.replace("ig_heads.1.", "").replace("projectors.2.", "projector."): tensor
        for name, tensor in state.items()
    }
    file = ancestors.write(renamed, tmp_path / "early.safetensors")
    model = convert_checkpoint(
        Request("reworld", file, vae=ltx), ancestors.small_config("release")
    ).model
    bias = model.video_dit.get_parameter("mid_heads.2.proj.bias")
    assert torch.equal(bias, state["ig_heads.1.ig_proj_out.bias"])
    projector = model.action_dit.projectors["3"]
    assert torch.equal(projector.proj.weight, state["cross_modal_projectors.2.proj.weight"])


@pytest.mark.parametrize("wrapper", ["module.", "transformer.", "_orig_mod.module."])
def test_wrappers_in_front_of_names(ltx: Path, tmp_path: Path, wrapper: str) -> None:
    state = {wrapper + name: tensor for name, tensor in ancestors.drivelaw_act().items()}
    file = ancestors.write(state, tmp_path / "w.safetensors")
    assert convert_checkpoint(Request("drivelaw", file, vae=ltx), ancestors.small_config()).planner


def test_shards_and_torch_files(ltx: Path, tmp_path: Path) -> None:
    state = ancestors.drivelaw_act()
    names = sorted(state)
    folder = tmp_path / "sharded"
    halves = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, part in halves.items():
        ancestors.write({name: state[name] for name in part}, folder / file)
    index = {"weight_map": {name: file for file, part in halves.items() for name in part}}
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    torch.save({"state_dict": state}, tmp_path / "act.pt")
    config = ancestors.small_config()
    models = [
        convert_checkpoint(Request("drivelaw", path, vae=ltx), config).model.state_dict()
        for path in (folder, tmp_path / "act.pt")
    ]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])


def test_parts_follow_the_dtype_of_the_trunk(ltx: Path, tmp_path: Path) -> None:
    state = {name: tensor.bfloat16() for name, tensor in ancestors.drivelaw_act().items()}
    file = ancestors.write(state, tmp_path / "half.safetensors")
    model = convert_checkpoint(Request("drivelaw", file, vae=ltx), ancestors.small_config()).model
    kinds = {p.dtype for p in model.parameters()}
    assert kinds == {torch.bfloat16} and model.normaliser.scale.dtype == torch.float32
    assert torch.isfinite(model.plan(features())).all()


def test_conversion_is_reproducible(ltx: Path) -> None:
    request, config = Request("ltx", ltx), ancestors.small_config("release")
    models = [convert_checkpoint(request, config).model.state_dict() for _ in range(2)]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])
    assert any(name.startswith("action_dit.projectors.3.") for name in models[0])


@pytest.mark.parametrize("recipe", ["paper", "release"])
def test_a_planner_under_the_papers_recipe_is_told_to_see_other_inputs(
    recipe: str, ltx: Path, tmp_path: Path
) -> None:
    file = ancestors.write(ancestors.drivelaw_act(), tmp_path / "act.safetensors")
    config, output = ancestors.small_config(recipe), tmp_path / "out"
    convert_to(Request("drivelaw", file, vae=ltx), config, output, progress=False)
    told = (
        "trained on images, latents and sentences as recipe=release"
        in (output / "README.md").read_text()
    )
    assert told == (recipe == "paper")
