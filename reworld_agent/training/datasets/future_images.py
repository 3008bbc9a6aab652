"""Stage 1 learns from images after the current frame: are they there, before anything starts?"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from reworld_agent.config import ModelConfig, load_model_config
from reworld_agent.core.errors import DataError
from reworld_agent.features import sensor_wishes
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.preflight import preflight
from reworld_agent.scenes.sensors import SensorConfig

LOOKED_AT = 64  # scenes; where the split has no future images, these have none either
HINT = (
    "Stage 1 needs the cameras of the {count} frames after the current one, and navtrain "
    "comes without them: use a split with all its images, such as the whole of trainval or "
    "train_test_split=town_train, or start at stage=planner from weights that have passed Stage 1"
)


def check_future_images(loader: SceneLoader, config: ModelConfig) -> None:
    """Raise DataError, with what is needed, where images of a loader's first scenes are missing.

    Args:
        loader: over the scenes of the run, or the first of them.
        config: of the model: its cameras' history and future frames at 2 Hz are looked for.
    """
    sensors = SensorConfig(**sensor_wishes(config, future=True))
    found = preflight(loader, sensors, whole_scene=True, maps=False).images
    if found.missing:
        raise DataError(found.summary("images"), HINT.format(count=config.clip.future_frames))


def check_host_config(config: DictConfig) -> None:
    """The same for a training program's whole config, the devkit's too, before it loads a scene.

    Does nothing where the program reads targets from a cache, or has no logs in its config.

    Raises:
        DataError: as above.
    """
    logs, blobs = config.get("navsim_log_path"), config.get("sensor_blobs_path")
    if not logs or not blobs or config.get("use_cache_without_dataset"):
        return
    wanted: Any = OmegaConf.to_container(config.train_test_split.scene_filter, resolve=True)
    known = {field.name for field in dataclasses.fields(SceneFilter)}
    values = {key: value for key, value in wanted.items() if key in known}
    first = SceneFilter(**{**values, "max_scenes": LOOKED_AT})
    loader = SceneLoader(Path(logs), Path(blobs), first)
    changes: Any = OmegaConf.select(config, "agent.model_overrides")
    if changes is not None:
        changes = OmegaConf.to_container(changes, resolve=True)
    check_future_images(loader, load_model_config(config.model, config.recipe, changes))
