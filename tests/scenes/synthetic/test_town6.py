"""Version 6 of the town: many towns, pictures of a depth buffer, the same bytes for any workers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from reworld_agent import pdm
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.synthetic import SPLITS, SplitRoots, ensure_split
from reworld_agent.scenes.synthetic.drive import STRIDE, Drive, Moment
from reworld_agent.scenes.synthetic.logs import log_frames
from reworld_agent.scenes.synthetic.render.cameras import CAMERAS
from reworld_agent.scenes.synthetic.render.renderer import TownRenderer
from reworld_agent.scenes.synthetic.rollout import make_drive
from reworld_agent.scenes.synthetic.town.network import build_network
from reworld_agent.scenes.synthetic.town.signals import GREEN, RED, Signals

SPLIT = "town6_test"
SMALL = (224, 128)  # px, width and height that a model reads


@pytest.fixture(scope="module")
def queue() -> Drive:
    """A drive behind others to a red light."""
    return make_drive(SPLIT, 2)


@pytest.fixture(scope="module")
def renderer(queue: Drive) -> TownRenderer:
    return TownRenderer(queue)


def small(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, SMALL, interpolation=cv2.INTER_AREA).astype(int)


def changed(before: np.ndarray, after: np.ndarray, by: int = 40) -> int:
    """Pixels at the small size whose colour changes by much."""
    return int((np.abs(small(before) - small(after)).sum(-1) > by).sum())


def content(root: Path) -> dict[Path, bytes]:
    files = [p for p in root.rglob("*") if p.is_file() and p.name != "making.lock"]
    return {path.relative_to(root): path.read_bytes() for path in files}


@pytest.mark.slow
def test_one_worker_and_two_give_the_same_bytes(tmp_path: Path) -> None:
    """Logs, maps and pictures."""
    for workers in (1, 2):
        ensure_split(SPLIT, root=tmp_path / str(workers), drives=2, progress=False, workers=workers)
    one, two = content(tmp_path / "1"), content(tmp_path / "2")
    assert one == two and {path.suffix for path in one} == {".pkl", ".jpg", ".json", ".gpkg"}


def test_drives_are_made_on_demand_by_their_number() -> None:
    plan = SPLITS[SPLIT]
    beyond = plan.logs + 37
    drive = make_drive(SPLIT, beyond)
    assert drive.net.plan == plan.town(beyond)
    assert len({plan.log_name(k) for k in range(5 * plan.logs)}) == 5 * plan.logs


def test_drives_are_counted_where_they_are_asked_for(town6: SplitRoots) -> None:
    again = ensure_split(SPLIT, town6.data_root, cameras=(), progress=False, workers=1, drives=3)
    logs = sorted((again.data_root / "navsim_logs" / SPLIT).iterdir())
    assert [path.stem for path in logs] == [SPLITS[SPLIT].log_name(k) for k in range(3)]


def test_splits_share_no_town_and_train_has_six() -> None:
    towns = {name: set(SPLITS[f"town6_{name}"].towns) for name in ("train", "val", "test")}
    assert len(towns["train"]) >= 6 and len(towns["test"]) >= 2 and len(towns["val"]) >= 2
    assert not (towns["train"] & towns["test"] or towns["train"] & towns["val"])
    assert SPLITS["town6_test"].logs >= 60 and 9 * SPLITS["town6_test"].logs >= 500
    assert 9 * SPLITS["town6_evidence"].logs >= 2000


def test_roundabouts_lead_round_an_island() -> None:
    net = build_network("train-suburb")
    circles = [j for j in net.junctions if j.island]
    assert circles
    for junction in circles:
        ours = [c for c in net.connectors.values() if net.junctions[c.junction] is junction]
        for way in ours:
            assert np.hypot(*(way.center - junction.center).T).min() > junction.island + 1.15
            assert junction.polygon.buffer(1e-6).contains(way.polygon.buffer(-0.9))
        assert not junction.polygon.contains(junction.island_area)


@pytest.mark.parametrize("camera", CAMERAS)
def test_every_camera_gives_a_picture(renderer: TownRenderer, camera: str) -> None:
    image = renderer.image(camera, 40)
    assert image.shape == (256, 448, 3) and image.dtype == np.uint8
    assert image[140:].std() > 4.0
    assert (image == renderer.image(camera, 40)).all()


def nearest_lead(drive: Drive) -> tuple[int, int]:
    """A step and an actor: a car 8 to 20 m ahead of ego."""
    for step in range(0, 140, 2):
        ego, delta = drive.ego_pose(step), drive.boxes[step, 1:, :2] - drive.ego_pose(step)[:2]
        ahead = np.cos(ego[2]) * delta[:, 0] + np.sin(ego[2]) * delta[:, 1]
        aside = np.cos(ego[2]) * delta[:, 1] - np.sin(ego[2]) * delta[:, 0]
        found = np.flatnonzero((ahead > 8.0) & (ahead < 20.0) & (np.abs(aside) < 1.5))
        if len(found):
            return step, 1 + int(found[0])
    raise AssertionError("nobody is ahead")


def test_brake_lights_show_at_the_size_a_model_reads(queue: Drive, renderer: TownRenderer) -> None:
    step, lead = nearest_lead(queue)
    moment = queue.moment(step)
    shown = [
        renderer.picture("CAM_F0", replace(moment, braking=_with(moment, lead, on)))
        for on in (False, True)
    ]
    assert changed(shown[0], shown[1]) >= 4
    rows, columns = np.nonzero(np.abs(small(shown[0]) - small(shown[1])).sum(-1) > 40)
    redder = (small(shown[1]) - small(shown[0]))[rows, columns]
    assert (redder[:, 2] > redder[:, 0]).all()


def _with(moment: Moment, actor: int, braking: bool) -> np.ndarray:
    flags = moment.braking.copy()
    flags[actor] = braking
    return flags


def test_a_pedestrian_shows_at_the_size_a_model_reads(queue: Drive, renderer: TownRenderer) -> None:
    """Somebody 18 m ahead on the road, against nobody there."""
    moment = queue.moment(0)
    x, y, heading = moment.ego
    away, there = moment.walkers.copy(), moment.walkers.copy()
    away[0, :2] = [1e4, 1e4]
    there[0, :3] = [x + 18 * np.cos(heading), y + 18 * np.sin(heading), heading + 1.5]
    clear = replace(moment, boxes=moment.boxes + np.array([1e4, 0, 0, 0, 0]))
    shown = [
        renderer.picture("CAM_F0", replace(clear, walkers=walkers)) for walkers in (away, there)
    ]
    assert changed(shown[0], shown[1]) >= 25


def test_red_and_green_differ_at_the_size_a_model_reads(
    queue: Drive, renderer: TownRenderer
) -> None:
    """The lamp that ego waits for, seen from 30 m before the junction's middle."""
    post = renderer.stage.posts[0]
    back = 30.0 * np.array([np.cos(post.heading), np.sin(post.heading)])
    ego = np.array([post.x - back[0], post.y - back[1], post.heading])
    moment = replace(queue.moment(0), ego=ego, boxes=queue.boxes[0] + [1e4, 0, 0, 0, 0])
    kept, pictures = queue.signals, {}
    try:
        for state, shift in ((GREEN, 1.0), (RED, -5.0)):
            queue.signals = Signals(queue.net, dict(kept.offsets))
            queue.signals.turn_green(post.junction, post.block, moment.time - shift)
            assert queue.signals.state(post.junction, post.block, moment.time) == state
            pictures[state] = renderer.picture("CAM_F0", moment)
    finally:
        queue.signals = kept
    assert changed(pictures[GREEN], pictures[RED]) >= 4


