"""Words of the command line that choose a model and the clips it sees."""

from __future__ import annotations

import math

import torch

from reworld_agent.config import ClipConfig
from reworld_agent.core.arguments import Words
from reworld_agent.core.errors import UsageError
from reworld_agent.generation.generate import resized
from reworld_agent.model import ReWorldModel
from reworld_agent.model.shipped import shipped_folder


def load_model(words: Words) -> ReWorldModel:
    """The model of checkpoint= (the shipped tiny one) on device=; raises WeightsError."""
    folder = words.path("checkpoint") or shipped_folder("tiny")
    default = "cuda" if torch.cuda.is_available() else "cpu"
    name = words.settings.get("device", default)
    if name not in ("cpu", "cuda") or (name == "cuda" and default == "cpu"):
        raise UsageError(f"device={name} is not there", f"say device={default}")
    return ReWorldModel.from_pretrained(folder).to(name).eval()


def number(words: Words, key: str, default: float) -> float:
    """A number from 0 on; raises UsageError."""
    text = words.settings.get(key, str(default))
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise UsageError(f"{key}={text} is no number from 0 on", f"say {key}={default:g}")
    return value


def whole(words: Words, key: str, default: int) -> int:
    """A whole number from 0 on; raises UsageError."""
    value = number(words, key, default)
    if value != int(value):
        raise UsageError(f"{key}={words.settings[key]} is no whole number", f"say {key}={default}")
    return int(value)


def clip_setting(words: Words, model: ReWorldModel, base: ClipConfig) -> ClipConfig:
    """The clip `base` with size=, fps=, history= and future= of the words; raises UsageError."""
    height = width = None
    if "size" in words.settings:
        parts = words.settings["size"].lower().split("x")
        if len(parts) != 2 or not all(part.isdigit() for part in parts):
            raise UsageError(f"size={words.settings['size']} is no size", "say size=704x1280")
        height, width = (int(part) for part in parts)
    return resized(
        model,
        base,
        height=height,
        width=width,
        fps=number(words, "fps", base.fps) if "fps" in words.settings else None,
        history_frames=words.number("history", base.history_frames),
        future_frames=words.number("future", base.future_frames),
    )
