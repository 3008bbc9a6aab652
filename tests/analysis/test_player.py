"""What a page plays: marks as the scorer records them, small data, and what cannot be shown."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from reworld_agent import pdm
from reworld_agent.analysis import Run, look_runs
from reworld_agent.analysis.player import page
from reworld_agent.analysis.player.contract import MovingScene
from reworld_agent.analysis.player.packing import deflated, inflated
from reworld_agent.analysis.player.scenes import SceneTask, gather
from reworld_agent.cli.main import main
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.metrics import columns, metric, protocol
from reworld_agent.pdm.simulate.rollout import reference_rollout, rollout
from reworld_agent.pdm.world.ego_frame import ego_box, poses_to_ego, to_ego
from tests.analysis import runs
from tests.analysis.runs import where
from tests.pdm.straight_road import scene, straight

Array = NDArray[np.float64]
MOST_BYTES = 60_000
TOKEN = scene({}).token


def unpacked(poses: list[list[int]]) -> Array:
    """Poses [n, 3] in m and rad, as decode.js makes them."""
    return np.cumsum(np.array(poses, float), axis=1).T / [100.0, 100.0, 1000.0]


def records(run: Run, token: str) -> dict[str, Any]:
    """The scorer's own failure records of a plan."""
    scored = pdm.score(
        run.caches.get(token), run.plan(token)[None], run.table.protocol.name, explain=True
    )
    return {name: values[0] for name, values in scored.items()}


@dataclass(frozen=True)
class Known(SceneCaches):
    """Caches that are there, wherever their logs and maps are."""

    known: Any = None

    def get(self, token: str) -> pdm.SceneCache:
        found: pdm.SceneCache = self.known(token)
        return found


def run_of(run: Run, cache: pdm.SceneCache) -> Run:
    """A run of one scene without a log, driven straight on at 8 m/s."""
    one = run.alone(str(run.poses.index[0]))
    poses = one.poses.set_axis([cache.token])
    poses.iloc[0] = straight(8.0)[0].ravel().tolist()
    table = replace(one.table, frame=one.table.frame.set_axis([cache.token]))
    nowhere = Path("nowhere")
    caches = Known(nowhere, nowhere, "none", known=lambda token: cache)
    return replace(one, table=table, poses=poses, caches=caches)


@pytest.fixture(scope="module", params=["run", "run_v2"])
def gathered(
    request: pytest.FixtureRequest, caches: SceneCaches, tokens: list[str]
) -> tuple[Run, dict[str, MovingScene]]:
    """A run of each protocol, and its scenes."""
    run = runs.opened(request.getfixturevalue(request.param), caches)
    return run, {token: gather(SceneTask(run.alone(token), token)) for token in tokens[:8]}


def test_every_mark_is_that_of_the_failure_record(
    gathered: tuple[Run, dict[str, MovingScene]],
) -> None:
    run, scenes = gathered
    marked = 0
    for token, found in scenes.items():
        said = records(run, token)
        cache = run.caches.get(token)
        states = rollout(cache, run.plan(token)[None])[0]
        drive = found.packed["drives"][0]
        assert {own["short"]: own["value"] for own in drive["metrics"]} == pytest.approx(
            {metric(n).short: said[n] for n in protocol(run.table.protocol.name).explained},
            abs=1e-6,
        )
        for own in drive["metrics"]:
            name = pdm.metrics.metric_called(own["short"]).name
            mark, time = own["failed"], said.get(f"{name}_failure_time_s", np.nan)
            if mark is None or np.isnan(time):
                continue
            marked += 1
            assert mark["step"] == np.clip(round(time * 10), 0, 40)
            if f"{name}_track_token" in said:
                assert mark["track"] == said[f"{name}_track_token"]
            if f"{name}_corner" in said:
                corner = pdm.metrics.drivable_area.CORNERS.index(said[f"{name}_corner"])
                pose = poses_to_ego(states[mark["step"], :3], cache.ego_state[:3])
                assert np.allclose(np.array(mark["point"]) / 100, ego_box(pose)[corner], atol=0.006)
    assert marked >= 5


