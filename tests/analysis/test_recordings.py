"""Rollouts, imagined futures and scenes of stage two in the player, from small recordings."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reworld_agent.analysis import LookSettings, look_runs
from reworld_agent.analysis.figures import picture
from reworld_agent.analysis.player import recordings
from reworld_agent.analysis.player.films import read_film
from reworld_agent.analysis.player.packing import deflated, unpack_path
from reworld_agent.analysis.player.rollouts import Rollout
from reworld_agent.analysis.player.scenes import SceneTask, gather
from reworld_agent.cli.main import main
from reworld_agent.core import extras
from reworld_agent.core.errors import DataError
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.scene_cache import LANE, LANE_CONNECTOR
from reworld_agent.pdm.world.ego_frame import to_ego
from reworld_agent.scenes.logs import load_log
from tests.analysis import runs
from tests.analysis.browser import launched, opened
from tests.analysis.test_player import unpacked
from tests.core.records.mutations import of_values
from tests.pdm.straight_road import POSE, moved, scene
from tests.scenes.scene_pickle_files import NuPlan, write_scene_pickle

STEPS = 80
HIT = {"step": 60, "text": "hit: vehicle a", "track": "a", "sentence": "hits a at 6.0 s"}


def recorded(folder: Path) -> Rollout:
    """Eight seconds on a straight road, a plan every half second, a car that is hit."""
    along = 0.8 * np.arange(STEPS)
    ego = np.column_stack([moved(np.column_stack([along, 0 * along]), POSE), 0 * along + POSE[2]])
    starts = np.arange(0, STEPS, 5)
    ahead = 0.8 * (starts[:, None] + 5 * np.arange(1, 9))
    plans = moved(np.stack([ahead, 0 * ahead], axis=-1).reshape(-1, 2), POSE).reshape(-1, 8, 2)
    other = np.full((STEPS, 1, 3), np.nan)
    other[20:, 0, :2], other[20:, 0, 2] = moved(np.array([[54.0, 0.0]]), POSE), POSE[2]
    line = {"what": "gap to the nearest object", "unit": "m", "bound": 0.0, "above": False}
    metric = {"short": "NC", "title": "no at-fault collision", "value": 0.0, **line, "failed": HIT}
    header = {"token": "drive", "label": "an agent", "dt": 0.1, "score": 0.0, "metrics": [metric]}
    made = Rollout(
        header=header,
        ego=ego,
        speed=np.full(STEPS, 8.0),
        plan_step=starts,
        plans=plans,
        track_token=np.array(["a"]),
        track_type=np.zeros(1, np.int8),
        track_size=np.array([[4.5, 2.0]]),
        track_pose=other,
        traces={"NC": np.maximum(50.0 - along, 0.0)},
    )
    made.save(folder, scene())
    (folder / "cam_f0").mkdir()
    for step in range(0, STEPS, 20):
        picture = np.full((90, 160, 3), 3 * step, np.uint8)
        Image.fromarray(picture).save(folder / "cam_f0" / f"{step:05d}.jpg")
    return made


def test_a_rollout_is_played_as_recorded(tmp_path: Path) -> None:
    made = recorded(tmp_path / "drive")
    (found,) = recordings.read(tmp_path)
    packed = found.packed
    assert packed["kind"] == "rollout" and packed["steps"] == STEPS
    poses = unpacked(packed["drives"][0]["poses"])
    assert np.allclose(poses[:, :2], to_ego(made.ego[:, :2], made.ego[0]), atol=0.006)
    assert [step for step, _ in packed["drives"][0]["plans"]] == made.plan_step.tolist()
    (track,) = packed["tracks"]
    assert (track["from"], track["to"]) == (20, STEPS - 1)
    (metric,) = packed["drives"][0]["metrics"]
    assert metric["failed"]["step"] == 60 and metric["trace"]["values"][60] == 2.0
    assert [frame for frame, _ in packed["films"][0]["frames"]] == [0, 20, 40, 60]
    assert len(found.images) == 4 and len(packed["ground"]["road"]) > 0
    assert len(deflated(packed)) < 60_000


def test_two_drives_of_one_scenario(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each among the objects as they moved beside it; unlike starts are refused."""
    first = recorded(tmp_path / "a" / "drive")
    late = first.track_pose + np.array([0.0, 3.0, 0.0])
    longer = np.concatenate([first.ego, first.ego[-1:]])
    changed = replace(
        first,
        header={**first.header, "score": 0.5},
        ego=longer,
        speed=np.append(first.speed, 0.0),
        track_pose=np.concatenate([late, late[-1:]]),
        light_id=np.array(["7"]),
        light_red=np.ones((17, 1), np.int8),
    )
    changed.save(tmp_path / "b" / "rollouts" / "drive", scene())
    (found,) = recordings.read(tmp_path / "a", beside=tmp_path / "b")
    packed = found.packed
    assert [own["label"] for own in packed["drives"]] == ["an agent (a)", "an agent (b)"]
    assert packed["steps"] == STEPS + 1 and "tracks" not in packed["drives"][0]
    (own,), (other,) = packed["tracks"], packed["drives"][1]["tracks"]
    moved_by = unpacked(other["poses"])[0, :2] - unpacked(own["poses"])[0, :2]
    assert np.hypot(*moved_by) == pytest.approx(3.0, abs=0.02)
    assert [film["name"] for film in packed["films"]] == ["an agent (a): cam_f0"]
    out = f"output={tmp_path / 'two.html'}"
    assert main(["look", str(tmp_path / "a"), f"beside={tmp_path / 'b'}", out]) == 0
    for browser in launched():
        page, faults = opened(browser, tmp_path / "two.html", link="#s-drive@6.0")
        page.wait_for_function("window.reworld.player")
        page.keyboard.press("s")
        assert page.locator(".stage canvas").count() == 2
        pair = page.evaluate("window.reworld.player.stage.pictures.map(p => p.scene.tracks[0])")
        assert pair[0]["poses"] != pair[1]["poses"]
        assert page.locator(".pair tbody tr").last.inner_text().split()[-1].endswith("50.0")
        assert faults == []
    replace(changed, ego=longer + np.array([9.0, 0.0, 0.0])).save(
        tmp_path / "b" / "rollouts" / "drive"
    )
    assert main(["look", str(tmp_path / "a"), f"beside={tmp_path / 'b'}", out]) == 1
    assert "does not begin where" in capsys.readouterr().err
    (tmp_path / "b" / "rollouts" / "drive").rename(tmp_path / "b" / "rollouts" / "another")
    assert main(["look", str(tmp_path / "a"), f"beside={tmp_path / 'b'}", out]) == 2
    assert "holds no recording of those" in capsys.readouterr().err


