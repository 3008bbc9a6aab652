"""What is chosen for a training stage: its start, its clips, its method."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reworld_agent.config import field_names, read_model_overrides
from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import Settings, as_text, did_you_mean, setting
from reworld_agent.objectives.baselines import OBJECTIVES, REPRESENTATIONS
from reworld_agent.training.policy_settings import POST_TRAINING, methods, read_method
from reworld_agent.training.stages import TrainingStage

PAPER, TABLE2 = "paper", "table2"
OWN = "reworld"  # the representation that protocol=paper trains
_OVERRIDES, MODEL_OVERRIDES = "agent.overrides", "agent.model_overrides"
_CLIPS = "stage 1 on clips instead of scenes"
_TABLE2 = "stage 1 under the paper's Table 2"
_POST = f"stage {POST_TRAINING}: post-training by the score"


def read_overrides(value: Any) -> Mapping[str, Any]:
    """`agent.overrides` as a mapping; UsageError where it is none."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        message = f"{_OVERRIDES}={as_text(value)} must be a table of settings"
        raise UsageError(message, "write agent.overrides.learning_rate=1e-4")
    for key in value:
        if key not in (known := _stage_settings()):
            hint = did_you_mean(
                str(key), known, f"known: {', '.join(known)}", f"{_OVERRIDES}.{{}}="
            )
            raise UsageError(f"{_OVERRIDES}.{key}= is unknown", hint)
    return dict(value)


def _read_representation(value: Any) -> str:
    """A name of the registry of objectives, or the path of one; nothing is imported."""
    OBJECTIVES.require(str(value), "representation")
    return str(value)


def _stage_settings() -> list[str]:
    return [field.name for field in dataclasses.fields(TrainingStage)]


def read_model(value: Any) -> Mapping[str, Any]:
    """`agent.model_overrides` as a mapping; UsageError where it names no field of a model."""
    return read_model_overrides(value, MODEL_OVERRIDES)


@dataclass(frozen=True, kw_only=True)
class StageChoice(Settings, prefix="agent"):
    """Where a stage starts, and what of it is changed."""

    init_from: Path | None = setting(
        "weights of the stage before: a folder or .ckpt; null = the shipped ones", None, reads=True
    )
    overrides: Mapping[str, Any] = setting(
        "settings of the stage to change", None, read=read_overrides, keys=_stage_settings
    )
    model_overrides: Mapping[str, Any] = setting(
        "fields of the model to change", None, read=read_model, keys=field_names
    )


@dataclass(frozen=True, kw_only=True)
class ClipChoice(Settings):
    """Clips that Stage 1 learns from; without an index it learns from scenes.

    Attributes:
        latents: folders of `reworld video latents`, one a phase; none = frames are encoded on the
            way.
        prompts: folder of embedded sentences, see `text_source`.
    """

    index: Path | None = setting(
        "clips of `reworld video index`", None, key="clips", exists="file", group=_CLIPS
    )
    split: str = setting("of that index", "train", key="clips_split", group=_CLIPS)
    root: Path | None = setting(
        "where its data have moved; null = where they lay when it was made",
        *(None,),
        key="clips_root",
        exists="folder",
        group=_CLIPS,
    )
    latents: tuple[Path, ...] = setting(
        "folder of `reworld video latents`; one a phase: [DIR,DIR]", (), group=_CLIPS
    )
    prompts: Path | None = setting(
        "folder of embedded sentences; null = the cache that t5= fills", None, group=_CLIPS
    )
    t5: Path | None = setting(
        "T5 for sentences not embedded yet: text_encoder/, tokenizer/; null = $REWORLD_T5",
        *(None,),
        exists="folder",
        group=_CLIPS,
    )


@dataclass(frozen=True, kw_only=True)
class PolicyChoice(Settings):
    """How Stage 4 learns from the score; `agent.overrides.policy.NAME=` changes its settings."""

    name: str | None = setting(
        f"{' | '.join(methods())}; null = {methods()[0]}",
        None,
        key="method",
        read=read_method,
        group=_POST,
    )


@dataclass(frozen=True, kw_only=True)
class RepresentationChoice(Settings):
    """The protocol, and the method that is trained under Table 2's."""

    protocol: Literal["paper", "table2"] = setting(
        "table2: from scratch, 224 x 224 x 25, 2 clean latents, no text", PAPER, group=_TABLE2
    )
    representation: str = setting(
        f"method of protocol=table2: {', '.join(REPRESENTATIONS)}, or package.module:name",
        OWN,
        read=_read_representation,
        group=_TABLE2,
    )
    encoder: Path | None = setting(
        "folder of the frozen encoder of repa_* and redi", None, group=_TABLE2
    )
    random_encoder: bool = setting(
        "train without its weights: the cost is real, the features are not", False, group=_TABLE2
    )
    vae: Path | None = setting(
        "the vae folder of LTX-Video 0.9.5, for model=paper", None, group=_TABLE2
    )

    @property
    def given(self) -> list[str]:
        """Names of what only Table 2's protocol takes, and is given."""
        return [name for name in ("encoder", "random_encoder", "vae") if getattr(self, name)]
