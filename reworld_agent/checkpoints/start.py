"""What a training stage starts from where it is no weights folder of ours: with an account of it.

Files of our own names (Lightning's, `state_dict`s) may lack what can start afresh, and may hold
more than a model: that is left. Checkpoints of the ancestors are converted on the way.
"""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import torch
from torch import Tensor

from reworld_agent.checkpoints.convert import (
    Request,
    check_filled,
    check_parts,
    convert_checkpoint,
    dtype_of,
    fill_part,
)
from reworld_agent.checkpoints.folder import PASSED
from reworld_agent.checkpoints.fresh import Fresh
from reworld_agent.checkpoints.keys import ACTION, VIDEO, OurKey
from reworld_agent.checkpoints.match import Match
from reworld_agent.checkpoints.source import Source, open_source
from reworld_agent.config import ModelConfig
from reworld_agent.core.errors import ConfigError, WeightsError
from reworld_agent.core.text import shown
from reworld_agent.model import ReWorldModel
from reworld_agent.model.foreign import Foreign, backbone_of, foreign_by_names, other_model
from reworld_agent.model.tensor_files import read_state, without_wrappers
from reworld_agent.model.weights_folder import (
    PROMPTS,
    key_difference,
    require_parts,
)
from reworld_agent.planner.actions import ActionNormaliser

logger = logging.getLogger(__name__)


def is_start(path: Path) -> bool:
    """Whether a path is for `load_start`: a file, or a folder of diffusers."""
    marks = ("model_index.json", "transformer")
    return path.is_file() or any((path / name).exists() for name in marks)


def load_start(path: Path, config: ModelConfig) -> ReWorldModel:
    """The model that a stage starts from; what was loaded, and what was not, is logged.

    Its history is empty where the checkpoint does not say what it has passed.

    Raises:
        WeightsError: it cannot be read, is of another model, or does not fit; says how.
    """
    if path.is_file():
        found = read_state(path)
        with torch.device("meta"):
            model = ReWorldModel(config)
        state = without_wrappers(found, model.state_dict())
        require_parts(path, backbone_of(state), config)
        if model.state_dict().keys() & state.keys():
            return _of_ours(path, model, state, len(found))
        foreign = foreign_by_names(found)
        if foreign is None or not foreign.ancestor:
            foreign = other_model(found)
            raise WeightsError(f"{shown(path)} is {foreign.what}, not of ours", foreign.fix)
    else:
        foreign = foreign_by_names(open_source(path, "transformer"))
    return _of_ancestor(path, foreign, config)


def _of_ancestor(path: Path, foreign: Foreign | None, config: ModelConfig) -> ReWorldModel:
    if foreign is None or not foreign.ancestor:
        raise WeightsError(f"{shown(path)} holds nothing of ours", "name a weights folder")
    try:
        converted = convert_checkpoint(Request(foreign.ancestor, path), config)
    except (WeightsError, ConfigError) as error:
        message = f"{shown(path)} is {foreign.what}: {error.message}"
        raise WeightsError(message, foreign.fix.replace("PATH", "PATH vae=DIR")) from error
    model = converted.model
    model.history = list(PASSED[foreign.ancestor][converted.planner])
    lines = [f"{shown(path)} is {foreign.what}", f"  {_counted(model.state_dict())}"]
    logger.warning("\n".join([*lines, *(f"  {note}" for note in converted.notes[2:])]))
    return model


def _of_ours(path: Path, model: ReWorldModel, state: dict[str, Tensor], there: int) -> ReWorldModel:
    """Fill what is there; parts that can start afresh do so, all else that is missing is told."""
    wanted = model.state_dict()
    for name in PROMPTS.values():
        setattr(model, name, state.pop(name, None))
    taken = {name: tensor for name, tensor in state.items() if name in wanted}
    source = Source(path, {name: tuple(t.shape) for name, t in taken.items()}, _loaded=taken)
    parts = (VIDEO, ACTION)
    keys = {name: OurKey(*name.split(".", 1)) for name in taken if name.startswith(parts)}
    match = Match({key: (source, name) for name, key in keys.items()})
    fresh = Fresh.of(match, model)
    rest = {name: tensor for name, tensor in taken.items() if name not in keys}
    ours = {name: tensor for name, tensor in wanted.items() if not name.startswith(parts)}
    faults = key_difference(ours, rest)
    try:
        check_parts(match, model, fresh)
        if faults:
            raise WeightsError("\n  ".join(faults), "")
    except WeightsError as error:
        hint = f"use the agent.model= that it was trained with, not agent.model={model.config.name}"
        message = f"{shown(path)} does not fit:\n  {error.message}"
        raise WeightsError(message, hint) from error
    for part in parts:
        fill_part(model.parts()[part], match.part(part), dtype_of(match), False)
    notes = fresh.start(model, dtype_of(match))
    config = model.config.planner
    model.normaliser = ActionNormaliser(config.normalisation, config.horizon)
    model.load_state_dict(rest, strict=False, assign=True)
    check_filled(model)
    left = there - len(taken)
    lines = [
        f"{shown(path)}: {_counted(taken)}",
        *(f"missing, started afresh: {n[2:]}" for n in notes),
    ]
    if left:
        lines.append(f"left: {left} tensors that the model has no use for")
    logger.warning("\n  ".join(lines))
    model.codec.requires_grad_(False)
    return model.eval()


def _counted(names: dict[str, Tensor]) -> str:
    counts = Counter(name.partition(".")[0] for name in names)
    return "loaded: " + ", ".join(f"{part} {count}" for part, count in counts.items())
