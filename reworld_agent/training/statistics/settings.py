"""`StatisticsRun`: what fitting the closed-form parts takes, checked before data is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.config import RECIPES, load_model_config
from reworld_agent.core.configs import ComposedSettings
from reworld_agent.core.errors import UsageError
from reworld_agent.core.sections import section
from reworld_agent.core.settings import setting
from reworld_agent.scenes.split_settings import SplitSettings


@dataclass(frozen=True, kw_only=True)
class StatisticsRun(ComposedSettings):
    """What is fitted before Stage 1, and to which scenes."""

    train_test_split: SplitSettings = section(SplitSettings)
    output_dir: Path = setting(
        "folder of the run; OUTPUT_DIR/weights is written", writes="folder", makes=("weights",)
    )
    experiment_name: str = setting("of the default output_dir", "statistics")
    recipe: str = setting("paper, or release: the authors' own code", "paper", choices=RECIPES)
    model: str = setting("tiny, small, paper, or a file of your own: FILE.yaml", "tiny")
    seed: int = setting("of the scenes that the codec is fitted to", 42, least=0, most=2**32 - 1)
    cache_path: Path | None = setting("decoded frames; null = ~/.cache/reworld/training", None)

    def check(self) -> None:
        """Raise UsageError where the model has a codec that others have trained."""
        codec = load_model_config(self.model, self.recipe).codec
        if codec.released:
            kind = codec.kind
            message = f"model={self.model} has a trained codec ({kind}): there is nothing to fit"
            raise UsageError(
                message, "start stage 1 from its released weights with agent.init_from="
            )
