"""Weights that are not whole, not finite or not of their configuration are found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from reworld_agent.core.errors import WeightsError
from reworld_agent.core.findings import FAIL, OK, WARN
from reworld_agent.doctor.weights import check_weights
from reworld_agent.model.shipped import shipped_folder

PART = "video_dit/diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped weights."""
    return Path(shutil.copytree(shipped_folder("tiny"), tmp_path / "weights"))


def _change(file: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    state = load_file(file)
    change(state)
    save_file(state, file)


def test_shipped_weights_pass() -> None:
    (found,) = check_weights()
    assert found.status == OK and found.name == "shipped weights"
    assert "statistics, 1" in found.what and "video_dit" in found.what


def test_nan_is_found_and_named(folder: Path) -> None:
    key = next(iter(load_file(folder / PART)))
    _change(folder / PART, lambda state: state[key].view(-1)[3:4].fill_(float("nan")))
    (found,) = check_weights(folder)
    assert found.status == FAIL and f"NaN or infinite values in {key}" in found.what


def test_missing_and_misshapen_tensors(folder: Path) -> None:
    first, second, *_ = load_file(folder / PART)

    def change(state: dict[str, Tensor]) -> None:
        del state[first]
        state[second] = torch.zeros(7)
        state["stranger"] = torch.zeros(1)

    _change(folder / PART, change)
    text = "\n".join(found.what for found in check_weights(folder))
    assert "missing" in text and first in text
    assert "stranger" in text and f"{second} (7,)" in text


def test_truncated_and_absent_files(folder: Path) -> None:
    (folder / "normalisation.safetensors").unlink()
    file = folder / PART
    file.write_bytes(file.read_bytes()[:1000])
    whats = [found.what for found in check_weights(folder) if found.status == FAIL]
    assert any(f"{PART} is no whole safetensors" in what for what in whats)
    assert any("normalisation.safetensors is missing" in what for what in whats)


def test_configurations_that_disagree(folder: Path) -> None:
    config = folder / "video_dit" / "config.json"
    content = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps({**content, "num_layers": 99}), encoding="utf-8")
    statuses = {found.status: found.what for found in check_weights(folder)}
    assert "num_layers" in statuses[FAIL] and "99" in statuses[FAIL]
    config.write_text("{", encoding="utf-8")
    assert {found.status for found in check_weights(folder)} == {WARN, OK}


def test_no_weights_at_all(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"config\.json is missing"):
        list(check_weights(tmp_path))
    (tmp_path / "last.ckpt").write_bytes(b"x")
    with pytest.raises(WeightsError, match="is a file"):
        list(check_weights(tmp_path / "last.ckpt"))
