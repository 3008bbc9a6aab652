"""An ancestor's checkpoint as a ReWorld model: every tensor of both sides is accounted for.

What an ancestor lacks starts afresh and is named (see `fresh`). Nothing is copied before all names
and shapes agree, and tensors of the right dtype stay mapped from their files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from reworld_agent.checkpoints.fresh import Fresh
from reworld_agent.checkpoints.keys import ACTION, VIDEO
from reworld_agent.checkpoints.match import (
    Match,
    Origin,
    check_config,
    check_size,
    differences,
    match_keys,
)
from reworld_agent.checkpoints.source import open_source
from reworld_agent.config import ModelConfig
from reworld_agent.core.errors import ConfigError, WeightsError
from reworld_agent.model import ReWorldModel
from reworld_agent.planner.actions import ActionNormaliser
from reworld_agent.video.codecs.ltx import LTX_095

# What a shape cannot tell of a transformer.
TRANSFORMER_FIELDS = ("patch_size", "patch_size_t", "qk_norm", "norm_eps", "activation_fn")
KEYS_HINT = "name the whole checkpoint of that ancestor; recipe= changes mid heads and projectors"
VAE_HINT = "name the diffusers folder of LTX-Video 0.9.5: vae=PATH"


@dataclass(frozen=True)
class Request:
    """What to convert.

    Attributes:
        ancestor: see `settings.ANCESTORS`.
        source: the Video DiT, with or without the planner: a folder or a file.
        act: the checkpoint with the planner where `source` has none.
        vae: diffusers folder with `vae/`, or that folder; None = in `source`.
        trunk: whose Video DiT is taken where both have one: `act`, which the planner was trained
            on, or `source`, the one trained to generate.
    """

    ancestor: str
    source: Path
    act: Path | None = None
    vae: Path | None = None
    trunk: str = "act"


@dataclass
class Converted:
    """The model, lines on where its parts come from, and whether the ancestor had a planner."""

    model: ReWorldModel
    notes: list[str]
    planner: bool


def convert_checkpoint(request: Request, config: ModelConfig, progress: bool = False) -> Converted:
    """Read, compare, fill; nothing is written.

    Raises:
        WeightsError: files that cannot be read, of another size, or whose keys do not agree.
        ConfigError: a config without the LTX VAE or the constants of DriveLaW's actions.
    """
    if config.codec.kind != "ltx_vae" or config.planner.normalisation != "drivelaw":
        message = f"model={config.name} has another codec or action space than the ancestors"
        raise ConfigError(message, "use model=paper")
    parts = (config.video.backbone, config.planner.head)
    if parts != ("ltx", "action_dit"):
        message = f"model={config.name} is of {' and '.join(parts)}, the ancestors of ltx"
        raise ConfigError(message, "use model=paper, or one with video.backbone: ltx")
    with torch.device("meta"):
        model = ReWorldModel(config)
    match, notes = _matched(request, model)
    fresh = Fresh.of(match, model)
    check_parts(match, model, fresh)
    dtype = dtype_of(match)
    for part in (VIDEO, ACTION):
        fill_part(model.parts()[part], match.part(part), dtype, progress)
    notes += fresh.start(model, dtype)
    notes.append(_read_codec(request, model, dtype, progress))
    model.normaliser = ActionNormaliser(config.planner.normalisation, config.planner.horizon)
    if match.left_out:
        notes.append(f"- left out: {len(match.left_out)} tensors, such as {match.left_out[0]}")
    check_filled(model)
    model.codec.requires_grad_(False)
    return Converted(model.eval(), notes, not fresh.planner)


def _matched(request: Request, model: ReWorldModel) -> tuple[Match, list[str]]:
    """The keys of both checkpoints as one; where both have a tensor, `trunk` decides."""
    first = _side(request.source, model)
    head = [f"Converted from {request.ancestor}.", ""]
    if request.act is None:
        return first, [*head, f"- Video DiT: {request.source.name}"]
    second = _side(request.act, model)
    if not second.part(ACTION):
        message = f"{request.act} has no planner: no tensor of it is called action_…"
        raise WeightsError(message, "act= takes the checkpoint of DriveLaW-Act or ReWorld")
    both = (second, first) if request.trunk == "source" else (first, second)
    found = both[0].found | both[1].found
    trunk = request.act if second.part(VIDEO) and request.trunk == "act" else request.source
    notes = [*head, f"- Video DiT: {trunk.name}; planner: {request.act.name}"]
    return Match(found, first.left_out + second.left_out), notes


def _side(path: Path, model: ReWorldModel) -> Match:
    source = open_source(path, "transformer")
    check_config(source, model.video_dit.config, TRANSFORMER_FIELDS)
    match = match_keys(source, model.config)
    check_size(source, match, model.config)
    return match


def check_parts(match: Match, model: ReWorldModel, fresh: Fresh) -> None:
    """Raise WeightsError with every difference between what was found and what is wanted."""
    faults = []
    for part, module in ((VIDEO, model.video_dit), (ACTION, model.action_dit)):
        wanted = {
            name: tuple(tensor.shape)
            for name, tensor in module.state_dict().items()
            if not fresh.covers(part, name)
        }
        faults += differences(part, wanted, match.part(part))
    if faults:
        raise WeightsError("the checkpoint does not fit:\n  " + "\n  ".join(faults), KEYS_HINT)


def dtype_of(match: Match) -> torch.dtype:
    """Of the Video DiT there; the other parts follow it."""
    source, name = match.part(VIDEO)["proj_in.weight"]
    return source.tensor(name).dtype


def fill_part(
    module: nn.Module, found: dict[str, Origin], dtype: torch.dtype, progress: bool
) -> None:
    """Put what was found into a module on the meta device; what was not stays there."""
    bar = tqdm(
        found.items(), desc=type(module).__name__, unit="tensor", disable=not (progress and found)
    )
    state = {name: source.tensor(theirs).to(dtype) for name, (source, theirs) in bar}
    module.load_state_dict(state, strict=False, assign=True)


def _read_codec(request: Request, model: ReWorldModel, dtype: torch.dtype, progress: bool) -> str:
    """Fill the VAE; the line of the card on it."""
    path = request.vae or request.source
    if request.vae is None and not (path / "vae").is_dir():
        source = open_source(path, "vae")
        if not path.is_file() or "latents_mean" not in source.shapes:
            raise WeightsError(f"{path} has no vae/, and ReWorld needs one", VAE_HINT)
    source = open_source(path, "vae")
    check_config(source, LTX_095, tuple(LTX_095))
    found = {name: (source, name) for name in source}
    wanted = {name: tuple(tensor.shape) for name, tensor in model.codec.state_dict().items()}
    faults = differences("vae", wanted, found)
    if faults:
        raise WeightsError(f"{source.path} does not fit:\n  " + "\n  ".join(faults), VAE_HINT)
    fill_part(model.parts()[model.codec.folder], found, dtype, progress)
    return f"- VAE: {path.name}"


def check_filled(model: ReWorldModel) -> None:
    """Raise WeightsError where a tensor is still without memory."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    left = [name for name, tensor in tensors if tensor.is_meta]
    if left:
        raise WeightsError(f"tensors left unset: {', '.join(left[:5])}", KEYS_HINT)
