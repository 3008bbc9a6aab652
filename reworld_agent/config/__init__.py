"""Configuration of the model: frozen dataclasses whose constructors find every mistake."""

from reworld_agent.config.actions import ActionsConfig
from reworld_agent.config.cameras import CAMERA_SETS, FRONT
from reworld_agent.config.fields import build_dataclass
from reworld_agent.config.files import (
    CONFIG_NAMES,
    load_model_config,
    shipped_base,
    stage_settings,
)
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
from reworld_agent.config.overrides import field_names, read_model_overrides

__all__ = [
    "CAMERA_SETS",
    "CONFIG_NAMES",
    "ENCODINGS",
    "FRONT",
    "RECIPES",
    "ActionsConfig",
    "ClipConfig",
    "CodecConfig",
    "ModelConfig",
    "PlannerConfig",
    "PromptConfig",
    "SamplingConfig",
    "VideoConfig",
    "build_dataclass",
    "field_names",
    "load_model_config",
    "read_model_overrides",
    "shipped_base",
    "stage_settings",
]
