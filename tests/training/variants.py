"""Model files of a few thousand parameters: another backbone, three cameras, and images of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

from tests.model.micro import micro_config

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


def add_side_cameras(root: Path) -> None:
    """Images of the side cameras, one grey each, beside those of the small split."""
    for front in list((root / "sensor_blobs").rglob("CAM_F0/*.jpg")):
        for number, camera in enumerate(("CAM_L0", "CAM_R0"), 1):
            side = front.parent.with_name(camera) / front.name
            side.parent.mkdir(exist_ok=True)
            Image.new("RGB", (32, 18), (60 * number,) * 3).save(side)
