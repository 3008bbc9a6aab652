"""What does not fit is refused, in words: size, keys, files, versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel

from reworld_agent.checkpoints import folder as convert_folder
from reworld_agent.checkpoints.convert import Request, convert_checkpoint
from reworld_agent.cli.main import main
from reworld_agent.config import load_model_config
from reworld_agent.core.errors import ConfigError, WeightsError
from tests.checkpoints import ancestors

CONFIG = ancestors.small_config()


def refused(source: Path, ltx: Path, config: Any = CONFIG, **extra: Any) -> str:
    """The message of a refused conversion."""
    with pytest.raises(WeightsError) as caught:
        convert_checkpoint(Request("drivelaw", source, vae=ltx, **extra), config)
    assert "next:" in str(caught.value)
    return str(caught.value)


def test_every_disagreeing_key_is_listed(ltx: Path, tmp_path: Path) -> None:
    state = ancestors.drivelaw_act()
    del state["action_blocks.0.attn2.to_k.bias"]
    del state["transformer_blocks.1.ff.net.2.weight"]
    state["stranger.weight"] = torch.zeros(2)
    state["action_state_film.0.weight"] = torch.zeros(4, 5)
    message = refused(ancestors.write(state, tmp_path / "a.safetensors"), ltx)
    assert "video_dit: missing (1): transformer_blocks.1.ff.net.2.weight" in message
    assert "video_dit: unexpected (1): stranger.weight" in message
    assert "action_dit: missing (1): blocks.0.cross.to_k.bias" in message
    wrong = "ego_embed.film.0.weight (action_state_film.0.weight) (4, 5) instead of (32, 16)"
    assert f"action_dit: mis-shaped (1): {wrong}" in message


def test_half_a_mid_head_is_no_mid_head(ltx: Path, tmp_path: Path) -> None:
    state = ancestors.reworld_stage1()
    del state["transformer.ig_heads.1.ig_proj_out.bias"]
    message = refused(ancestors.write(state, tmp_path / "a.safetensors"), ltx)
    assert "missing (1): mid_heads.2.proj.bias" in message


def test_heads_and_projectors_of_other_blocks(ltx: Path, tmp_path: Path) -> None:
    other = ancestors.write(ancestors.reworld_stage1(block=0), tmp_path / "a.safetensors")
    assert "mid_heads.1.proj.bias (transformer.ig_heads.0.ig_proj_out.bias)" in refused(other, ltx)
    planner = ancestors.write(ancestors.reworld_act(), tmp_path / "b.safetensors")
    assert "unexpected (3): projectors.3.norm.bias" in refused(planner, ltx)  # recipe=paper


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_layers": 2}, "blocks: 2 there, 3 in the config"),
        ({"attention_head_dim": 6, "cross_attention_dim": 12}, "width: 12 there, 24 in the config"),
        ({"attention_head_dim": 6, "num_attention_heads": 4}, "heads: 4 there, 2 in the config"),
        ({"caption_channels": 8}, "caption channels: 8 there, 16 in the config"),
        ({"in_channels": 64, "out_channels": 64}, "latent channels: 64 there, 128"),
        ({"norm_eps": 1e-3}, "norm_eps: 0.001 there, 1e-06 here"),
    ],
)
def test_other_sizes_are_named(
    ltx: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    model = LTXVideoTransformer3DModel(**{**ancestors.STOCK, **change})
    model.save_pretrained(tmp_path / "other" / "transformer")
    assert message in refused(tmp_path / "other", ltx)


def test_vae_of_another_version(ltx: Path) -> None:
    file = ltx / "vae" / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "timestep_conditioning": False}))
    message = refused(ltx, ltx)
    assert "timestep_conditioning: False there, True here" in message and "0.9.5" in message


def test_missing_vae_and_missing_planner(ltx: Path, tmp_path: Path) -> None:
    file = ancestors.write(ancestors.video_state(), tmp_path / "video.safetensors")
    with pytest.raises(WeightsError, match="has no vae/"):
        convert_checkpoint(Request("drivelaw", file), CONFIG)
    assert "has no planner" in refused(file, ltx, act=file)


def test_single_file_of_lightricks(ltx: Path, tmp_path: Path) -> None:
    state = {"model.diffusion_model.patchify_proj.weight": torch.zeros(2, 2)}
    file = ancestors.write(state, tmp_path / "ltx-video-2b-v0.9.5.safetensors")
    message = refused(file, ltx)  # read as what it is, and far from whole
    assert "missing (89)" in message and "proj_in.weight (model.diffusion_model.patchify" in message


def test_pickles_of_code_are_not_run(ltx: Path, tmp_path: Path) -> None:
    torch.save({"model": torch.nn.Linear(2, 2)}, tmp_path / "a.pt")
    assert "not a readable file of tensors" in refused(tmp_path / "a.pt", ltx)
    torch.save([torch.zeros(2)], tmp_path / "b.pt")
    assert "not a dictionary of tensors" in refused(tmp_path / "b.pt", ltx)


def test_files_that_are_not_there_or_cut_short(ltx: Path, tmp_path: Path) -> None:
    assert "no checkpoint at" in refused(tmp_path / "absent", ltx)
    (tmp_path / "empty").mkdir()
    assert "weight files there: none" in refused(tmp_path / "empty", ltx)
    file = ancestors.write(ancestors.video_state(), tmp_path / "cut" / "a.safetensors")
    file.write_bytes(file.read_bytes()[:5000])
    assert "not a readable safetensors" in refused(file, ltx)
    index = {"weight_map": {"proj_in.weight": "part-1.safetensors"}}
    folder = tmp_path / "cut"
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    assert "lacks shards: part-1.safetensors" in refused(folder, ltx)


def test_tiny_cannot_take_their_weights(ltx: Path) -> None:
    with pytest.raises(ConfigError, match="model=tiny has another codec"):
        convert_checkpoint(Request("ltx", ltx), load_model_config("tiny"))


def test_the_command(
    ltx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        convert_folder, "load_model_config", lambda name, recipe: ancestors.small_config(recipe)
    )
    output = tmp_path / "out"
    words = ["convert", "from=ltx", f"source={ltx}", f"output={output}"]
    assert main(words) == 0 and (output / "config.json").is_file()
    assert f"written: {output}" in capsys.readouterr().out
    assert main(words) == 2 and "exists" in capsys.readouterr().err
    assert main(["convert", "--help"]) == 0 and "example:" in capsys.readouterr().out
    assert main(["convert", "from=sora", f"source={ltx}", f"output_dir={output}2"]) == 2
    assert "from=sora must be one of ltx, drivelaw, reworld" in capsys.readouterr().err
    assert main(["convert", "from=ltx", f"source={ltx}", f"output_dir={ltx}"]) == 2
    assert main(["convert", "from=ltx"]) == 2
    assert main([*words[:3], f"output_dir={tmp_path}/r", "recipe=release"]) == 0
    saved = json.loads((tmp_path / "r" / "config.json").read_text())
    assert saved["recipe"] == "release"
