"""Lightning callbacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback

from reworld_agent.model import ReWorldModel
from reworld_agent.training.prepare import finish_stage
from reworld_agent.training.stages import TrainingStage


class ExportWeights(Callback):
    """Writes the weights folder, `weights` in the trainer's root, when training ends.

    A Lightning checkpoint also holds optimiser state and cannot say which stages it has passed.
    """

    def __init__(self, model: ReWorldModel, stage: TrainingStage) -> None:
        super().__init__()
        self.model, self.stage = model, stage

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Lightning's hook."""
        finish_stage(self.model, self.stage)
        if trainer.is_global_zero:
            notes = [f"Stages passed: {', '.join(self.model.history)}."]
            self.model.save_pretrained(Path(trainer.default_root_dir) / "weights", notes)
