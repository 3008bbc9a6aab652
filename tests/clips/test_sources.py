"""Indexes of every source, against data whose motion is known in closed form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reworld_agent.clips.build import Findings, build_index
from reworld_agent.clips.index import ClipIndex
from reworld_agent.clips.make import make_index
from reworld_agent.clips.settings import IndexSettings
from reworld_agent.clips.sources import Options, open_source
from reworld_agent.clips.splits import split_rule
from reworld_agent.clips.walk import folders_below
from reworld_agent.clips.windows import ClipShape
from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.scenes.synthetic import SPLITS, default_root
from tests.clips.media import frame, write_images, write_video
from tests.clips.tables import (
    SPEED,
    START,
    TURN,
    pose_at,
    write_nuplan,
    write_nuscenes,
    write_openscene,
)


def index_of(
    source: str, root: Path, shape: ClipShape | None = None, **options: Any
) -> tuple[ClipIndex, Findings]:
    shape = shape or ClipShape(fps=8, frames=17, stride=8)
    return build_index(source, root, shape, split_rule(""), Options(**options))


def check_circle(row: dict, tolerance: float = 0.02) -> None:
    """Motion on the circle of `tables.pose_at`, seen from the first frame."""
    times = (np.asarray(row["timestamps"]) - row["timestamps"][0]) / 1e6
    np.testing.assert_allclose(row["speed"], SPEED, rtol=tolerance)
    np.testing.assert_allclose(row["yaw_rate"], TURN, rtol=tolerance)
    expected = [pose_at(t) for t in times]
    origin = pose_at(0)
    np.testing.assert_allclose(row["x"], [p[0] - origin[0] for p in expected], atol=0.02)
    np.testing.assert_allclose(row["y"], [p[1] - origin[1] for p in expected], atol=0.02)
    np.testing.assert_allclose(row["heading"], [p[2] for p in expected], atol=1e-3)


def test_nuscenes(tmp_path: Path) -> None:
    index, found = index_of("nuscenes", write_nuscenes(tmp_path))
    assert set(index.rows["scene"]) == {"scene-0001", "scene-0002"}
    assert found.recordings == 2 and found.gaps == 0 and not found.missing
    row = index.row(0)
    # 12 Hz to 8 Hz: of three frames two are taken, and none is twice
    numbers = np.asarray(row["indices"])
    assert len(set(numbers.tolist())) == 17
    wanted = START + np.arange(17) * 125_000
    assert np.abs(np.asarray(row["timestamps"]) - wanted).max() <= 45_000
    assert {Path(name).parts[0] for name in row["files"]} == {"samples", "sweeps"}
    assert row["camera"] == "CAM_FRONT" and "nuScenes" in row["licence"]
    assert row["command"][0] == "left"  # 20 m ahead on the circle lie 3.3 m to the left
    check_circle(row)
    index.check_files()


def test_nuscenes_gaps(tmp_path: Path) -> None:
    index, found = index_of("nuscenes", write_nuscenes(tmp_path, gap=(30, 36)))
    whole = {scene: len(rows) for scene, rows in index.rows.groupby("scene")}
    assert whole["scene-0001"] < whole["scene-0002"]
    assert found.gaps in (3, 4) and found.dropped == whole["scene-0002"] - whole["scene-0001"]
    for _, row in index.rows.iterrows():
        assert np.diff(row["timestamps"]).max() < 250_000
    assert "gaps" in " ".join(found.lines(8))


def test_nuscenes_without_sweeps(tmp_path: Path) -> None:
    root = write_nuscenes(tmp_path)
    for path in (root / "sweeps").rglob("*.jpg"):
        path.unlink()
    with pytest.raises(DataError, match="have 2 frames a second") as caught:
        index_of("nuscenes", root)
    assert "images that are not on disk: 120" in str(caught.value)
    index, _ = index_of("nuscenes", root, ClipShape(fps=2, frames=8, stride=4))
    assert len(index) == 4


def test_nuscenes_damaged_tables(tmp_path: Path) -> None:
    root = write_nuscenes(tmp_path)
    table = root / "v1.0-mini" / "ego_pose.json"
    rows = json.loads(table.read_text())
    table.write_text(json.dumps(rows)[:-50])
    with pytest.raises(DataError, match=r"ego_pose\.json: ends or breaks after record"):
        index_of("nuscenes", root)
    table.write_text(json.dumps([row for row in rows if row["token"] != "p0_7_CAM_FRONT"]))
    _, found = index_of("nuscenes", root)
    assert [one.name for one in found.refused] == ["scene-0001"]
    assert "lacks 1 poses of scene-0001" in found.refused[0].reason
    table.unlink()
    with pytest.raises(DataError, match="table is missing"):
        index_of("nuscenes", root)
    with pytest.raises(DataError, match="has no camera CAM_SIDE"):
        index_of("nuscenes", root, camera="CAM_SIDE")
    with pytest.raises(DataError, match="has: none"):
        index_of("nuscenes", root, part="v1.0-trainval")


def test_nuplan(tmp_path: Path) -> None:
    index, found = index_of("nuplan", write_nuplan(tmp_path))
    row = index.row(0)
    check_circle(row, 1e-6)
    np.testing.assert_allclose(row["acceleration"], 0.25)
    assert all("/CAM_F0/" in name for name in row["files"])
    assert found.rates == [pytest.approx(10)]
    index.check_files()
    behind, _ = index_of("nuplan", tmp_path, camera="CAM_B0")
    assert all("/CAM_B0/" in name for name in behind.row(0)["files"])


def test_nuplan_bad(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no nuPlan database"):
        index_of("nuplan", tmp_path)
    root = write_nuplan(tmp_path)
    base = next(root.rglob("*.db"))
    base.write_bytes(base.read_bytes()[:3000] + b"\0" * 100)
    with pytest.raises(DataError, match="not a readable nuPlan database"):
        index_of("nuplan", root)


def test_openscene_is_2_hz(tmp_path: Path) -> None:
    root = write_openscene(tmp_path)
    index, _ = index_of("openscene", root, ClipShape(fps=2, frames=12, stride=4))
    row = index.row(0)
    np.testing.assert_allclose(row["speed"], SPEED)
    np.testing.assert_allclose(row["acceleration"], 0.5)
    assert set(row["command"]) == {"left"}
    with pytest.raises(DataError, match="have 2 frames a second"):
        index_of("openscene", root)
    with pytest.raises(DataError, match="holds no logs"):
        index_of("openscene", root, part="trainval")


def test_openscene_of_real_roads(real_reference: Path) -> None:
    index, found = index_of("openscene", real_reference, ClipShape(fps=2, frames=8, stride=8))
    assert found.recordings == 7 and index.rows["speed"].map(len).eq(8).all()
    # the speed that the logs tell agrees with what their poses say
    for _, row in index.rows.iterrows():
        driven = np.hypot(np.diff(row["x"]), np.diff(row["y"])).sum() / 3.5
        assert abs(driven - np.mean(row["speed"])) < 0.5


def test_folder_of_videos_and_images(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    write_video(tmp_path / "a" / "drive.mp4", [frame(k) for k in range(20)])
    write_images(tmp_path / "b", [frame(k) for k in range(20)])
    rows = [(round(k * 125_000), *pose_at(k / 8)) for k in range(20)]
    table = pd.DataFrame(rows, columns=["timestamp", "x", "y", "heading"])
    table.iloc[::-1].to_csv(tmp_path / "a" / "drive.csv", index=False)
    with pytest.raises(DataError, match=r"b: its images carry no times, .* their rate"):
        index_of("folder", tmp_path, fps_declared=False)
    index, found = index_of("folder", tmp_path, licence="CC0-1.0")
    assert list(index.rows["kind"]) == ["video", "images"]
    assert list(index.rows["scene"]) == ["a/drive", "b"] and set(index.rows["licence"]) == {
        "CC0-1.0"
    }
    check_circle(index.row(0))
    assert index.row(1)["speed"] is None and found.motionless == ["b"]
    notes = " ".join(found.lines(8))
    assert "out of order" in notes and "taken to be at 8 fps" in notes
    table.loc[3, "x"] = np.nan
    table.to_csv(tmp_path / "a" / "drive.csv", index=False)
    index, found = index_of("folder", tmp_path)
    assert list(index.rows["scene"]) == ["b"]
    assert [one.name for one in found.refused] == ["a/drive.mp4"]
    assert "drive.csv: line 5 has a value that is not finite" in found.refused[0].reason


def test_a_link_to_itself_is_no_end(tmp_path: Path) -> None:
    write_images(tmp_path / "drive", [frame(k) for k in range(12)])
    (tmp_path / "drive" / "5.jpg").unlink()
    (tmp_path / "drive" / "5.jpg").symlink_to("5.jpg")
    (tmp_path / "loop").symlink_to("loop")
    assert list(folders_below(tmp_path)) == [tmp_path, tmp_path / "drive"]
    shape = ClipShape(fps=8, frames=6)
    _, met = build_index("folder", tmp_path, shape, split_rule(""), Options(fps=8))
    assert met.recordings == 1 and met.clips == 1 and not met.refused


def test_what_is_no_source_is_refused() -> None:
    for name in ("os:system", "os:getcwd", "builtins:dict"):
        with pytest.raises(ConfigError, match=f"source={name} (cannot be made|is no source)"):
            open_source(name)


def test_folder_bad(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds neither"):
        index_of("folder", tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        index_of("folder", tmp_path / "nowhere")
    write_images(tmp_path / "short", [frame(k) for k in range(3)])
    with pytest.raises(DataError, match="gives no clip of 17 frames"):
        index_of("folder", tmp_path)


def make_town(root: Path, split: str) -> None:
    """A drive of 20 frames at 8 Hz on the tests' circle, in a split of the town."""
    folder = write_images(root / "clips" / split / "drive-1", [frame(k) for k in range(20)])
    poses = [pose_at(k / 8) for k in range(20)]
    table = pd.DataFrame(poses, columns=["x", "y", "heading"])
    table["file"] = [f"{k}.jpg" for k in range(20)]
    table["timestamp"] = START + np.arange(20) * 125_000
    table["speed"], table["command"] = SPEED, "right"
    table.sample(frac=1, random_state=0).to_parquet(folder / "index.parquet", index=False)


