"""The planner with a perfect eye: how well it would drive if perception were no limit.

The Action DiT of a model learns as in its planner stage, from tokens of the scene cache in the
place of video states (see `oracle_states`); the same with zeros is its control.

Shapes: S scenes, N tokens, D width, L waypoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from reworld_agent.benchmarks.evidence.oracle_settings import OracleRun
from reworld_agent.benchmarks.evidence.oracle_states import TOKENS, WIDTH, oracle_states
from reworld_agent.config import ModelConfig, load_model_config
from reworld_agent.core.errors import ConfigError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import code_version
from reworld_agent.core.result_tables import keep_settings, read_frame, write_parquet
from reworld_agent.features import build_targets, ego_features
from reworld_agent.model import ReWorldModel
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.training.loop.optim import build_optimizers
from reworld_agent.training.losses import require_finite, stage_loss
from reworld_agent.training.stages import TrainingStage, load_stage

RECORD, PLANS = "oracle.json", "plans.parquet"
_BATCH = 64  # scenes planned at once


@dataclass(frozen=True)
class OracleScenes:
    """What is learned from, or planned on.

    Attributes:
        tokens, logs: names of the scenes and of their logs.
        states: [S, N, WIDTH], see `oracle_states`.
        ego: [S, 8], the ego state that the planner gets beside.
        expert: [S, L, 3] m, m, rad in the ego's frame.
    """

    tokens: list[str]
    logs: list[str]
    states: Tensor
    ego: Tensor
    expert: Tensor


@dataclass(frozen=True)
class OraclePlans:
    """What was written, and the mean distance (m) of the plans to the expert."""

    plans: Path
    scenes: int
    ade_m: float
    earlier: bool = False


@one_writer
def train_oracle(settings: OracleRun) -> OraclePlans:
    """Train and plan; a finished run in the same folder is left alone.

    Raises:
        ConfigError: the folder holds a run of other settings, or the model's video states are
            narrower than the oracle's tokens.
        ReWorldError: a scene cannot be built; names the log, map or token.
    """
    config = load_model_config(settings.model)
    if config.video.width < WIDTH:
        message = f"video states of width {config.video.width}, the oracle's have {WIDTH}"
        raise ConfigError(message, "name a wider model=")
    folder = settings.output_dir
    about = {k: v for k, v in settings.as_dict().items() if k != "output_dir"}
    keep_settings(folder / RECORD, about, {"code_version": code_version()})
    judged = oracle_scenes(settings.tested, _window(settings, 1), config)
    if (folder / PLANS).is_file():
        known = np.stack(read_frame(folder / PLANS)["poses"].to_list())
        return OraclePlans(folder / PLANS, len(known), _ade(known, judged), earlier=True)
    window = _window(settings, settings.frame_interval)
    learned = oracle_scenes(settings.data_split, window, config)
    pl.seed_everything(settings.seed, verbose=False)
    model = ReWorldModel(config)
    model.normaliser.fit(learned.expert)
    overrides = {"cache_states": False, "steps": settings.steps}
    stage = load_stage("planner", model=settings.model, overrides=overrides)
    _train(model, stage, learned, settings)
    poses = _plan(model, judged, settings)
    names = {"token": judged.tokens, "log_name": judged.logs, "candidate": settings.states}
    table = pd.DataFrame({**names, "poses": [*poses]})
    write_parquet(folder / PLANS, table, {"protocol": "oracle_1", **about})
    return OraclePlans(folder / PLANS, len(poses), _ade(poses, judged))


def _window(settings: OracleRun, interval: int) -> SceneFilter:
    return SceneFilter(frame_interval=interval, max_scenes=settings.scenes)


def oracle_scenes(split: str, window: SceneFilter, config: ModelConfig) -> OracleScenes:
    """The scenes of a split; their caches are built where they are not there."""
    roots = resolve_split(split)
    loader = roots.loader(window)
    caches = SceneCaches(roots.data_root, roots.maps_root, split)
    rows: list[tuple[Any, ...]] = []
    for token in tqdm(loader.tokens, desc=f"oracle states of {split}", delay=5.0):
        scene = loader.get_scene_from_token(token)
        states = torch.from_numpy(oracle_states(caches.get(token)))
        expert = build_targets(scene, config, future_images=False)["trajectory"]
        rows.append((states, ego_features(scene.get_agent_input().ego_statuses[-1]), expert))
    states, ego, expert = (torch.stack(column).float() for column in zip(*rows, strict=True))
    log_of = {t: log for log, found in loader.get_tokens_list_per_log().items() for t in found}
    logs = [log_of[token] for token in loader.tokens]
    return OracleScenes(list(loader.tokens), logs, states, ego, expert)


def _train(
    model: ReWorldModel, stage: TrainingStage, learned: OracleScenes, settings: OracleRun
) -> None:
    """The planner stage's loss and optimiser on tokens in memory."""
    for name, part in model.parts().items():
        part.requires_grad_(name == "action_dit")
    built = build_optimizers(model, stage)
    optimizer, rate = built["optimizer"], built["lr_scheduler"]["scheduler"]
    generator = torch.Generator().manual_seed(settings.seed)
    for step in tqdm(range(stage.steps), desc="planner", unit="step", delay=5.0):
        chosen = torch.randint(len(learned.tokens), (stage.batch_size,), generator=generator)
        features = _features(model, learned, chosen, settings.states)
        targets = {"trajectory": learned.expert[chosen]}
        loss, _ = stage_loss(model, stage, features, targets, generator)
        require_finite(loss, f"at step {step}")
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.action_dit.parameters(), stage.gradient_clip)
        optimizer.step()
        rate.step()


def _features(
    model: ReWorldModel, scenes: OracleScenes, chosen: Tensor, kind: str
) -> dict[str, Tensor]:
    """Tokens as states [B, blocks, N, D]: every block of the planner reads the same."""
    video = model.config.video
    states = torch.zeros(len(chosen), 1, TOKENS, video.width)
    if kind == "oracle":
        states[:, 0, :, :WIDTH] = scenes.states[chosen]
    return {"ego": scenes.ego[chosen], "states": states.expand(-1, video.num_layers, -1, -1)}


def _plan(model: ReWorldModel, scenes: OracleScenes, settings: OracleRun) -> np.ndarray:
    """Poses [S, 3 L] of all scenes."""
    numbers = torch.arange(len(scenes.tokens))
    found = [
        model.eval().plan(_features(model, scenes, some, settings.states)).flatten(1)
        for some in numbers.split(_BATCH)
    ]
    return torch.cat(found).double().numpy()


def _ade(poses: np.ndarray, scenes: OracleScenes) -> float:
    plans = poses.reshape(len(poses), -1, 3)[..., :2]
    return float(np.linalg.norm(plans - scenes.expert.numpy()[..., :2], axis=-1).mean())