def test_lines_leave_their_bound_where_the_metric_fails(
    gathered: tuple[Run, dict[str, MovingScene]],
) -> None:
    run, scenes = gathered
    seen = 0
    for token, found in scenes.items():
        said = records(run, token)
        for own in found.packed["drives"][0]["metrics"]:
            name, line = pdm.metrics.metric_called(own["short"]).name, own["trace"]
            values = np.array([np.nan if x is None else x for x in line["values"]])
            if own["short"] == "EP":
                assert max(values[-1], 0.0) == pytest.approx(said["progress_m"], abs=1e-3)
                continue
            beyond = values > line["bound"] if line["above"] else values <= line["bound"]
            time = said.get(f"{name}_failure_time_s", np.nan)
            if own["short"] in ("NC", "DAC", "Comf"):
                assert beyond.any() == (said[name] < 1.0)
            if time >= 0.0 and own["short"] not in ("LK", "DDC"):
                seen += 1
                assert np.argmax(beyond) == round(time * 10)
    assert seen >= 5


def test_everybody_is_drawn_as_simulated(gathered: tuple[Run, dict[str, MovingScene]]) -> None:
    opened, scenes = gathered
    first = opened.table.protocol.name == "pdms_v1"
    for token, found in scenes.items():
        cache, packed = opened.caches.get(token), found.packed
        for name, states in {
            "reference": reference_rollout(
                cache, cache.pdm_closed_poses if first else cache.pdm_closed_poses_v2
            )[0],
            "drives": rollout(cache, opened.plan(token)[None])[0],
        }.items():
            poses = packed[name] if name == "reference" else packed[name][0]["poses"]
            wanted = poses_to_ego(states[:, :3], cache.ego_state[:3])
            assert np.allclose(unpacked(poses)[:, :2], wanted[:, :2], atol=0.006)
            assert np.allclose(unpacked(poses)[0], 0.0, atol=0.006)  # all start at the car
        track = packed["tracks"][0]
        index = int(np.flatnonzero(cache.track_token == track["id"])[0])
        seen = to_ego(cache.track_pose[track["from"], index, :2], cache.ego_state[:3])
        assert np.allclose(unpacked(track["poses"])[0, :2], seen, atol=0.006)


def test_the_passing_change_scores_as_said(run: Path, caches: SceneCaches) -> None:
    alone = run_of(runs.opened(run, caches), scene({"a": ("vehicle", 30.0, 0.0, 0.0, 0.0)}))
    found = gather(SceneTask(alone, TOKEN))
    changed = found.packed["drives"][0]["counterfactual"]
    assert changed["text"].startswith("braking at 3") and changed["score"] > found.summary["score"]
    driven = unpacked(changed["poses"])[-1, 0]
    assert driven < unpacked(found.packed["drives"][0]["poses"])[-1, 0]
    assert driven < 30.0


def test_a_scene_is_small(gathered: tuple[Run, dict[str, MovingScene]]) -> None:
    run, scenes = gathered
    token = next(iter(scenes))
    two = gather(SceneTask(run.alone(token), token, other=run.alone(token)))
    for found in (*scenes.values(), two):
        text = deflated(found.packed)
        assert len(text) < MOST_BYTES and "<" not in text
        assert inflated(text)["token"] == found.token