def test_lane_marks_stand_out_where_the_map_has_them(queue: Drive, renderer: TownRenderer) -> None:
    """The double yellow line beside ego's lane, 6 to 14 m ahead, at the small size."""
    image = small(renderer.image("CAM_F0", 0))
    x, y, heading = queue.ego_pose(0)
    block = queue.net.blocks[queue.scenario.actors[0].path.blocks[0]]
    cos, sin = np.cos(heading), np.sin(heading)
    local = (block.center_line - [x, y]) @ np.array([[cos, -sin], [sin, cos]])
    near = local[(local[:, 0] > 7.0) & (local[:, 0] < 15.0)]
    focal, yellow = 1545.0 * SMALL[0] / 1920, 0
    for ahead, left in near:
        depth = ahead - 1.70
        column, row = int(SMALL[0] / 2 - focal * left / depth), int(64 + focal * 1.55 / depth)
        if 3 <= column < SMALL[0] - 3 and row < SMALL[1]:
            patch = image[row, column - 3 : column + 4]
            yellow += bool((patch[:, 2] - patch[:, 0]).max() > 15)
    assert yellow > len(near) / 2


def test_who_stands_behind_a_van_is_hidden(queue: Drive, renderer: TownRenderer) -> None:
    step, lead = nearest_lead(queue)
    moment = queue.moment(step)
    x, y, _, _, heading = moment.boxes[lead]
    walkers = moment.walkers.copy()
    walkers[0, :3] = [x + 6 * np.cos(heading), y + 6 * np.sin(heading), heading]
    low = replace(moment, walkers=walkers)
    walkers = walkers.copy()
    walkers[0, :2] = [1e4, 1e4]
    gone = replace(moment, walkers=walkers)
    seen = changed(renderer.picture("CAM_F0", low), renderer.picture("CAM_F0", gone))
    assert seen <= 3  # of some 60 pixels, had nobody stood before


def test_the_expert_scores_well_and_constant_velocity_does_not(town6: SplitRoots) -> None:
    loader = SceneLoader(
        town6.data_root / "navsim_logs" / SPLIT,
        town6.data_root / "sensor_blobs" / SPLIT,
        SceneFilter(num_history_frames=4, num_future_frames=10, frame_interval=5),
    )
    human, constant = [], []
    for token in loader.tokens:
        cache = pdm.build_scene_cache(town6.data_root, town6.maps_root, SPLIT, token)
        line = np.zeros((8, 3))
        line[:, 0] = 0.5 * np.arange(1, 9) * float(np.hypot(*cache.ego_state[3:5]))
        score = pdm.score(cache, np.stack([cache.human_poses, line]))["score"]
        human.append(score[0])
        constant.append(score[1])
    assert len(human) >= 10 and np.mean(human) > 0.95
    assert np.mean(constant) < np.mean(human) - 0.15


def test_frames_of_a_log_and_their_pictures_have_one_calibration(queue: Drive) -> None:
    camera = log_frames(queue)[STRIDE]["cams"]["CAM_F0"]["cam_intrinsic"]
    assert camera[0, 0] == pytest.approx(1545.0 * 448 / 1920)
    assert (camera[0, 2], camera[1, 2]) == (224.0, 128.0)