def test_signals_and_a_second_map(tmp_path: Path) -> None:
    """Lights are drawn on the connectors of any map; what a later map adds is drawn too."""
    light = "7"
    start = scene()
    kinds = np.where(start.polygon_kind == LANE, LANE_CONNECTOR, start.polygon_kind)
    names = np.array([light] * len(kinds))
    shift = np.array([300.0, 0.0])
    later = replace(
        start,
        polygon_kind=kinds,
        polygon_id=names,
        ring_xy=start.ring_xy + shift,
        centerline=start.centerline[:-1] + np.array([0.0, 3.0, 0.0]),
    )
    made = recorded(tmp_path / "drive")
    red = np.array([[1], [0], [-1]], np.int8)
    replace(made, light_id=np.array([light]), light_red=red).save(tmp_path / "drive", start, later)
    far = replace(made, ego=made.ego + np.linspace(0, 1, STEPS)[:, None] * [300.0, 0.0, 0.0])
    replace(far, light_id=np.array([light]), light_red=red).save(tmp_path / "far", start, later)
    (near,) = recordings.read(tmp_path, "drive")
    (whole,) = recordings.read(tmp_path, "far")
    assert len(near.packed["ground"]["route"]) == 2  # the second map's goes another way
    (shown,) = whole.packed["lights"]
    assert shown["states"] == "rg-" and shown["rings"]
    assert len(whole.packed["ground"]["road"]) > len(near.packed["ground"]["road"]) - 1
    assert (tmp_path / "far" / "scene_2.npz").is_file()