def test_town_folder(tmp_path: Path) -> None:
    make_town(tmp_path, "town_val")
    index, found = index_of("town", tmp_path)
    row = index.row(0)
    check_circle(row, 1e-2)
    assert row["split"] == "val" and row["command"][0] == "right"
    assert [Path(name).stem for name in row["files"]] == [str(k) for k in range(17)]
    assert "out of order, frames sorted by time" in " ".join(found.notes)
    with pytest.raises(DataError, match="holds no clips of the town"):
        index_of("town", tmp_path / "clips")


def test_each_version_of_the_town_has_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without root=, a split is looked for where `reworld synth` puts it."""
    monkeypatch.setenv("REWORLD_HOME", str(tmp_path))
    made = []
    for split in ("town_val", "town6_val"):
        make_town(default_root(SPLITS[split].version), split)
        output = tmp_path / f"{split}.parquet"
        asked = IndexSettings(source="town", data_split=split, frames=17, output=output)
        made.append(make_index(asked).index.row(0))
    assert [row["split"] for row in made] == ["val", "val"]
    asked = IndexSettings(source="town", data_split="town6_test", output=tmp_path / "x.parquet")
    with pytest.raises(
        DataError, match=r"(?s)town/v6: holds no clips.*data_split=town6_test clips"
    ):
        make_index(asked)


def test_linked_drives_are_indexed_and_loops_end(tmp_path: Path) -> None:
    """The usual layout of a cluster: a root of links to where the data lie."""
    store, root = tmp_path / "store", tmp_path / "root"
    for folder in (store / "drive_b", root / "drive_a"):
        write_images(folder, [frame(k) for k in range(20)])
    (root / "drive_b").symlink_to(store / "drive_b")
    (root / "again").symlink_to(root)
    (root / "drive_a" / "up").symlink_to(root)
    (root / "gone").symlink_to(tmp_path / "nowhere")
    index, _ = index_of("folder", root)
    assert list(index.rows["scene"]) == ["drive_a", "drive_b"]
    index.check_files()
    assert [path.name for path in folders_below(root)] == ["root", "drive_a", "drive_b"]


def test_nuplan_with_linked_databases_and_images(tmp_path: Path) -> None:
    whole, _ = index_of("nuplan", write_nuplan(tmp_path / "store"))
    store, root = tmp_path / "store", tmp_path / "root"
    root.mkdir()
    for part in store.iterdir():
        (root / part.name).symlink_to(part)
    index, _ = index_of("nuplan", root)
    assert list(index.rows["scene"]) == list(whole.rows["scene"])
    assert index.row(0)["files"] == whole.row(0)["files"]
    index.check_files()
    (images,) = (path for path in folders_below(store) if path.name == "sensor_blobs")
    with pytest.raises(DataError, match=r"lies outside of root=.*\n.*ln -s "):
        index_of("nuplan", write_nuplan(tmp_path / "other"), images=images)
