"""Configuration of the model: frozen dataclasses whose constructors find every mistake."""

from reworld_agent.config.cameras import CAMERA_SETS, FRONT
from reworld_agent.config.fields import build_dataclass
from reworld_agent.config.files import CONFIG_NAMES, load_model_config, shipped_base
from reworld_agent.config.model import (
    ENCODINGS,
    RECIPES,
    ClipConfig,
    CodecConfig,
    ModelConfig,
    PlannerConfig,
    PromptConfig,
    SamplingConfig,
    VideoConfig,
)

__all__ = [
    "CAMERA_SETS",
    "CONFIG_NAMES",
    "ENCODINGS",
    "FRONT",
    "RECIPES",
    "ClipConfig",
    "CodecConfig",
    "ModelConfig",
    "PlannerConfig",
    "PromptConfig",
    "SamplingConfig",
    "VideoConfig",
    "build_dataclass",
    "load_model_config",
    "shipped_base",
]