def test_crosswalks_of_a_rollout(tmp_path: Path) -> None:
    """As recorded, each once; who has not looked for them says so, and no outline is cut."""
    made = recorded(tmp_path / "drive")
    (found,) = recordings.read(tmp_path)
    assert "this recording has no crosswalks" in found.notes
    ring = moved(np.array([[20.0, -3.0], [23.0, -3.0], [23.0, 3.0], [20.0, 3.0]]), POSE)
    starts, outlines = np.array([0, 4, 8]), np.concatenate([ring, ring])
    crossed = replace(made, crosswalk_start=starts, crosswalk_xy=outlines)
    crossed.save(tmp_path / "drive", scene())
    (found,) = recordings.read(tmp_path)
    (drawn,) = found.packed["ground"]["crosswalk"]
    corners = unpack_path(drawn)
    assert np.allclose([corners.min(0), corners.max(0)], [[20, -3], [23, 3]], atol=0.02)
    assert not any("crosswalk" in note for note in found.notes)
    replace(crossed, crosswalk_start=starts[:2]).save(tmp_path / "drive", scene())
    with pytest.raises(DataError, match="crosswalk_start"):
        recordings.read(tmp_path)


def test_rollouts_come_worst_first(tmp_path: Path) -> None:
    made = recorded(tmp_path / "a")
    for name, score in {"b": 0.4, "c": None, "d": 0.2}.items():
        replace(made, header={**made.header, "score": score}).save(tmp_path / name, scene())
    found = [own.token for own in recordings.read(tmp_path, most=3)]
    assert found == ["a", "d", "b"]


def test_rollouts_that_are_damaged(tmp_path: Path) -> None:
    made = recorded(tmp_path / "drive")
    path = tmp_path / "drive" / "rollout.npz"
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"PK"):
        path.write_bytes(content)
        with pytest.raises(DataError, match="not a whole rollout"):
            recordings.read(tmp_path)
    replace(made, speed=made.speed[:3]).save(tmp_path / "drive", scene())
    with pytest.raises(DataError, match="speed has shape"):
        recordings.read(tmp_path)
    replace(made, ego=np.full_like(made.ego, np.nan)).save(tmp_path / "drive", scene())
    with pytest.raises(DataError, match="not finite"):
        recordings.read(tmp_path)


def test_a_damaged_picture_of_a_rollout_is_noted(tmp_path: Path) -> None:
    recorded(tmp_path / "drive")
    for step in (0, 40):
        (tmp_path / "drive" / "cam_f0" / f"{step:05d}.jpg").write_bytes(b"no picture")
    (found,) = recordings.read(tmp_path)
    assert [frame for frame, _ in found.packed["films"][0]["frames"]] == [20, 60]
    (note,) = [own for own in found.notes if "00000.jpg" in own]
    assert "is damaged" in note and note.endswith("(and 1 more)")


def futures(folder: Path, codec: bool = True) -> None:
    """Two futures of eight pictures as `reworld video generate` leaves them, without loss."""
    av = pytest.importorskip("av")
    noise = np.random.default_rng(0).integers(0, 200, (8, 48, 80, 3))
    for part, shift in {"real": 0, "futures": 20, **({"codec": 5} if codec else {})}.items():
        (folder / part).mkdir(parents=True)
        for name in ("one", "two"):
            with av.open(str(folder / part / f"{name}.mp4"), "w") as container:
                stream = container.add_stream("libx264rgb", rate=4, options={"crf": "0"})
                stream.width, stream.height, stream.pix_fmt = 80, 48, "rgb24"
                for picture in (noise + shift).astype(np.uint8):
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
                container.mux(stream.encode())


def test_an_imagined_future_stands_beside_what_came(tmp_path: Path) -> None:
    futures(tmp_path)
    film, rate = read_film(tmp_path / "real" / "one.mp4")
    assert film.shape == (8, 48, 80, 3) and rate == 4.0
    found, _ = recordings.read(tmp_path)
    names = [film["name"] for film in found.packed["films"]]
    assert names[:3] == ["real", "imagined", "codec's own reconstruction"]
    assert found.packed["dt"] == 0.25 and found.packed["steps"] == 8
    errors = [film["numbers"] for film in found.packed["films"][3:]]
    for numbers, shift in zip(errors, (20, 5), strict=True):  # what numpy says of whole shifts
        assert numbers == pytest.approx([10 * np.log10(255**2 / shift**2)] * 8, abs=0.06)
    assert len(found.images) == 5 * 8
    futures(tmp_path / "other")
    both, _ = recordings.read(tmp_path, beside=tmp_path / "other")
    assert "imagined in other" in [film["name"] for film in both.packed["films"]]
    assert len(both.images) == 7 * 8


