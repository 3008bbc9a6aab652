"""Logs are NAVSIM's: the same keys, and every number is consistent with the others."""

from __future__ import annotations

import itertools
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyogrio
import pytest

from reworld_agent.scenes.synthetic import SPLITS, SplitRoots
from reworld_agent.scenes.synthetic.attempts import FIRST_GOOD
from reworld_agent.scenes.synthetic.logs import log_bytes
from reworld_agent.scenes.synthetic.rollout import make_drive
from reworld_agent.scenes.synthetic.town.plans import PLANS, TOWNS

Frames = list[dict[str, Any]]


def yaw(frame: dict[str, Any]) -> float:
    w, _, _, z = frame["ego2global_rotation"]
    return float(2 * np.arctan2(z, w))


def to_global(frame: dict[str, Any], points: np.ndarray) -> np.ndarray:
    cos, sin = np.cos(yaw(frame)), np.sin(yaw(frame))
    return points @ np.array([[cos, sin], [-sin, cos]]) + frame["ego2global_translation"][:2]


def test_keys_and_shapes_are_those_of_a_log_that_the_devkit_reads(
    frames: Frames, devkit_reference: Path
) -> None:
    path = next((devkit_reference / "navsim_logs" / "toy").iterdir())
    reference = pickle.loads(path.read_bytes())[0]
    frame = frames[4]
    assert set(frame) == set(reference)
    assert set(frame["anns"]) == set(reference["anns"])
    assert set(frame["cams"]) == set(reference["cams"])
    for key in ("ego2global_translation", "ego2global", "can_bus", "driving_command"):
        assert np.shape(frame[key]) == np.shape(reference[key])
    for key in ("gt_boxes", "gt_velocity_3d"):
        ours, theirs = frame["anns"][key], reference["anns"][key]
        assert (ours.dtype, ours.shape[1:]) == (theirs.dtype, theirs.shape[1:])
    camera, other = frame["cams"]["CAM_F0"], reference["cams"]["CAM_F0"]
    assert {k: np.shape(v) for k, v in camera.items()} == {k: np.shape(v) for k, v in other.items()}


def test_frames_are_half_a_second_apart_and_tokens_are_unique(log_paths: list[Path]) -> None:
    logs = [pickle.loads(path.read_bytes()) for path in log_paths]
    tokens = [frame["token"] for log in logs for frame in log]
    assert len(set(tokens)) == len(tokens)
    assert all(len(token) == 16 and int(token, 16) >= 0 for token in tokens)
    for path, log in zip(log_paths, logs, strict=True):
        assert {np.diff([f["timestamp"] for f in log]).min(), 500_000} == {500_000}
        assert {f["log_name"] for f in log} == {path.stem}
        assert [f["sample_next"] for f in log[:-1]] == [f["token"] for f in log[1:]]


def test_speed_and_acceleration_are_the_derivatives_of_the_pose(frames: Frames) -> None:
    place = np.array([f["ego2global_translation"][:2] for f in frames])
    state = np.array([f["ego_dynamic_state"] for f in frames])
    way = np.hypot(*np.diff(place, axis=0).T) / 0.5
    assert np.abs(way - (state[:-1, 0] + state[1:, 0]) / 2).max() < 0.25
    gained = np.diff(state[:, 0]) / 0.5
    assert np.abs(gained - (state[:-1, 2] + state[1:, 2]) / 2).max() < 1.0
    assert state[:, 0].max() > 5.0


def test_logged_velocities_move_the_tracks(frames: Frames) -> None:
    moved, turned = 0, 0
    for now, then in itertools.pairwise(frames):
        a, b = now["anns"], then["anns"]
        places = dict(zip(b["track_tokens"], to_global(then, b["gt_boxes"][:, :2]), strict=True))
        start = to_global(now, a["gt_boxes"][:, :2])
        turn = to_global(now, a["gt_velocity_3d"][:, :2]) - now["ego2global_translation"][:2]
        for token, place, velocity, kind in zip(
            a["track_tokens"], start, turn, a["gt_names"], strict=True
        ):
            if token in places:
                step = places[token] - place
                agrees = np.hypot(*(step - 0.5 * velocity)) < 1.0
                turned += not agrees
                assert agrees or kind == "pedestrian"  # who may turn round between two frames
                moved += bool(np.hypot(*step) > 1.0)
    assert moved > 20 and turned < 5


def test_annotations_have_equal_lengths_and_known_names(frames: Frames) -> None:
    known = {"vehicle", "pedestrian", "bicycle", "traffic_cone", "barrier", "czone_sign"}
    for frame in frames:
        anns = frame["anns"]
        assert len({len(values) for values in anns.values()}) == 1
        assert set(anns["gt_names"]) <= known | {"generic_object"}
        assert (anns["gt_boxes"][:, 3:6] > 0.0).all()


