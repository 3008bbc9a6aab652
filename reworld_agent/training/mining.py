"""`python train/mine_hard_negatives.py`: candidates of a training split, scored, as a pool."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pandas as pd
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from torch.utils.data import DataLoader
from tqdm import tqdm

from reworld_agent.config import load_model_config
from reworld_agent.errors import ConfigError, DataError
from reworld_agent.evaluation.files import check_writable
from reworld_agent.evaluation.parts import PartStore
from reworld_agent.evaluation.provenance import provenance
from reworld_agent.evaluation.scene_caches import SceneCaches, code_digest
from reworld_agent.evaluation.scoring import ROW_KEYS, score_trajectories
from reworld_agent.model import ReWorldModel
from reworld_agent.negatives.generator import CandidateSettings, generate
from reworld_agent.negatives.pool import write_pool
from reworld_agent.negatives.selection import SelectionSettings, nearest_unsafe
from reworld_agent.scenes.splits import DataRoots, resolve_split
from reworld_agent.training.data import SceneArrays, SceneDataset, scene_arrays
from reworld_agent.weights import load_checkpoint

PROTOCOL = "pdms_v1"
# `test` and `val` as whole words (town_test, private_test_hard), NAVSIM's navtest, navhard, ...;
# `trainval`, the split of navtrain, is for training.
HELD_OUT = re.compile(r"(^|[_-])(test|val)([_-]|$)|^nav(test|hard)|warmup")


def refuse_held_out(*names: str) -> None:
    """Raise ConfigError where a split is for testing: a pool is training data."""
    for name in names:
        if HELD_OUT.search(name):
            message = f"the split {name} is held out for testing: no hard negatives are mined there"
            raise ConfigError(message, "use a training split, such as train_test_split=town_train")


def run(cfg: DictConfig) -> int:
    """Generate, score, write `<output_dir>/pool.parquet`; 0 when every scene has its candidates.

    A run that was cut short goes on where it stopped, in the same `output_dir`.
    """
    split = str(cfg.train_test_split.data_split)
    refuse_held_out(split, _chosen_split())
    settings = CandidateSettings(**cfg.candidates)
    selection = SelectionSettings(cfg.hard_negatives.delta, cfg.hard_negatives.space)
    output = Path(cfg.output_dir).absolute()
    check_writable(output)
    config = load_model_config(cfg.agent.model, cfg.agent.recipe)
    model = load_checkpoint(cfg.agent.checkpoint_path, config)
    roots = resolve_split(split)
    arrays = load_history(cfg, roots, model)
    origin = provenance("reworld", model, split, len(arrays), PROTOCOL)
    origin["candidates"] = vars(settings)
    caches = SceneCaches(roots.data_root, roots.maps_root, split, cfg.get("cache_dir"))
    identity = {key: origin[key] for key in ("weights_sha256", "split", "candidates")}
    identity |= {"data": caches.data_digest, "code": code_digest()}
    rows = candidate_rows(model, arrays, settings, int(cfg.batch_size))
    store = PartStore(output / "parts", ROW_KEYS, identity, bool(cfg.resume))
    scored = score_trajectories(rows, caches, store, PROTOCOL, cfg.worker, cfg.workers)
    pool = rows.merge(scored, on=["token", "candidate"], validate="one_to_one")
    write_pool(output / "pool.parquet", pool, origin)
    print(summary(pool, arrays, selection))
    print(f"pool: {output / 'pool.parquet'}")
    return 0 if (pool["reason"] == "").all() else 1


def _chosen_split() -> str:
    """The word given as `train_test_split=`, such as navtest (its data lie in a split `test`)."""
    if not HydraConfig.initialized():
        return ""
    return str(HydraConfig.get().runtime.choices.get("train_test_split", ""))


def load_history(cfg: DictConfig, roots: DataRoots, model: ReWorldModel) -> SceneArrays:
    """The scenes of the split, without future images."""
    loader = roots.loader(hydra.utils.instantiate(cfg.train_test_split.scene_filter))
    cache = Path(cfg.cache_path) if cfg.get("cache_path") else None
    return scene_arrays(loader, model.config, future_images=False, cache=cache)


def candidate_rows(
    model: ReWorldModel, arrays: SceneArrays, settings: CandidateSettings, batch_size: int
) -> pd.DataFrame:
    """Rows token, candidate, poses (24 numbers) of every scene."""
    dataset = SceneDataset(arrays, model.config.clip.history_frames)
    batches = DataLoader(dataset, batch_size)
    tokens: list[str] = []
    poses: list[Any] = []
    for features, _, names in tqdm(batches, desc="candidates", delay=2.0):
        plans = generate(model.eval(), features, names, settings)
        if not torch.isfinite(plans).all():
            message = f"candidates of {', '.join(names[:4])} are not finite"
            raise DataError(message, "use other weights: agent.checkpoint_path=")
        tokens += [name for name in names for _ in range(settings.count)]
        poses += list(plans.flatten(0, 1).flatten(1).double().cpu().numpy())
    numbers = [str(number) for number in range(settings.count)] * len(arrays)
    return pd.DataFrame({"token": tokens, "candidate": numbers, "poses": poses})


def summary(pool: pd.DataFrame, arrays: SceneArrays, selection: SelectionSettings) -> str:
    """How many scenes have a negative, and how far from the expert it is."""
    experts = dict(zip(arrays.tokens, arrays.trajectory, strict=True))
    distances = []
    for token, group in pool.groupby("token", sort=False):
        poses = np.stack(list(group["poses"])).reshape(len(group), -1, 3)
        expert = experts[str(token)]
        number = nearest_unsafe(poses, group["score"].to_numpy(), expert, selection)
        if number is not None:
            steps = poses[number, :, :2] - expert[:, :2]
            distances.append(float(np.hypot(*steps.T).mean()))
    share = len(distances) / max(len(experts), 1)
    return (
        f"{len(pool)} candidates of {len(experts)} scenes, mean score {pool['score'].mean():.4f}; "
        f"{len(distances)} scenes ({share:.1%}) have a negative, "
        f"{np.mean(distances) if distances else float('nan'):.2f} m from the expert on average"
    )