def test_recordings_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    futures(tmp_path, codec=False)
    out = f"output={tmp_path / 'look.html'}"
    assert main(["look", str(tmp_path), "token=three", out]) == 2
    assert "holds none of that name" in capsys.readouterr().err
    (tmp_path / "real" / "one.mp4").unlink()
    assert main(["look", str(tmp_path), "token=one", out]) == 0
    assert "what really came is not there" in capsys.readouterr().out
    (tmp_path / "futures" / "one.mp4").write_bytes(b"no film")
    assert main(["look", str(tmp_path), "token=one", out]) == 1
    assert "no film" in capsys.readouterr().err


def test_both_play_in_a_browser(tmp_path: Path) -> None:
    recorded(tmp_path / "drives" / "drive")
    shutil.copytree(tmp_path / "drives" / "drive", tmp_path / "drives" / "another")
    futures(tmp_path / "futures")
    for folder, token in (("drives", "drive"), ("futures", "two")):
        html = tmp_path / f"{folder}.html"
        assert main(["look", str(tmp_path / folder), f"output={html}"]) == 0
        for browser in launched():
            page, faults = opened(browser, html, link=f"#s-{token}@1.0")
            page.wait_for_function("window.reworld.player")
            assert page.evaluate("window.reworld.player.scene.steps") == {"drives": STEPS}.get(
                folder, 8
            )
            pictures = page.locator(".films img")
            before = pictures.first.get_attribute("src")
            page.keyboard.press("End")
            assert pictures.first.get_attribute("src") != before
            assert pictures.count() == {"drives": 1}.get(folder, 5)
            page.wait_for_function("document.querySelector('article').dataset.drawn")
            assert faults == []


