"""Settings of a run that say how the others move, and whether there are two stages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from reworld_agent.core.errors import ConfigError
from reworld_agent.core.vocabulary import LOG_REPLAY, REACTIVE
from reworld_agent.evaluation.staged_loader import SyntheticData
from reworld_agent.pdm.protocols.aggregate import read_groups
from reworld_agent.scenes.roots import DATA_VARIABLE

_FOLDER = "navhard_two_stage"  # below OPENSCENE_DATA_ROOT, as NAVSIM v2's settings have it


def stage_settings(cfg: DictConfig) -> dict[str, Any]:
    """`traffic`, and for two stages `groups` and `synthetic`, from a composed configuration.

    `two_stage: null` takes the wish of the split (scene_filter.include_synthetic_scenes).

    Raises:
        ConfigError: two stages without a mapping, a folder, or protocol=epdms_v2.
        DataError: the mapping cannot be read.
    """
    split = cfg.train_test_split
    two_stage = cfg.get("two_stage")
    if two_stage is None:
        two_stage = bool((split.get("scene_filter") or {}).get("include_synthetic_scenes"))
    if not two_stage:
        return {"traffic": cfg.get("traffic") or LOG_REPLAY}
    if cfg.get("protocol") != "epdms_v2":
        raise ConfigError(
            f"two stages are of NAVSIM v2, and protocol={cfg.get('protocol')}",
            "set protocol=epdms_v2, or two_stage=false",
        )
    mapping = split.get("reactive_all_mapping")
    if not mapping:
        raise ConfigError(
            f"two_stage=true, but the split '{split.data_split}' has no reactive_all_mapping",
            "use the train_test_split of a two-stage benchmark, for example navhard_two_stage",
        )
    groups = read_groups(OmegaConf.to_container(mapping, resolve=True))  # type: ignore[arg-type]
    return {
        "traffic": cfg.get("traffic") or REACTIVE,
        "groups": tuple(groups),
        "synthetic": SyntheticData(
            _folder(cfg, "synthetic_scenes_path", "synthetic_scene_pickles"),
            _folder(cfg, "synthetic_sensor_path", "sensor_blobs"),
        ),
    }


def _folder(cfg: DictConfig, key: str, name: str) -> Path:
    if cfg.get(key):
        return Path(cfg[key]).absolute()
    root = os.environ.get(DATA_VARIABLE)
    if not root:
        raise ConfigError(
            f"two_stage=true needs {key}", f"set {key}=DIR, or export {DATA_VARIABLE}"
        )
    return Path(root) / _FOLDER / name
