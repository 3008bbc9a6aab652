"""LoRA by peft: low-rank adapters in the trained parts, merged when a weights folder is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn

from reworld_agent.core.errors import ConfigError
from reworld_agent.core.extras import require_installed
from reworld_agent.model import ReWorldModel
from reworld_agent.training.fit_settings import LoraSettings
from reworld_agent.training.stages import TrainingStage

BASE, DOWN, UP = ".base_layer.", ".lora_A.default.weight", ".lora_B.default.weight"
ADAPTER = "adapter_model.safetensors"  # as peft names it


def add_adapters(model: ReWorldModel, stage: TrainingStage, lora: LoraSettings) -> None:
    """Put adapters, where they have a rank, into what the stage trains; they alone learn then.

    Raises:
        ReWorldError: peft is not installed.
        ConfigError: no trained part has a linear layer of a target's name.
    """
    if lora.rank is None:
        return
    require_installed("peft")
    # it brings accelerate: an extra of its own
    from peft import LoraConfig, inject_adapter_in_model  # noqa: PLC0415

    parts = {name: getattr(model, name) for name in stage.trainable}
    found = {name: targets_of(part, lora.targets) for name, part in parts.items()}
    for target in lora.targets:
        if not any(target in names for names in found.values()):
            endings = sorted({_ending(n) for part in parts.values() for n in _linear(part)})
            raise ConfigError(
                f"lora.targets: no linear layer of {' or '.join(parts)} is named {target}",
                f"its layers end in: {', '.join(endings)}",
            )
    for name, part in parts.items():
        if not found[name]:
            continue
        config = LoraConfig(
            r=lora.rank,
            lora_alpha=lora.alpha or lora.rank,
            target_modules=list(found[name]),
            lora_dropout=0.0,
        )
        inject_adapter_in_model(config, part)
    for name, part in parts.items():
        for key, parameter in part.named_parameters():
            parameter.requires_grad_(".lora_" in key and bool(found[name]))


def _ending(name: str) -> str:
    """The last word of a layer's name, with the one before where it is a number: `to_out.0`."""
    words = name.split(".")
    return ".".join(words[-2:]) if words[-1].isdecimal() else words[-1]


def _linear(part: nn.Module) -> list[str]:
    return [name for name, layer in part.named_modules() if isinstance(layer, nn.Linear)]


def targets_of(part: nn.Module, targets: tuple[str, ...]) -> tuple[str, ...]:
    """The targets that a part has linear layers for."""
    names = _linear(part)
    return tuple(t for t in targets if any(n == t or n.endswith(f".{t}") for n in names))


def scale_of(model: nn.Module) -> float | None:
    """What the products of a model's adapters are multiplied by; None = it has none."""
    layers: list[Any] = [layer for layer in model.modules() if hasattr(layer, "lora_A")]
    return float(layers[0].scaling["default"]) if layers else None


def merged(state: Mapping[str, Tensor], scale: float) -> dict[str, Tensor]:
    """The weights W + scale B A of a state with adapters, under the names without them."""
    whole = {}
    for name, value in state.items():
        if ".lora_" in name:
            continue
        stem = name.removesuffix(f"{BASE}weight")
        down = state.get(stem + DOWN)
        if stem != name and down is not None:
            up = state[stem + UP]
            value = (value.float() + scale * up.float() @ down.float()).to(value.dtype)
        whole[name.replace(BASE, ".")] = value
    return whole


def save_adapters(state: Mapping[str, Tensor], scale: float, folder: Path) -> None:
    """Write the adapters of each part as peft and diffusers read them: `<folder>/<part>/`."""
    # see add_adapters
    from peft import LoraConfig  # noqa: PLC0415

    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in state.items():
        if ".lora_" in name:
            part, _, rest = name.partition(".")
            key = rest.replace(".default.", ".")
            parts.setdefault(part, {})[key] = value.detach().float().cpu().contiguous()
    for part, tensors in parts.items():
        place = folder / part
        place.mkdir(parents=True, exist_ok=True)
        save_file(tensors, place / ADAPTER)
        (place / ADAPTER).chmod(0o644)
        rank = next(len(value) for key, value in tensors.items() if ".lora_A." in key)
        targets = sorted({_ending(key.split(".lora_")[0]) for key in tensors})
        config = LoraConfig(r=rank, lora_alpha=round(scale * rank), target_modules=targets)
        config.save_pretrained(str(place))
