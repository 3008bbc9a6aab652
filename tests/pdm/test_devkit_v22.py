"""Against NAVSIM v2.2 itself, where it is on the path (`pytest -m devkit`); skipped elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reworld_agent import pdm
from reworld_agent.pdm.cache_io.from_devkit import load_metric_cache
from reworld_agent.pdm.protocols.aggregate import METRICS
from reworld_agent.pdm.simulate.rollout import rollout
from reworld_agent.pdm.traffic.idm_traffic import reactive_poses
from reworld_agent.pdm.traffic.rails import build_rails

pytestmark = pytest.mark.devkit
TOKENS = ("c171179370905a4f", "4ef3d31d1b0c6b63")
OBSERVATION = {
    "target_velocity": 10,
    "min_gap_to_lead_agent": 1.0,
    "headway_time": 1.5,
    "accel_max": 1.0,
    "decel_max": 2.0,
    "open_loop_detections_types": [],
    "minimum_path_length": 20,
    "radius": 100,
    "add_open_loop_parked_vehicles": True,
    "idm_snap_threshold": 3.0,
}


@pytest.fixture(scope="module")
def maps(devkit_reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The maps in a folder that may be written to, as nuPlan wants it."""
    pytest.importorskip("navsim.traffic_agents_policies", reason="NAVSIM v2.2 is not on the path")
    return Path(
        shutil.copytree(devkit_reference / "maps", tmp_path_factory.mktemp("maps") / "maps")
    )


@pytest.fixture(scope="module", params=TOKENS)
def cached(
    request: Any, devkit_reference: Path, maps: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """A token and its metric cache, made by the devkit."""
    import os

    os.environ["NUPLAN_MAPS_ROOT"] = str(maps)
    from navsim.common.dataclasses import SceneFilter, SensorConfig
    from navsim.common.dataloader import SceneLoader
    from navsim.planning.metric_caching.metric_cache_processor import MetricCacheProcessor
    from navsim.planning.scenario_builder.navsim_scenario import NavSimScenario

    wanted = SceneFilter(frame_interval=1, tokens=[request.param])
    logs = devkit_reference / "navsim_logs" / "toy"
    loader = SceneLoader(logs, None, wanted, sensor_config=SensorConfig.build_no_sensors())
    scenario = NavSimScenario(
        loader.get_scene_from_token(request.param), str(maps), "nuplan-maps-v1.0"
    )
    folder = tmp_path_factory.mktemp("metric_cache")
    entry = MetricCacheProcessor(str(folder), True, _sampling()).compute_and_save_metric_cache(
        scenario
    )
    return request.param, Path(entry.file_name)


def _sampling() -> Any:
    from nuplan.planning.simulation.trajectory.trajectory_sampling import TrajectorySampling

    return TrajectorySampling(num_poses=40, interval_length=0.1)


def _plans(devkit_reference: Path, token: str, count: int) -> np.ndarray:
    table = pd.read_parquet(devkit_reference / "epdms_v22.parquet")
    rows = table.loc[table["token"] == token, "poses"].iloc[:: 64 // count][:count]
    return np.stack([np.reshape(poses, (8, 3)) for poses in rows])


def test_converted_metric_caches_score_as_built_ones(
    cached: tuple[str, Path], devkit_reference: Path, maps: Path
) -> None:
    token, path = cached
    ours = pdm.build_scene_cache(devkit_reference, maps, "toy", token)
    converted = load_metric_cache(path)
    poses = _plans(devkit_reference, token, 16)
    left, right = (pdm.score(cache, poses, "epdms_v2") for cache in (ours, converted))
    for name, values in left.items():
        np.testing.assert_allclose(values, right[name], atol=1e-6, err_msg=name)
    reacting = [
        pdm.score(cache, poses[:2], "epdms_v2", rails=build_rails(cache, maps))
        for cache in (ours, converted)
    ]
    for name, values in reacting[0].items():
        np.testing.assert_allclose(values, reacting[1][name], atol=1e-6, err_msg=name)


def test_reactive_traffic_is_the_devkits(
    cached: tuple[str, Path],
    devkit_reference: Path,
    maps: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import lzma
    import pickle

    from navsim.common.dataclasses import Trajectory
    from navsim.evaluate.pdm_score import pdm_score
    from navsim.planning.simulation.observation.navsim_idm_agents import NavsimIDMAgents
    from navsim.planning.simulation.planner.pdm_planner.scoring.pdm_scorer import (
        PDMScorer,
        PDMScorerConfig,
    )
    from navsim.planning.simulation.planner.pdm_planner.simulation.pdm_simulator import PDMSimulator
    from navsim.traffic_agents_policies.navsim_IDM_traffic_agents import NavsimIDMTrafficAgents

    token, path = cached
    sampling = _sampling()
    seen: list[Any] = []
    original = NavsimIDMTrafficAgents.simulate_environment

    def spy(self: Any, states: Any, metric_cache: Any) -> Any:
        seen.append(original(self, states, metric_cache))
        return seen[-1]

    monkeypatch.setattr(NavsimIDMTrafficAgents, "simulate_environment", spy)
    policy = NavsimIDMTrafficAgents(sampling, NavsimIDMAgents(**OBSERVATION))
    scorer = PDMScorer(sampling, PDMScorerConfig(human_penalty_filter=True))
    simulator = PDMSimulator(sampling)
    cache = pdm.build_scene_cache(devkit_reference, maps, "toy", token)
    rails = build_rails(cache, maps)
    index = {str(name): k for k, name in enumerate(cache.track_token)}
    for poses in _plans(devkit_reference, token, 2):
        seen.clear()
        metric_cache = pickle.loads(lzma.decompress(path.read_bytes()))
        row, _ = pdm_score(metric_cache, Trajectory(poses), sampling, simulator, scorer, policy)
        found = reactive_poses(cache, rails, rollout(cache, poses[None])[0])
        for step, tracks in enumerate(seen[0]):
            objects = list(tracks.tracked_objects)
            there = {index[item.track_token] for item in objects}
            assert there == set(np.flatnonzero(np.isfinite(found[step, :, 0])).tolist())
            for item in objects:
                pose = found[step, index[item.track_token]]
                np.testing.assert_allclose(pose, item.center.serialize(), atol=1e-6)
        scores = pdm.score(cache, poses[None], "epdms_v2", rails=rails)
        for name in (*METRICS, "pdm_score"):
            assert scores[name][0] == pytest.approx(row[name].iloc[0], abs=1e-6), name