def test_a_recording_of_rerun(
    run: Path, caches: SceneCaches, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rerun")
    out = tmp_path / "look.rrd"
    words = ["look", str(run), f"beside={run}", "view=rerun", "show=2", f"output={out}"]
    assert main([*words, *runs.where(caches)]) == 0
    assert "WARN" not in capfd.readouterr().err  # labels hold spaces and brackets
    asked = [sys.executable, "-m", "rerun", "rrd", "stats", str(out)]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    for entity in ("boxes/agent", "boxes/objects", "cameras/cam_f0", "plans/human"):
        assert entity in said
    assert r"metrics/NC/straight\ \(second\)" in said


def test_recordings_for_rerun(tmp_path: Path) -> None:
    pytest.importorskip("rerun")
    recorded(tmp_path / "drives" / "drive")
    futures(tmp_path / "futures")
    wanted = {"drives": ("boxes/agent", "films/cam_f0", "metrics/NC"), "futures": ("films/real",)}
    for folder, entities in wanted.items():
        out = tmp_path / f"{folder}.rrd"
        assert main(["look", str(tmp_path / folder), "view=rerun", f"output={out}"]) == 0
        asked = [sys.executable, "-m", "rerun", "rrd", "stats", str(out)]
        said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        assert all(entity in said for entity in entities)


def test_rerun_that_is_not_installed(
    run: Path,
    caches: SceneCaches,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(extras, "is_installed", lambda library: library != "rerun")
    out = tmp_path / "look.rrd"
    assert main(["look", str(run), "view=rerun", f"output={out}", *runs.where(caches)]) == 1
    assert "reworld-agent[view]" in capsys.readouterr().err and not out.exists()


def test_a_notebook_shows_the_page(run: Path, caches: SceneCaches, tmp_path: Path) -> None:
    where: dict[str, Any] = runs.roots(caches)
    out = tmp_path / "look.html"
    settings = LookSettings(run=run, output=out, show=1, cameras=("none",), **where)
    shown = look_runs.look(settings)._repr_html_()
    assert shown.startswith("<iframe") and shown.count('"') == 6 and "<script" not in shown


def test_a_scene_of_stage_two(
    devkit_reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = sorted((devkit_reference / "navsim_logs" / "toy").glob("*.pkl"))[0]
    token, pickles = f"00{'f' * 15}", tmp_path / "synthetic"
    shift, cameras = (0.5, 0.2), ("cam_f0",)  # the others were not rendered
    write_scene_pickle(NuPlan(monkeypatch), pickles, load_log(log), 13, token, shift, cameras)
    for number in range(4):
        path = tmp_path / "sensor_blobs" / token / "cam_f0" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((90, 160, 3), 90, np.uint8)).save(path)
    caches = SceneCaches(
        devkit_reference, devkit_reference / "maps", "toy", tmp_path / "caches", pickles
    )
    plans = {token: 2.0 * runs.constant_velocity(caches.get(token)) + [0.0, 4.0, 0.0]}
    folder = runs.make_run(tmp_path / "run", caches, plans, "epdms_v2")
    run: Any = replace(runs.opened(folder, caches), caches=caches)
    found = gather(SceneTask(run.alone(token), token, cameras=("cam_f0",)))
    assert found.packed["kind"] == "stage two" and found.packed["human"] is None
    assert found.packed["reference"] is not None
    assert len(found.images) == 1 and not any("camera" in note for note in found.notes)
    assert picture.open_view(run, token).front is not None
    failed = [own["failed"] for own in found.packed["drives"][0]["metrics"] if own["failed"]]
    assert failed and found.summary["score"] < 1.0
    words = [f"data_root={devkit_reference}", f"maps_root={devkit_reference / 'maps'}"]
    words += [f"cache_dir={tmp_path / 'caches'}", f"synthetic_scenes={pickles}"]
    assert main(["look", str(folder), f"output={tmp_path / 'look.html'}", *words]) == 0


def resaved(folder: Path, **changes: Any) -> None:
    """The recording of a folder with other arrays."""
    with np.load(folder / "rollout.npz") as file:
        arrays = {name: file[name] for name in file.files} | changes
    np.savez_compressed(folder / "rollout.npz", **arrays)


@pytest.mark.parametrize(
    "changes",
    [
        {"plan_step": np.array(["a"] * 16)},
        {"plan_step": np.full(16, -1)},
        {"track_type": np.array([99], np.int8)},
        {"track_size": np.full((1, 2), np.inf)},
        {"light_id": np.array(["7"]), "light_red": np.full((17, 1), 7, np.int8)},
        {"crosswalk_start": np.array([], np.int64), "crosswalk_xy": np.zeros((0, 2))},
        {"plans": np.zeros((16, 8, 3))},
        {"trace_NC": np.zeros((80, 2))},
    ],
)
def test_arrays_of_other_tools_are_checked(tmp_path: Path, changes: dict[str, Any]) -> None:
    recorded(tmp_path / "drive")
    resaved(tmp_path / "drive", **changes)
    with pytest.raises(DataError, match=r"rollout\.npz: "):
        recordings.read(tmp_path)


def test_headers_of_other_tools_are_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of 150 damaged headers each is played or refused in two lines; fields more are left."""
    made, folder = recorded(tmp_path / "run" / "drive"), tmp_path / "run" / "drive"
    whole = {**made.header, "format": "reworld-rollout 1", "tool": "another's"}
    played = 0
    for text in [json.dumps(whole).encode(), *of_values(json.dumps(whole).encode(), 150)]:
        resaved(folder, header=np.frombuffer(text, np.uint8))
        code = main(["look", str(tmp_path / "run"), f"output={tmp_path / 'look.html'}"])
        said = capsys.readouterr().err
        played += code == 0
        assert code == 0 or (code == 1 and said.startswith("error: ")), text
    assert 1 < played < 100


def test_pictures_of_other_names_are_left_out(tmp_path: Path) -> None:
    recorded(tmp_path / "drive")
    (tmp_path / "drive" / "cam_f0" / "00020.jpg").rename(tmp_path / "drive" / "cam_f0" / "0x.jpg")
    (found,) = recordings.read(tmp_path)
    assert [frame for frame, _ in found.packed["films"][0]["frames"]] == [0, 40, 60]
