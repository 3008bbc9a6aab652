"""Model files of a few thousand parameters: another backbone, three cameras; and their use.

Images of these cameras, mining and scoring.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from PIL import Image

from reworld_agent.cli.main import main
from reworld_agent.evaluation.compose import MINE, compose
from reworld_agent.training.mining.run import run_mining
from reworld_agent.training.mining.settings import MiningRun
from tests.model.micro import micro_config
from tests.scenes.small_logs import SPLIT
from tests.training.test_data import small_loader

VARIANTS: dict[str, dict[str, Any]] = {
    "ltx": {},
    "wan": {"video": {"backbone": "wan", "options": {"ff_dim": 32}}},
    "three": {"cameras": "three"},
    "wan_three": {"cameras": "three", "video": {"backbone": "wan"}},
    "world_action": {
        "video": {"backbone": "world_action", "options": {"chunk": 2}},
        "actions": {"numbers": 2, "hidden": 8},
    },
}


def model_file(folder: Path, name: str) -> Path:
    """A configuration of a few thousand parameters."""
    changes, micro = VARIANTS[name], micro_config().to_dict()
    sizes = ("num_layers", "num_heads", "head_dim", "mid_blocks")
    video = {key: micro["video"][key] for key in sizes} | changes.get("video", {})
    values = {"base": "tiny", "codec": micro["codec"], "planner": micro["planner"], "video": video}
    values |= {"clip": {"height": 32, "width": 48}, "world_clip": {"height": 32, "width": 48}}
    values |= {"cameras": changes.get("cameras", "cam_f0"), "actions": changes.get("actions")}
    file = folder / f"{name}.json"
    file.write_text(json.dumps(values))
    return file


def split_of_three(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small split as the user's data, with images of the side cameras, and a map's file."""
    torch.set_num_threads(1)
    small_loader(root)
    for front in list((root / "sensor_blobs").rglob("CAM_F0/*.jpg")):
        for number, camera in enumerate(("CAM_L0", "CAM_R0"), 1):  # one grey each
            side = front.parent.with_name(camera) / front.name
            side.parent.mkdir(exist_ok=True)
            Image.new("RGB", (32, 18), (60 * number,) * 3).save(side)
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(root))
    city = root / "maps" / "us-ma-boston" / "1"
    city.mkdir(parents=True)
    (city / "map.gpkg").touch()
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(root / "maps"))


def mine(root: Path, weights: Path, *model: str) -> Path:
    """The pool of three candidates of each of the small split's six scenes.

    Args:
        root: of the split, whose scorer is a fake one; the pool is `<root>/pool`.
        weights: a folder.
        model: words that say which model, and how it is used.
    """
    words = [f"train_test_split.data_split={SPLIT}", f"cache_path={root / 'cache'}", *model]
    words += [f"agent.checkpoint_path={weights}", "agent.device=cpu", "candidates.count=3"]
    words += ["batch_size=2", f"output_dir={root / 'pool'}", f"cache_dir={root / 'caches'}"]
    pool = run_mining(MiningRun.from_config(compose([*words, "resume=false"], MINE)))
    assert "18 candidates of 6 scenes" in pool.statistics.text()
    return root / "pool" / "pool.parquet"


def scores(root: Path, weights: Path, *model: str) -> pd.DataFrame:
    """The table of the plans of these weights; see `mine`."""
    words = [f"train_test_split.data_split={SPLIT}", "worker=sequential", *model]
    words += ["train_test_split.scene_filter.frame_interval=1", "resume=false"]
    words += [f"agent.checkpoint_path={weights}", f"output_dir={root / 'scores'}"]
    assert main(["score", *words]) == 0
    table = pd.read_csv(root / "scores" / "pdm_scores.csv")
    assert len(table) == 7 and table["valid"].all()
    return table
