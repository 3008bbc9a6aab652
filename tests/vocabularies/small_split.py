"""Three scenes on the hand-made map, and a vocabulary of four trajectories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.split_settings import SplitSettings
from reworld_agent.vocabularies import ScoreVocabularyRun
from reworld_agent.vocabularies.files import write_vocabulary
from tests.pdm import small_scene


def split(
    monkeypatch: pytest.MonkeyPatch, root: Path, log: list[dict[str, Any]] | None = None
) -> SplitSettings:
    """The split of one log, below the folders that the environment names."""
    small_scene.write(root, log or small_scene.frames(n=16))
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(root))
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(root / "maps"))
    return SplitSettings(
        data_split=small_scene.SPLIT,
        scene_filter=SceneFilter(num_history_frames=4, num_future_frames=8, frame_interval=1),
    )


def vocabulary(path: Path) -> np.ndarray:
    """Straight on at 0, 3, 5 and 6 m/s: float32 [4, 8, 3], written to the path."""
    steps = 0.5 * np.arange(1, 9)[None, :, None] * np.array([1.0, 0.0, 0.0])
    poses = (np.array([0.0, 3.0, 5.0, 6.0])[:, None, None] * steps).astype(np.float32)
    write_vocabulary(path, poses)
    return poses


def run(split: SplitSettings, folder: Path, **more: object) -> ScoreVocabularyRun:
    """Settings that score `vocabulary.npy` into `scores`, in this process."""
    return ScoreVocabularyRun(
        vocabulary=folder / "vocabulary.npy",
        train_test_split=split,
        output_dir=folder / "scores",
        cache_dir=folder / "caches",
        worker="sequential",
        **more,  # type: ignore[arg-type]
    )
