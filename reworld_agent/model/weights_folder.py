"""Weights on disk: a folder for each part, safetensors, strict loading with a readable difference.

config.json  training.json  README.md  [gate.json]  normalisation.safetensors  [prompt.safetensors]
codec/ (or vae/)  video_dit/  action_dit/     config.json + diffusion_pytorch_model.safetensors,
                                              or its shards and their index, as diffusers has them
scheduler/scheduler_config.json
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.models.modeling_utils import ModelMixin
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from reworld_agent.config import CONFIG_NAMES, ModelConfig
from reworld_agent.core.errors import ConfigError, DataError, WeightsError
from reworld_agent.core.extending.plugins import VARIABLE
from reworld_agent.core.extending.registry import is_path, is_trusted
from reworld_agent.core.records import read_record, write_record
from reworld_agent.core.records.checksums import CHECKSUMS, verify_checksums, write_checksums
from reworld_agent.core.text import config_difference, is_file_name, shown
from reworld_agent.model.foreign import ONE_FILE, foreign_by_folder, foreign_by_names
from reworld_agent.model.gate_record import read_verdict
from reworld_agent.model.tensor_files import read_state
from reworld_agent.video.backbones import BACKBONES, build_backbone
from reworld_agent.video.codecs import CODECS, build_codec

logger = logging.getLogger(__name__)

PART_FILE = "diffusion_pytorch_model.safetensors"
TRAIN_HINT = "train them: reworld train stage=1, then planner, 2 and 3"
COPY_HINT = "copy the folder again, whole"
PROMPT_FILE = "prompt.safetensors"  # the planner's own sentence, embedded
# Attributes of a model, by the name that they have in that file.
PROMPTS = {"tokens": "planning_prompt", "training": "training_prompts"}
SHARD = "2GB"  # a part is written in pieces of this size, so that saving costs that much memory
_WIDENED = "the other cameras are new to these weights: train them from stage=1 on"
SHOWN = 5  # names in a message


@dataclass(frozen=True)
class Training:
    """`training.json`: the stages that weights have passed; none where it is not known."""

    stages: tuple[str, ...] = ()


@dataclass(frozen=True)
class _ShardIndex:
    """`….safetensors.index.json`, as diffusers and transformers write it."""

    weight_map: dict[str, str]
    metadata: Any = None


class Saved(Protocol):
    """What is saved of a model, and filled when it is loaded; see `ReWorldModel`."""

    config: ModelConfig
    planning_prompt: Tensor | None
    training_prompts: Tensor | None
    history: list[str]
    gate: str

    @property
    def normaliser(self) -> nn.Module:
        """Of the actions."""

    def parts(self) -> dict[str, nn.Module]:
        """The parts by the name of their folder; the codec among them."""

    def eval(self) -> object:
        """To evaluation mode."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Of all parts."""

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """Of all parts."""


Model = TypeVar("Model", bound=Saved)
Built = TypeVar("Built")


