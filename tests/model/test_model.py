"""The whole model: plans, saving, loading."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from reworld_agent.config import load_model_config
from reworld_agent.core.errors import WeightsError
from reworld_agent.core.records.checksums import CHECKSUMS
from reworld_agent.model import ReWorldModel
from reworld_agent.model.shipped import load_checkpoint
from reworld_agent.planner.heads.action_dit import ActionDiT
from reworld_agent.video.backbones.ltx import VideoDiT
from tests.model.micro import batch, micro_config, micro_model


def moving_model() -> ReWorldModel:
    """A model whose plans are not the seeded noise alone."""
    model = micro_model().eval()
    torch.nn.init.normal_(model.action_dit.proj_out.weight, std=0.3)
    torch.nn.init.normal_(model.action_dit.ego_embed.film[2].weight, std=0.3)
    return model


def test_plan_is_deterministic_and_independent_of_its_batch() -> None:
    model, (features, _) = moving_model(), batch(5)
    torch.manual_seed(1)
    plan = model.plan(features)
    torch.manual_seed(2)
    assert torch.equal(plan, model.plan(features))
    assert plan.shape == (5, 8, 3) and plan.dtype == torch.float32
    assert (plan[0] - plan[1]).abs().max() > 1e-3
    for i in (0, 4):
        alone = model.plan({key: value[i : i + 1] for key, value in features.items()})
        torch.testing.assert_close(alone[0], plan[i], atol=1e-4, rtol=1e-4)


def test_plan_reads_images_and_ego_state() -> None:
    model, (features, _) = moving_model(), batch(2)
    plan = model.plan(features)
    darker = {**features, "images": features["images"] // 2}
    faster = {**features, "ego": features["ego"] + 1}
    assert (model.plan(darker) - plan).abs().max() > 1e-4
    assert (model.plan(faster) - plan).abs().max() > 1e-4


def test_video_runs_once_and_keys_and_values_are_computed_once() -> None:
    model, (features, _) = moving_model(), batch(2)
    calls = {"video": 0, "keys": 0}
    modules = {"video": model.video_dit, "keys": model.action_dit.blocks[0].cross.to_k}
    for name, module in modules.items():
        module.register_forward_pre_hook(
            lambda *_, name=name: calls.update({name: calls[name] + 1})
        )
    model.plan(features)
    assert calls == {"video": 1, "keys": 1}


def test_bfloat16_plans_are_finite_and_near() -> None:
    model, (features, _) = moving_model(), batch(2)
    exact = model.plan(features)
    rough = model.to(torch.bfloat16).plan(features)
    assert rough.dtype == torch.float32 and torch.isfinite(rough).all()
    assert (rough - exact).abs().mean() < 0.1 * exact.abs().mean()


def test_paper_size_builds_on_the_meta_device() -> None:
    with torch.device("meta"):
        model = ReWorldModel(load_model_config("paper"))
    assert sum(p.numel() for p in model.video_dit.mid_heads.parameters()) == 266_368
    assert model.grid.tokens == 6048
    assert not any(p.requires_grad for p in model.codec.parameters())


def test_saved_folder_gives_the_same_plans(tmp_path: Path) -> None:
    model, (features, _) = moving_model(), batch(2)
    model.history = ["statistics", "1"]
    model.save_pretrained(tmp_path / "w", ["a note"])
    loaded = ReWorldModel.from_pretrained(tmp_path / "w", micro_config())
    assert torch.equal(loaded.plan(features), model.plan(features))
    assert loaded.history == ["statistics", "1"]
    assert not loaded.training and not any(p.is_meta for p in loaded.parameters())
    assert "a note" in (tmp_path / "w" / "README.md").read_text()
    assert {p.name for p in (tmp_path / "w").iterdir() if p.is_dir()} == {
        "codec",
        "video_dit",
        "action_dit",
        "scheduler",
    }


def test_saved_files_are_readable_by_everybody(tmp_path: Path) -> None:
    micro_model().save_pretrained(tmp_path / "w")
    files = [p for p in (tmp_path / "w").rglob("*") if p.is_file()]
    assert len(files) >= 9
    assert all(stat.S_IMODE(p.stat().st_mode) == 0o644 for p in files)


def test_each_part_loads_by_itself_with_diffusers(tmp_path: Path) -> None:
    model = micro_model()
    model.save_pretrained(tmp_path)
    video = VideoDiT.from_pretrained(tmp_path / "video_dit", low_cpu_mem_usage=False)
    action = ActionDiT.from_pretrained(tmp_path / "action_dit")
    head = model.video_dit.get_parameter("mid_heads.1.proj.weight")
    assert torch.equal(video.mid_heads["1"].proj.weight, head)
    assert torch.equal(action.proj_in.weight, model.action_dit.proj_in.weight)


def test_weights_of_another_configuration_are_refused(tmp_path: Path) -> None:
    micro_model().save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match=r"video\.num_layers: weights have 2, config has 4"):
        ReWorldModel.from_pretrained(tmp_path, load_model_config("tiny"))


def test_disagreeing_keys_are_listed(tmp_path: Path) -> None:
    micro_model().save_pretrained(tmp_path)
    file = tmp_path / "action_dit" / "diffusion_pytorch_model.safetensors"
    state = load_file(file)
    state["intruder"] = state.pop("proj_in.bias")
    state["proj_out.weight"] = torch.zeros(5, 2)
    save_file(state, file)
    (tmp_path / CHECKSUMS).unlink()  # as of an earlier version
    with pytest.raises(WeightsError) as caught:
        ReWorldModel.from_pretrained(tmp_path)
    message = str(caught.value)
    assert str(file) in message and "next:" in message
    assert "missing (1): proj_in.bias" in message
    assert "unexpected (1): intruder" in message
    assert "mis-shaped (1): proj_out.weight (5, 2) instead of (3, 32)" in message


@pytest.mark.parametrize("damage", ["absent", "no part", "cut short", "not json"])
def test_damaged_folders_name_the_file(tmp_path: Path, damage: str) -> None:
    micro_model().save_pretrained(tmp_path / "w")
    file = tmp_path / "w" / "video_dit" / "diffusion_pytorch_model.safetensors"
    folder = tmp_path / ("elsewhere" if damage == "absent" else "w")
    if damage == "no part":
        file.unlink()
    elif damage == "cut short":
        file.write_bytes(file.read_bytes()[:1000])
    elif damage == "not json":
        file = tmp_path / "w" / "config.json"
        file.write_text("{")
    with pytest.raises(WeightsError, match=str(folder if damage == "absent" else file)):
        load_checkpoint(folder, micro_config())


def test_a_full_disk_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **keywords: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reworld_agent.model.weights_folder.save_file", full)
    with pytest.raises(WeightsError, match="No space left"):
        micro_model().save_pretrained(tmp_path / "w")


@pytest.mark.parametrize("prefix", ["model.", "agent.model."])
def test_lightning_checkpoints_load(tmp_path: Path, prefix: str) -> None:
    model, (features, _) = moving_model(), batch(1)
    state = {prefix + key: value for key, value in model.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "last.ckpt")
    loaded = load_checkpoint(tmp_path / "last.ckpt", micro_config())
    assert torch.equal(loaded.plan(features), model.plan(features))
    with pytest.raises(WeightsError, match="does not fit"):
        load_checkpoint(tmp_path / "last.ckpt", load_model_config("tiny"))


def test_broken_lightning_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "a.ckpt").write_bytes(b"nothing")
    (tmp_path / "b.ckpt").write_text(json.dumps({}))
    for name in ("a.ckpt", "b.ckpt", "absent.ckpt"):
        with pytest.raises(WeightsError, match=name):
            load_checkpoint(tmp_path / name, micro_config())


def test_nothing_shipped_for_the_paper_size() -> None:
    with pytest.raises(WeightsError, match="no weights are shipped for model=paper"):
        load_checkpoint(None, load_model_config("paper"))
