"""Two plans imagined from one history, read back, and written beside what was recorded."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from reworld_agent.core.errors import ConfigError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import code_version, weights_hash
from reworld_agent.core.result_tables import write_csv, write_parquet
from reworld_agent.generation.futures import Sampling, decode_latents
from reworld_agent.generation.model_choice import device_of
from reworld_agent.generation.plans import require_rate
from reworld_agent.generation.settings import TILE
from reworld_agent.generation.side_by_side import contact_sheet, write_picture
from reworld_agent.model import ReWorldModel
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.training.control.read import (
    QUANTITIES,
    Imagine,
    by_dynamics,
    by_video,
    read_futures,
    shares,
    total,
)
from reworld_agent.training.control.settings import ControlSettings
from reworld_agent.training.datasets.held_out import spread_scenes
from reworld_agent.training.datasets.scene_arrays import SceneArrays, scene_arrays
from reworld_agent.training.latent_actions.pairs import scene_pairs
from reworld_agent.training.latent_actions.probe import supervised
from reworld_agent.video.encoding import encode_clip
from reworld_agent.video.latent_actions import LatentActions, plan_motion

logger = logging.getLogger(__name__)
TABLE = "control.parquet"
COLUMNS = ("source", "quantity", "value", "low", "high", "scenes", "error")


@dataclass(frozen=True)
class Control:
    """What was found.

    Attributes:
        table: a row for a source (`own_plan`, `other_plan`, `recorded`) and a quantity (`distance`
            in m, `yaw` in rad): the share of futures that are read nearer to their own plan, its
            95 % interval over whole logs, scenes, and the mean error of what is read.
        pictures: their folder; None where there are none.
    """

    table: pd.DataFrame
    pictures: Path | None

    def text(self) -> str:
        """The table in lines."""
        return self.table.to_string(index=False, float_format="{:.3f}".format, na_rep="-")


@one_writer
def measure_control(settings: ControlSettings) -> Control:
    """Imagine in each scene its recorded plan and another scene's, and read both back.

    Raises:
        ConfigError: the model has no actions, its latent actions are not of its codec, or frames
            and poses are of different rates.
        WeightsError, DataError: weights or frames are not there, or damaged.
    """
    model = ReWorldModel.from_pretrained(settings.checkpoint_path).eval()
    actions = model.latent_actions
    if actions is None:
        message = f"the model of {settings.checkpoint_path} has no actions"
        raise ConfigError(message, "take one with them, such as docs/models/tiny_repwam.yaml")
    actions.require_codec(model.codec)
    require_rate(1 / model.config.clip.fps, model.config.planner.interval)
    model.to(device_of(settings.device))
    learned, judged = _scenes(settings, model)
    reader = supervised(settings.reader_steps, actions, scene_pairs(model, learned), settings.seed)
    imagine = by_dynamics(model, actions)
    if settings.by == "video":
        imagine = by_video(model, _sampling(settings, model))
    plans = torch.from_numpy(judged.trajectory).to(model.device)
    swapped = plans.roll(max(1, len(plans) // 2), dims=0)
    futures = _futures(settings, model, judged, imagine, (plans, swapped))
    read = {name: read_futures(model, actions, reader, one) for name, one in futures.items()}
    sums = [_planned(model, side) for side in (plans, swapped)]
    rows = shares(read, sums[0], sums[1], np.asarray(judged.logs))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    write_csv((settings.output_dir / TABLE).with_suffix(".csv"), table)
    write_parquet(settings.output_dir / TABLE, table, _origin(settings, model, actions))
    pictures = _draw(settings, model, judged, futures)
    return Control(table, pictures)


def _scenes(settings: ControlSettings, model: ReWorldModel) -> tuple[SceneArrays, SceneArrays]:
    """What the reader learns from, and where plans are imagined."""
    window = SceneFilter(frame_interval=1, max_scenes=settings.scenes)
    loaders = (
        resolve_split(settings.data_split).loader(window),
        spread_scenes(settings.validated, settings.judged, window),
    )
    learned, judged = (
        scene_arrays(loader, model.config, True, settings.cache_path) for loader in loaders
    )
    return learned, judged


def _sampling(settings: ControlSettings, model: ReWorldModel) -> Sampling:
    own = model.config.sampling
    return Sampling(
        gamma=settings.gamma,
        steps=settings.steps or own.steps,
        seed=settings.seed,
        chunked=settings.chunked,
    )


@torch.no_grad()
def _futures(
    settings: ControlSettings,
    model: ReWorldModel,
    scenes: SceneArrays,
    imagine: Imagine,
    plans: tuple[Tensor, Tensor],
) -> dict[str, Tensor]:
    """Normalised latents [S, C, F, h, w] of what was recorded, and of both plans.

    Both are imagined from the same noise.
    """
    past, size = model.config.clip.history_frames, settings.batch_size
    found: dict[str, list[Tensor]] = {"own_plan": [], "other_plan": [], "recorded": []}
    for start in range(0, len(scenes.frame_index), size):
        rows = slice(start, start + size)
        images = torch.from_numpy(scenes.frames[scenes.frame_index[rows]]).to(model.device)
        recorded = encode_clip(model.codec, model.config.clip, images[:, :past], images[:, past:])
        history = recorded[:, :, : model.grid.history]
        found["recorded"].append(recorded)
        for name, plan in zip(("own_plan", "other_plan"), plans, strict=True):
            found[name].append(imagine(history, plan[rows], start))
        logger.info("%d scenes are imagined", min(start + size, len(scenes.frame_index)))
    return {name: torch.cat(parts) for name, parts in found.items()}


def _planned(model: ReWorldModel, plans: Tensor) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Distance and yaw [S, 2] of plans over the imagined future."""
    motion = plan_motion(plans, model.config.codec.temporal_ratio, model.grid.future)
    return total(motion.cpu().double().numpy())


def _origin(
    settings: ControlSettings, model: ReWorldModel, actions: LatentActions
) -> dict[str, Any]:
    return {
        "protocol": "control_1",
        "code_version": code_version(),
        "weights_sha256": weights_hash(model),
        "actions_sha256": weights_hash(actions),
        "stages": model.history,
        "train": settings.data_split,
        "split": settings.validated,
        "by": settings.by,
        "steps": settings.steps or model.config.sampling.steps,
        "gamma": settings.gamma,
        "quantities": list(QUANTITIES),
    }


def _draw(
    settings: ControlSettings,
    model: ReWorldModel,
    scenes: SceneArrays,
    futures: dict[str, Tensor],
) -> Path | None:
    """Contact sheets of some scenes: history, what was recorded, and both plans as imagined."""
    if not settings.pictures:
        return None
    clip, folder = model.config.clip, settings.output_dir / "pictures"
    count = min(settings.pictures, len(scenes.frame_index))
    panels = {
        key: decode_latents(model, clip, futures[name][:count], TILE).numpy()
        for key, name in (("ours", "own_plan"), ("other", "other_plan"))
    }
    for number in range(count):
        frames = scenes.frames[scenes.frame_index[number]]
        history, real = frames[: clip.history_frames], frames[clip.history_frames :]
        shown = {"real": real, **{key: one[number] for key, one in panels.items()}}
        picture = contact_sheet(history, shown, clip.fps)
        write_picture(folder / f"{scenes.tokens[number]}.png", picture)
    return folder