def save(model: Saved, folder: Path, notes: Sequence[str]) -> None:
    """Write all parts; files are readable by everybody (safetensors alone makes them private)."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, part in model.parts().items():
            _save_part(part, folder / name)
        FlowMatchEulerDiscreteScheduler().save_pretrained(str(folder / "scheduler"))
        state = {key: value.contiguous() for key, value in model.normaliser.state_dict().items()}
        save_file(state, folder / "normalisation.safetensors")
        prompts = {key: getattr(model, name) for key, name in PROMPTS.items()}
        present = {key: value.contiguous() for key, value in prompts.items() if value is not None}
        if present:
            save_file(present, folder / PROMPT_FILE)
        config = json.dumps(model.config.to_dict(), indent=2)
        (folder / "config.json").write_text(config + "\n", encoding="utf-8")
        write_record(folder / "training.json", Training(tuple(model.history)))
        (folder / "README.md").write_text(_card(model, notes), encoding="utf-8")
        write_checksums(folder)
        for file in folder.rglob("*"):
            file.chmod(0o755 if file.is_dir() else 0o644)
    except (OSError, DataError) as error:
        raise WeightsError(
            f"the weights could not be written to {folder}: {error}",
            "free disk space, or name a folder that can be written",
        ) from error


def _save_part(part: nn.Module, folder: Path) -> None:
    """As diffusers does where the part is one of its models, else its tensors alone."""
    if isinstance(part, ModelMixin):
        part.save_pretrained(folder, max_shard_size=SHARD)
        return
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.contiguous() for key, value in part.state_dict().items()}
    save_file(state, folder / PART_FILE)


def _card(model: Saved, notes: Sequence[str]) -> str:
    counts = [
        f"| {name} | {sum(p.numel() for p in part.parameters()):,} |"
        for name, part in model.parts().items()
    ]
    head = [
        f"# ReWorld, configuration `{model.config.name}`",
        "",
        "| part | parameters |",
        "|---|---|",
    ]
    return "\n".join([*head, *counts, "", *notes, ""])


def read_config(folder: Path) -> ModelConfig:
    """The configuration of a saved folder."""
    file = folder / "config.json"
    if folder.is_file():
        found = foreign_by_names(read_state(folder)) or ONE_FILE
        raise WeightsError(f"{shown(folder)} is {found.what}, no weights folder", found.fix)
    foreign = foreign_by_folder(folder) if folder.is_dir() else None
    if foreign is not None:
        raise WeightsError(
            f"{shown(folder)} is {foreign.what}, no weights folder of ours", foreign.fix
        )
    if not file.is_file():
        raise WeightsError(f"no weights at {folder}: {file.name} is missing", TRAIN_HINT)
    try:
        return ModelConfig.from_dict(read_record(file, dict[str, Any], TRAIN_HINT, WeightsError))
    except ConfigError as error:
        message = f"{file} is damaged, or of another version: {error.message}; {error.hint}"
        raise WeightsError(message, TRAIN_HINT) from error


def trusted_config(folder: Path) -> ModelConfig:
    """The configuration of a saved folder, for whoever builds something from it.

    Raises:
        WeightsError: as `read_config`; or it names code from outside the package
            (`package.module:name`) that the user does not trust: weights choose none by themselves.
    """
    config = read_config(folder)
    _check_code(folder, config, None)
    return config


def load(build: Callable[[ModelConfig], Model], folder: Path, config: ModelConfig | None) -> Model:
    """Build the model of the folder's config without memory, then fill it from the files.

    What is asked for holds wherever it changes no tensor: how plans and futures are sampled is
    free; what the weights have seen in training (sizes and rate of clips, ...) is told. Weights of
    one camera fill a model of several that begins with it: the embedding of its views is zero.

    Args:
        build: makes the model of a configuration.
        folder: of the weights.
        config: what is asked for; None = what the folder says.

    Raises:
        WeightsError: the folder is damaged, its parts are built otherwise than those of `config`,
            or its configuration names code from outside the package (`package.module:name`) that
            neither `config` names nor the user trusts (`core.extending.registry.is_trusted`).
    """
    found, training = read_config(folder), read_training(folder)
    verify(folder)
    _check_code(folder, found, config)
    fresh = ""
    if config is not None and found.cameras == config.cameras[:1] != config.cameras:
        found, fresh = dataclasses.replace(found, cameras=config.cameras), "view_embed."
        logger.warning("%s has seen %s alone; %s", folder, found.cameras[0], _WIDENED)
    if config is not None:
        require_parts(folder, found.implementations, config, _model_of(folder, found))
        _check_built_alike(folder, found, config)
    model = _on_meta(build, config or found, folder)
    for name, part in model.parts().items():
        load_part(part, folder / name / PART_FILE, fresh)
    load_part(model.normaliser, folder / "normalisation.safetensors")
    if (folder / PROMPT_FILE).is_file():
        prompts = read_tensors(folder / PROMPT_FILE)
        for key, attribute in PROMPTS.items():
            setattr(model, attribute, prompts.get(key))
    left = [name for name, tensor in _tensors(model) if tensor.is_meta]
    if left:
        raise WeightsError(f"{folder} leaves tensors unset: {', '.join(left[:SHOWN])}", TRAIN_HINT)
    model.history, model.gate = list(training.stages), read_verdict(folder)
    model.eval()
    return model


def verify(folder: Path) -> None:
    """See that the files of a folder are those that were saved.

    Raises:
        WeightsError: names the one that is not; where hashes were noted, which earlier versions
            did not.
    """
    fix = (
        f"{COPY_HINT}; or, where you changed it yourself, delete {CHECKSUMS}: it is not asked then"
    )
    if not verify_checksums(folder, fix):
        _tell_unverified(folder)


@lru_cache(maxsize=32)
def _tell_unverified(folder: Path) -> None:
    message = "%s has no %s: it was saved by an earlier version, and damage to it cannot be found"
    logger.warning(message, folder, CHECKSUMS)


def _on_meta(build: Callable[[ModelConfig], Built], config: ModelConfig, folder: Path) -> Built:
    """A model, or a part, without memory; WeightsError where its configuration gives none."""
    try:
        with torch.device("meta"):
            return build(config)
    except (RuntimeError, ValueError, TypeError, ArithmeticError, MemoryError) as error:
        message = f"{folder}/config.json gives no model: {str(error).splitlines()[0]}"
        raise WeightsError(message, COPY_HINT) from error


def _check_code(folder: Path, found: ModelConfig, config: ModelConfig | None) -> None:
    asked = {} if config is None else config.implementations
    for setting, name in found.implementations.items():
        if is_path(name) and asked.get(setting) != name and not is_trusted(name):
            trust = f"export {VARIABLE}={name.partition(':')[0]}"
            raise WeightsError(
                f"the weights at {folder} name code from outside the package: {setting}={name}",
                f"where you trust it: {trust}, or name the model: agent.model=FILE.yaml",
            )


THEIR_MODEL = "the agent.model= that they were trained with"


def _model_of(folder: Path, found: ModelConfig) -> str:
    """The setting that asks for the configuration of weights."""
    if found.name in CONFIG_NAMES:
        return f"agent.model={found.name}"
    file = shown(folder / "config.json")
    return f"{THEIR_MODEL} (score and mine also take agent.model={file})"


def require_parts(
    where: Path, found: Mapping[str, str], config: ModelConfig, theirs: str = THEIR_MODEL
) -> None:
    """Raise WeightsError where weights are of another codec, backbone or head than a model.

    Args:
        where: the weights.
        found: the names of their implementations, by setting; of those that are known.
        config: of the model.
        theirs: the setting that asks for the model of the weights.
    """
    for setting, name in config.implementations.items():
        if found.get(setting, name) != name:
            raise WeightsError(
                f"the weights at {shown(where)} are of {setting}={found[setting]}, and the model "
                f"has {name}",
                f"use {theirs}, or train this one: {TRAIN_HINT}",
            )


# Fields that say how a part is used, not how it is built: no tensor changes with them. Of those
# in SEEN the weights have learned with one value.
FREE = (
    *("name", "sampling", "world_clip", "video.text"),
    *("planner.steps", "planner.sigmas", "planner.seed", "planner.noise_scale"),
    "planner.read_blocks",
)
SEEN = (
    *("recipe", "clip", "prompt", "codec.tiled", "codec.posterior", "video.round_times"),
    *("planner.round_times", "planner.interval"),
    *("actions.tokens", "video.action_tokens"),
)


def _check_built_alike(folder: Path, found: ModelConfig, config: ModelConfig) -> None:
    """WeightsError where parts are built otherwise; what they have seen otherwise is logged."""
    other = _difference(config, found, (*FREE, *SEEN, *_options_alike(folder, found, config)))
    if other and config.recipe != found.recipe:
        raise WeightsError(
            f"the weights at {folder} were made with recipe={found.recipe}, "
            f"and recipe={config.recipe} is asked for",
            f"use recipe={found.recipe}, or weights of recipe={config.recipe}",
        )
    if other:
        raise WeightsError(
            f"the weights at {folder} belong to another configuration: " + "; ".join(other),
            f"use {_model_of(folder, found)}, or weights of agent.model={config.name}",
        )
    for line in _difference(config, found, FREE):
        logger.warning("%s: %s, which is used", folder, line)


# What builds the parts that have options of their own, by the owner of these.
_PARTS: dict[str, Callable[[ModelConfig], object]] = {
    "codec": lambda config: build_codec(config.codec),
    "video": lambda config: build_backbone(config.video, config.codec.latent_channels),
}


def _options_alike(folder: Path, found: ModelConfig, config: ModelConfig) -> list[str]:
    """Options that differ in words alone, such as one that is left out and one at its default.

    What an option is where it is left out, its implementation says: what the built parts note of
    themselves (diffusers' `ConfigMixin`) is compared. One from outside need not note all of them.
    """
    ours = {
        "codec": CODECS.is_builtin(config.codec.kind),
        "video": BACKBONES.is_builtin(config.video.backbone),
    }
    alike = []
    for owner, build in _PARTS.items():
        if not ours[owner] or getattr(config, owner).options == getattr(found, owner).options:
            continue
        one, other = (_noted(_on_meta(build, side, folder)) for side in (config, found))
        if one is not None and one == other:
            alike.append(f"{owner}.options")
    return alike


def _noted(part: object) -> dict[str, Any] | None:
    """The sizes that a part was built with; None where it notes none."""
    if not isinstance(part, ConfigMixin):
        return None
    return {key: value for key, value in part.config.items() if not key.startswith("_")}


def _difference(config: ModelConfig, found: ModelConfig, leaving: Sequence[str]) -> list[str]:
    one, other = (_without(side.to_dict(), leaving) for side in (config, found))
    return config_difference(one, other)


def _without(table: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """A nested table without some of its fields, given by dotted names."""
    kept = {key: value for key, value in table.items() if key not in names}
    return {
        key: _without(value, [n.removeprefix(f"{key}.") for n in names if n.startswith(f"{key}.")])
        if isinstance(value, dict)
        else value
        for key, value in kept.items()
    }


def read_training(folder: Path) -> Training:
    """How saved weights were trained; WeightsError where that is damaged."""
    file = folder / "training.json"
    if not file.is_file():
        return Training()
    return read_record(file, Training, COPY_HINT, WeightsError)


def _tensors(model: Saved) -> list[tuple[str, Tensor]]:
    return [*model.named_parameters(), *model.named_buffers()]


def load_part(part: nn.Module, file: Path, fresh: str = "") -> None:
    """Fill one part from one file, or from its shards; every key that disagrees is named.

    Half precision is how a file is kept small: nothing computes in it, so it becomes float32.
    Tensors whose name begins with `fresh`, where that is given, are zero: no file need have them.
    """
    wanted = part.state_dict() if fresh else {}
    state = {
        name: torch.zeros_like(tensor, device="cpu")
        for name, tensor in wanted.items()
        if name.startswith(fresh)
    }
    for shard in shards(file):
        tensors = read_tensors(shard)
        state |= {k: v.float() if v.dtype == torch.float16 else v for k, v in tensors.items()}
    faults = key_difference(part.state_dict(), state)
    if faults:
        raise WeightsError(
            f"{file} does not fit this configuration:\n  " + "\n  ".join(faults), TRAIN_HINT
        )
    part.load_state_dict(state, strict=True, assign=True)


def shards(file: Path) -> list[Path]:
    """The file itself or, where diffusers split it, the files that its index names."""
    index = file.with_name(file.name + ".index.json")
    if file.is_file() or not index.is_file():
        return [file]
    try:
        names = set(read_record(index, _ShardIndex, COPY_HINT, WeightsError).weight_map.values())
        if not names or not all(map(is_file_name, names)):
            raise WeightsError(f"{index} is damaged: weight_map must name files", COPY_HINT)
    except WeightsError as error:
        raise WeightsError(
            f"{index} is not an index of weights: {error.message}", COPY_HINT
        ) from error
    return [index.with_name(name) for name in sorted(names)]


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of one safetensors file, mapped from disk rather than copied."""
    if not file.is_file():
        raise WeightsError(f"weights file {file} is missing", TRAIN_HINT)
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{file} is not a readable safetensors file: {error}", TRAIN_HINT
        ) from error


def key_difference(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """One line for each kind of disagreement between two state dictionaries."""
    shapes = [{key: tuple(value.shape) for key, value in side.items()} for side in (wanted, found)]
    return key_lines(shapes[0], shapes[1])


def key_lines(
    wanted: Mapping[str, tuple[int, ...]],
    found: Mapping[str, tuple[int, ...]],
    spelled: Mapping[str, str] | None = None,
) -> list[str]:
    """One line for each kind of disagreement between the shapes of two sets of tensors.

    `spelled` has a fuller name of some that were found.
    """
    names = spelled or {}
    kinds = {
        "missing": [key for key in wanted if key not in found],
        "unexpected": [names.get(key, key) for key in found if key not in wanted],
        "mis-shaped": [
            f"{names.get(key, key)} {found[key]} instead of {shape}"
            for key, shape in wanted.items()
            if key in found and found[key] != shape
        ],
    }
    return [f"{kind} ({len(keys)}): {_some(keys)}" for kind, keys in kinds.items() if keys]


def _some(keys: Sequence[str]) -> str:
    rest = len(keys) - SHOWN
    return ", ".join(keys[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")