def test_three_hundred_tracks_stay_small(caches: SceneCaches, run: Path) -> None:
    crowd = {
        f"t{i}": ("vehicle", 1.2 * (i % 60), 5.0 + 3.0 * (i // 60), 0.01 * i, 5.0)
        for i in range(300)
    }
    found = gather(SceneTask(run_of(runs.opened(run, caches), scene(crowd)), TOKEN))
    assert len(found.packed["tracks"]) == 300
    assert len(deflated(found.packed)) < MOST_BYTES
    assert len(found.notes) == 2  # neither its log nor its map is there


def test_the_page_is_whole(run: Path, caches: SceneCaches, tmp_path: Path) -> None:
    path = tmp_path / "look.html"
    assert main(["look", str(run), f"output={path}", "show=2", *where(caches)]) == 0
    text = path.read_text(encoding="utf-8")
    outside = text.replace("http://www.w3.org/2000/svg", "").replace("Content-Security", "")
    assert "http:" not in outside and "https:" not in outside
    assert "\nimport " not in page.script() and "\nexport " not in page.script()
    assert text.count('id="scene-') == 2 and 'id="image-0-0"' in text


def test_more_scenes_than_a_page_holds(
    run: Path, caches: SceneCaches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look_runs, "PAGE_SCENES", 4)
    words = ["look", str(run), f"output={tmp_path / 'look.html'}", "cameras=[none]", "show=10000"]
    assert main([*words, *where(caches)]) == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["look-2.html", "look-3.html", "look.html"]
    text = (tmp_path / "look-2.html").read_text()
    assert "scenes 5 to 8 of 12" in text and '<a href="look-3.html">9 to 12</a>' in text
    assert '<a href="look-2.html" aria-current="page">5 to 8</a>' in text


def test_what_cannot_be_looked_at(
    run: Path, run_v2: Path, caches: SceneCaches, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str, code: int) -> str:
        assert main(["look", *words, *where(caches)]) == code
        return capsys.readouterr().err

    out = f"output={tmp_path / 'x.html'}"
    unlike = "scored by epdms_v2, the run by pdms_v1"
    assert unlike in said(str(run), f"beside={run_v2}", out, code=2)
    assert "no trajectory" in said(str(run), "token=absent", out, code=1)
    assert "of one scene" in said(str(run), "view=gif", code=2)
    png = f"output={tmp_path / 'x.png'}"
    assert unlike in said(str(run), "view=png", "token=x", f"beside={run_v2}", png, code=2)
    assert "writes .html" in said(str(run), f"output={tmp_path / 'x.txt'}", code=2)
    (tmp_path / "file").write_text("in the way")
    assert "error" in said(str(run), f"output={tmp_path / 'file' / 'x.html'}", code=2)
    bare = tmp_path / "bare"
    shutil.copytree(run, bare, ignore=shutil.ignore_patterns("trajectories*"))
    assert "no such file" in said(str(bare), out, code=1)
    assert not (tmp_path / "x.html").exists()


def test_missing_pictures_and_maps_are_noted(
    run: Path, caches: SceneCaches, tokens: list[str], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(caches.data_root / "navsim_logs", data / "navsim_logs")
    opened = runs.opened(run, caches)
    token = tokens[0]
    caches.get(token)  # built while its map was there
    elsewhere = Known(data, tmp_path / "maps", caches.data_split, known=caches.get)
    moved = replace(opened, caches=elsewhere)
    task = SceneTask(moved.alone(token), token, cameras=("cam_f0",), key_frames=True)
    found = gather(task)
    assert not found.images and not found.packed["cameras"]
    assert any("cam_f0 at 0.0 s" in note and "missing" in note for note in found.notes)
    assert any(note.startswith("no crosswalks") for note in found.notes)
    blobs = caches.data_root / "sensor_blobs" / caches.data_split
    copied = data / "sensor_blobs" / caches.data_split
    shutil.copytree(blobs, copied)
    for image in copied.rglob("CAM_F0/*.jpg"):
        image.write_bytes(image.read_bytes()[:300])
    assert any("damaged" in note for note in gather(task).notes)


def test_names_with_html_in_them_stay_text(
    run: Path, caches: SceneCaches, tokens: list[str]
) -> None:
    evil = "</script><img src=x onerror=alert(1)>"
    opened = runs.opened(run, caches)
    found = gather(SceneTask(opened.alone(tokens[0]), tokens[0]))
    found = replace(found, token=evil, summary={**found.summary, "class": evil})
    text = page.render(evil, [evil], [found], opened.table.protocol)
    assert "<img src=x" not in text and text.count("</script>") == text.count("<script")


def test_a_run_of_another_split_is_named(
    run: Path, caches: SceneCaches, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its scenes are not looked for: what it lacks is this run's scenes."""
    rows = pd.DataFrame([{"token": "x", "reason": "", **dict.fromkeys(columns("pdms_v1"), 1.0)}])
    other = runs.write_run(tmp_path / "other", rows, {"x": np.zeros((8, 3))}, "navtest")
    out = f"output={tmp_path / 'look.html'}"
    assert main(["look", str(run), f"beside={other}", out, *runs.where(caches)]) == 2
    said = capsys.readouterr().err
    assert "the other of navtest" in said and "OPENSCENE" not in said


def test_drives_without_recordings_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = pd.DataFrame([{"token": "x", "reason": "", **dict.fromkeys(columns("drive_v1"), 1.0)}])
    folder = runs.write_run(tmp_path / "run", rows, {}, "town6_test", "drive_v1")
    (folder / "pdm_scores.parquet").rename(folder / "drive_scores.parquet")
    (folder / "pdm_scores.csv").unlink()
    assert main(["look", str(folder)]) == 1
    assert "no recording of one" in capsys.readouterr().err
