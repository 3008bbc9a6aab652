"""The devkit's own agents by their names on this host: plans and scores are those of the devkit.

    NAVSIM_DEVKIT_ROOT=CHECKOUT python -m pytest -m devkit tests/evaluation/test_devkit_agents.py

With a fork's checkout (DiffusionDrive) its agent is planned with too. TransFuser and its relatives
need timm; their networks have random weights here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from reworld_agent.cli import main as cli
from reworld_agent.compat import NAVSIM
from reworld_agent.core.shards import PartStore
from reworld_agent.evaluation.agents import build_agent, named_agent
from reworld_agent.evaluation.inference import plan_split
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.scenes.synthetic import ensure_split
from tests.scenes.small_logs import SPLIT, make_log

ROOT = os.environ.get("NAVSIM_DEVKIT_ROOT", "")
SCRIPTS = Path(ROOT) / "navsim" / "planning" / "script"
pytestmark = [
    pytest.mark.devkit,
    pytest.mark.skipif(not ROOT or NAVSIM.kind != "devkit", reason="NAVSIM_DEVKIT_ROOT is not set"),
]
LEARNED = ("ego_status_mlp_agent", "transfuser_agent", "diffusiondrive_agent")
AGENTS = ("constant_velocity_agent", "human_agent", *LEARNED)


@pytest.fixture
def choice(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An agent of the checkout by its name, with random weights in a file where it learns."""
    name = request.param
    if not (SCRIPTS / "config" / "common" / "agent" / f"{name}.yaml").is_file():
        pytest.skip(f"this checkout has no {name}")
    if name in ("transfuser_agent", "diffusiondrive_agent"):
        timm = pytest.importorskip("timm", reason="its backbone needs timm")
        make = timm.create_model
        monkeypatch.setattr(
            timm, "create_model", lambda *a, **k: make(*a, **{**k, "pretrained": 0})
        )
    found = named_agent(name)
    if name == "diffusiondrive_agent":
        anchors = np.random.default_rng(0).normal(0, 1, (20, 8, 2)).cumsum(axis=1)
        np.save(tmp_path / "anchors.npy", anchors)
        config = {**found.config["config"], "plan_anchor_path": str(tmp_path / "anchors.npy")}
        found = found.given(config=config)
    if name not in LEARNED:
        return found
    torch.manual_seed(0)
    state = {f"agent.{key}": value for key, value in build_agent(found).state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "agent.ckpt")
    return found.given(checkpoint_path=str(tmp_path / "agent.ckpt"))


