"""Pictures and films of rollouts and imagined futures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reworld_agent.analysis.player import recorded_pictures, recordings, rollout_pictures
from reworld_agent.cli.main import main
from tests.analysis.overlaps import drawn_texts, faults
from tests.analysis.test_recordings import HIT, STEPS, futures, recorded
from tests.pdm.straight_road import scene

LOST_AT = 60


def look(folder: Path, kind: str, *words: str) -> Path:
    """The file that the command writes."""
    out = folder / f"out.{kind}"
    assert main(["look", str(folder), f"view={kind}", f"output={out}", *words]) == 0
    return out


def test_a_drive_is_shown_at_what_it_loses_first(tmp_path: Path) -> None:
    recorded(tmp_path / "drive")
    (own,) = recordings.read(tmp_path)
    assert rollout_pictures.first_failure(own) == LOST_AT == HIT["step"]
    figure = recorded_pictures.still(own)
    texts = {text for text, _ in drawn_texts(figure)}
    assert {"t = 6.0 s", "NC: hit: vehicle a", "an agent", "cam_f0"} <= texts
    assert any(text.startswith("score 0.000: hits a at 6.0 s") for text in texts)
    assert faults(figure) == []
    hatched = [patch for patch in figure.axes[0].patches if patch.get_hatch()]
    assert len(hatched) == 1
    assert Image.open(look(tmp_path, "png", "token=drive")).size == (1080, 720)


def test_films_of_a_drive_hold_the_failure(tmp_path: Path) -> None:
    pytest.importorskip("av")
    recorded(tmp_path / "drive")
    with Image.open(look(tmp_path, "gif", "token=drive")) as image:
        durations = 0
        for frame in range(getattr(image, "n_frames", 1)):
            image.seek(frame)
            durations += image.info["duration"]
    assert durations == 200 * (STEPS // 2 + 5)
    assert look(tmp_path, "mp4", "token=drive").stat().st_size > 10_000


def test_two_drives_in_one_picture(tmp_path: Path) -> None:
    """One that ends before the other too; and of drives that lose nothing the middle is shown."""
    made = recorded(tmp_path / "a" / "drive")
    passed = [{**own, "value": 1.0, "failed": None} for own in made.header["metrics"]]
    good = {**made.header, "score": 1.0, "metrics": passed}
    longer = np.concatenate([made.ego, made.ego[-1:]])
    longer += [0.0, 0.0, 0.1]
    speed = np.append(made.speed, 0.0)
    tracks = np.concatenate([made.track_pose, made.track_pose[-1:]])
    other = replace(made, header=good, ego=longer, speed=speed, track_pose=tracks)
    other.save(tmp_path / "b" / "drive", scene())
    (both,) = recordings.read(tmp_path / "a", beside=tmp_path / "b")
    for step in (0, LOST_AT, STEPS):
        assert faults(rollout_pictures.at(both, step)) == []
    texts = {text for text, _ in drawn_texts(recorded_pictures.still(both))}
    assert {"an agent (a)", "an agent (b)", "an agent (a): NC: hit: vehicle a"} <= texts
    (alone,) = recordings.read(tmp_path / "b")
    assert rollout_pictures.first_failure(alone) is None
    texts = {text for text, _ in drawn_texts(recorded_pictures.still(alone))}
    assert {"t = 4.0 s", "score 1.000: passes every metric"} <= texts


def test_pictures_of_an_imagined_future(tmp_path: Path) -> None:
    futures(tmp_path)
    own = recordings.read(tmp_path)[0]
    figure = recorded_pictures.still(own)
    assert faults(figure) == []
    assert len(figure.axes) == 5 * 6  # real, imagined, codec, two errors; six times
    assert any("dB PSNR" in text for text, _ in drawn_texts(figure))
    with Image.open(look(tmp_path, "gif", "token=one")) as image:
        assert getattr(image, "n_frames", 1) == 8 and image.info["duration"] == 250
    assert look(tmp_path, "mp4", "token=one").stat().st_size > 5_000
    assert look(tmp_path, "png", "token=one").stat().st_size > 5_000
