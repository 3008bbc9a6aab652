"""The picture of a scored scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from reworld_agent.analysis.figures.bev import box_corners, save_scene, to_ego
from reworld_agent.pdm.cache_io.build import build_scene_cache


def test_to_ego_turns_and_shifts() -> None:
    ego = np.array([10.0, 5.0, np.pi / 2])
    np.testing.assert_allclose(
        to_ego(np.array([[10.0, 8.0], [9.0, 5.0]]), ego), [[3, 0], [0, 1]], atol=1e-9
    )


def test_box_corners_lie_around_the_centre() -> None:
    corners = box_corners(np.array([1.0, 2.0, np.pi / 2]), 4.0, 2.0)
    np.testing.assert_allclose(corners.mean(0), [1, 2])
    np.testing.assert_allclose(np.ptp(corners, axis=0), [2, 4], atol=1e-12)


def test_picture_of_a_reference_scene(devkit_reference: Path, tmp_path: Path) -> None:
    maps = devkit_reference / "maps"
    cache = build_scene_cache(devkit_reference, maps, "toy", "0a1cf8f1a48f53fb")
    poses = np.column_stack([np.arange(1, 9) * 3.0, np.zeros(8), np.zeros(8)])
    picture = tmp_path / "folder" / "scene.png"
    save_scene(cache, poses, picture, step=20, title="a scene")
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    assert pixels.shape[0] > 400
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20