def test_command_is_the_side_of_the_route_20_m_ahead(
    town: SplitRoots, log_paths: list[Path]
) -> None:
    """Against the map's baselines, joined along roadblock_ids: nothing of the generator's paths."""
    seen = set()
    for path in log_paths:
        log = pickle.loads(path.read_bytes())
        lines = _route_lines(town.maps_root, log[0])
        for frame in log:
            here = frame["ego2global_translation"][:2]
            near = min(lines, key=lambda line: np.hypot(*(line - here).T).min())
            start = int(np.hypot(*(near - here).T).argmin())
            ahead = np.hypot(*np.diff(near[start:], axis=0).T).cumsum()
            if ahead[-1] < 20.0:
                continue
            point = near[start + 1 + int(np.searchsorted(ahead, 20.0))] - here
            aside = np.cos(yaw(frame)) * point[1] - np.sin(yaw(frame)) * point[0]
            if abs(abs(aside) - 2.0) > 0.7:
                expected = 1 if abs(aside) < 2.0 else (0 if aside > 0 else 2)
                assert int(np.argmax(frame["driving_command"])) == expected
                seen.add(expected)
    assert len(seen) > 1


def _route_lines(maps_root: Path, frame: dict[str, Any]) -> list[np.ndarray]:
    """All chains of baselines [N, 2] through the route's roadblocks, in UTM."""
    path = next((maps_root / frame["map_location"]).iterdir()) / "map.gpkg"
    read = {
        layer: gpd.read_file(path, layer=layer, engine="pyogrio", fid_as_index=True)
        for layer in ("baseline_paths", "lanes_polygons", "lane_connectors")
    }
    crs = f"EPSG:{PLANS[frame['map_location']].epsg}"
    base = read["baseline_paths"].to_crs(crs)
    line = {
        int(row.lane_fid if row.lane_fid == row.lane_fid else row.lane_connector_fid): np.asarray(
            row.geometry.coords
        )
        for row in base.itertuples()
    }
    lanes, ways = read["lanes_polygons"], read["lane_connectors"]
    route = [int(block) for block in frame["roadblock_ids"]]
    chains = [[fid] for fid in lanes.index[lanes.lane_group_fid == route[0]]]
    for block in route[2::2]:
        chains = [
            [*chain, way, int(ways.entry_lane_fid[way])]
            for chain in chains
            for way in ways.index[ways.exit_lane_fid == chain[-1]]
            if lanes.lane_group_fid[int(ways.entry_lane_fid[way])] == block
        ]
    return [np.concatenate([line[fid] for fid in chain]) for chain in chains]


def test_route_reaches_100_m_beyond_the_log(town: SplitRoots, frames: Frames) -> None:
    lines = _route_lines(town.maps_root, frames[0])
    assert lines, "roadblock_ids are no way through the map"
    last = frames[-1]["ego2global_translation"][:2]
    rest = []
    for line in lines:
        start = int(np.hypot(*(line - last).T).argmin())
        rest.append(np.hypot(*np.diff(line[start:], axis=0).T).sum())
    assert max(rest) > 100.0


def test_every_signalled_connector_has_a_light(town: SplitRoots, frames: Frames) -> None:
    path = next((town.maps_root / frames[0]["map_location"]).iterdir()) / "map.gpkg"
    ways = pyogrio.read_dataframe(path, layer="lane_connectors", fid_as_index=True)
    lit = set(ways.index[ways.traffic_light_stop_line_fids != ""])
    for frame in frames:
        assert {fid for fid, _ in frame["traffic_lights"]} == lit
    states = [dict(frame["traffic_lights"]) for frame in frames]
    assert any(a != b for a, b in itertools.pairwise(states))


def test_the_same_seed_gives_the_same_bytes_in_another_process(log_paths: list[Path]) -> None:
    code = (
        "import sys; from reworld_agent.scenes.synthetic.rollout import make_drive;"
        "from reworld_agent.scenes.synthetic.logs import log_bytes;"
        "sys.stdout.buffer.write(log_bytes(make_drive('town_test', 0)))"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert made == log_paths[0].read_bytes()


def test_splits_have_their_own_towns_and_drives() -> None:
    assert SPLITS["town6_test_wide"].towns == SPLITS["town6_test"].towns  # other drives there
    towns = [t for name, plan in SPLITS.items() if name != "town6_test_wide" for t in plan.towns]
    assert len(set(towns)) == len(towns) and set(towns) < set(TOWNS)
    assert SPLITS["town_train"].scenes >= 5000
    assert log_bytes(make_drive("town_val", 0)) != log_bytes(make_drive("town_val", 1))


@pytest.mark.parametrize("split", list(SPLITS))
def test_log_names_are_unique_and_attempts_known(split: str) -> None:
    plan = SPLITS[split]
    if split in FIRST_GOOD:
        assert len(FIRST_GOOD[split]) == plan.logs
    assert len({plan.log_name(k) for k in range(plan.logs)}) == plan.logs
