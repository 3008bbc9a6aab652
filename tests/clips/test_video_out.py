"""Videos that are written: equal frames are equal bytes, whatever memory held before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reworld_agent.clips.video_out import write_video


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("size", [(34, 50), (65, 113), (112, 230)])
def test_equal_frames_are_equal_bytes(
    tmp_path: Path, size: tuple[int, int], lossless: bool
) -> None:
    draw = np.random.default_rng(1)
    texture = draw.integers(0, 255, (3, size[0] // 4 + 8, size[1] // 4 + 8), dtype=np.uint8)
    large = texture.repeat(4, 1).repeat(4, 2)
    frames = np.stack([large[:, k : k + size[0], k : k + size[1]] for k in range(12)])
    written = set()
    for _ in range(12):
        _dirt = [draw.bytes(int(size)) for size in draw.integers(1000, 3_000_000, 5)]
        write_video(tmp_path / "v.mp4", frames, 8.0, lossless)
        written.add((tmp_path / "v.mp4").read_bytes())
    assert len(written) == 1