def write_sensors(root: Path, frames: list[dict[str, Any]]) -> None:
    """All cameras of a log, and random points for every frame as OpenScene keeps them."""
    for index, frame in enumerate(frames):
        for number, camera in enumerate(frame["cams"].values()):
            path = root / "sensor_blobs" / SPLIT / camera["data_path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (1920, 1080), (9 * index, 9 * number, 0)).save(path)
    names = ("x", "y", "z", "intensity", "ring", "lidar_info")
    head = (
        f"VERSION 0.7\nFIELDS {' '.join(names)}\nSIZE{' 4' * 6}\nTYPE{' F' * 6}\nCOUNT{' 1' * 6}\n"
    )
    for number, frame in enumerate(frames):
        points = np.random.default_rng(number).uniform(-30, 30, (500, 6)).astype("<f4")
        path = root / "sensor_blobs" / SPLIT / frame["lidar_path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        size = "WIDTH 500\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS 500\nDATA binary\n"
        path.write_bytes(f"{head}{size}".encode() + points.tobytes())


@pytest.mark.parametrize("choice", AGENTS, indirect=True)
def test_plans_are_those_of_the_devkits_own_loader(
    choice: Any, small_split: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from navsim.common.dataclasses import Scene
    from navsim.common.dataclasses import SceneFilter as TheirFilter
    from navsim.common.dataloader import SceneLoader

    frames = make_log("a", 20)
    write_sensors(small_split, frames)
    few: dict[str, Any] = {"frame_interval": 1, "log_names": ["a"], "max_scenes": 2}
    agent = build_agent(choice)
    agent.initialize()
    wanted = agent.get_sensor_config()
    ours = resolve_split(SPLIT).loader(SceneFilter(**few), wanted)
    store = PartStore(tmp_path / "parts", ("token",), {})
    torch.manual_seed(1)  # DiffusionDrive draws
    planned, record = plan_split(agent, ours, tmp_path, store, {})
    assert set(record["status"]) == {"ok"}, record["reason"].tolist()
    logs, blobs = small_split / "navsim_logs" / SPLIT, small_split / "sensor_blobs" / SPLIT
    monkeypatch.setattr(Scene, "_build_map_api", lambda *names: None)  # no plan looks at the map
    theirs = SceneLoader(logs, blobs, TheirFilter(**few), sensor_config=wanted)
    assert theirs.tokens == planned["token"].tolist()
    torch.manual_seed(1)
    for token, poses in zip(planned["token"], planned["poses"], strict=True):
        seen = [theirs.get_agent_input_from_token(token)]
        seen += [theirs.get_scene_from_token(token)] if agent.requires_scene else []
        expected = agent.compute_trajectory(*seen).poses
        assert np.array_equal(np.asarray(poses).reshape(-1, 3), expected.astype(np.float64))


def stock(script: str, *words: str) -> None:
    """Run a script of the devkit; what it says is shown where it fails."""
    command = [sys.executable, str(SCRIPTS / f"{script}.py"), *words]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Words that name four scenes of the town, and the devkit's metric caches of them."""
    town, folder = ensure_split("town_test", cameras=()), tmp_path_factory.mktemp("devkit")
    log = sorted((town.data_root / "navsim_logs" / "town_test").glob("*.pkl"))[0].stem
    words = ["train_test_split=town_test", f"train_test_split.scene_filter.log_names=[{log}]"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENSCENE_DATA_ROOT", str(town.data_root))
        patch.setenv("NUPLAN_MAPS_ROOT", str(town.maps_root))
        patch.setenv("NUPLAN_MAP_VERSION", "nuplan-maps-v1.0")
        patch.setenv("NAVSIM_EXP_ROOT", str(folder))
        caches = "cache.cache_path" if NAVSIM.version == 1 else "metric_cache_path"
        # EC of v2.2 needs the scene half a second later too
        words += [] if NAVSIM.version == 1 else ["train_test_split.scene_filter.frame_interval=1"]
        stock("run_metric_caching", *words, "worker=sequential", f"{caches}={folder / 'caches'}")
        yield words, folder / "caches"


@pytest.mark.slow
@pytest.mark.timeout(1200)  # the devkit's caches, and three runs
@pytest.mark.parametrize("choice", AGENTS[:3], indirect=True)
def test_scores_are_those_of_the_devkits_own_script(
    choice: Any, cached: Any, tmp_path: Path
) -> None:
    words, caches = cached
    given = [f"agent={choice.name}"]
    if "checkpoint_path" in choice.config:
        given.append(f"agent.checkpoint_path={choice.config['checkpoint_path']}")
    script = "run_pdm_score" if NAVSIM.version == 1 else "run_pdm_score_one_stage"
    more = [f"metric_cache_path={caches}", f"output_dir={tmp_path / 'stock'}", "experiment_name=x"]
    stock(script, *given, *words, "worker=sequential", *more)
    found = pd.read_csv(next((tmp_path / "stock").glob("*.csv"))).set_index("token")
    kinds = ["sequential", "processes"]
    kinds += ["ray"] if choice.name == AGENTS[0] and find_spec("ray") else []
    for kind in kinds:
        # the golden checks of this process have been made; the word is a setting, and no group
        host = [f"worker={kind}", "workers=2", f"output_dir={tmp_path / kind}"]
        host += ["protocol=epdms_v2"] if NAVSIM.version == 2 else []
        assert cli.main(["score", *given, *words, *host]) == 0
        table = pd.read_parquet(tmp_path / kind / "pdm_scores.parquet").set_index("token")
        rows = table.drop(index="average")
        # one frame has no EC, which is in the score of the devkit's one stage of v2.2
        left_out = {"valid"} if NAVSIM.version == 1 else {"valid", "score"}
        columns = [name for name in rows if name in found and name not in left_out]
        assert len(rows) and len(columns) > 5
        gap = (rows[columns].astype(float) - found.loc[rows.index, columns].astype(float)).abs()
        assert gap.max().max() < 1e-6, kind
