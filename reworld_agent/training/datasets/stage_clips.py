"""What Stage 1 learns from on an index of clips: a data set for each phase of its curriculum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from reworld_agent.clips.index import read_index
from reworld_agent.core.errors import ConfigError
from reworld_agent.model import ReWorldModel
from reworld_agent.training.datasets.clip_phases import ClipSamples
from reworld_agent.training.datasets.latent_clips import latents_command, open_latents
from reworld_agent.training.datasets.prompted import PromptedSamples, clip_sentences
from reworld_agent.training.datasets.scene_arrays import Sample
from reworld_agent.training.stages import TrainingStage
from reworld_agent.video.text import PromptBook


class PhasedSamples(Dataset[Sample]):
    """The same clips once for each phase: item `phase * len + number`; `len` counts the clips.

    Args:
        parts: a data set for each phase, all of one length and order.
    """

    def __init__(self, parts: Sequence[Any]) -> None:
        self.parts = parts

    def __len__(self) -> int:
        return len(self.parts[0])

    def __getitem__(self, number: int) -> Sample:
        phase, clip = divmod(number, len(self))
        sample: Sample = self.parts[phase][clip]
        return sample


@dataclass(frozen=True)
class ClipChoice:
    """The clips of a run.

    Attributes:
        table: of `reworld video index`; split: of it.
        latents: folders of `reworld video latents`, one a phase; none = frames are encoded on the
            way.
        book: embedded sentences, for models that are told them; None = they are not.
        checkpoint: names the codec in errors; None = the shipped one.
        root: folder of the data; None = where they lay when the index was made.
    """

    table: Path
    split: str
    latents: tuple[Path, ...] = ()
    book: PromptBook | None = None
    checkpoint: str | None = None
    root: Path | None = None


def stage_samples(chosen: ClipChoice, stage: TrainingStage, model: ReWorldModel) -> PhasedSamples:
    """Samples of one split of an index, cut and sized for every phase of a stage.

    Raises:
        ConfigError: the clips are too short for a phase, or of another rate; there is not one
            folder of latents for each phase.
        DataError: the index cannot be read, or has no clips of the split; files, latents or
            motion are missing. WeightsError: a sentence is not embedded.
    """
    clips = [phase.apply(model.config.world_clip) for phase in stage.phases]
    if len({clip.fps for clip in clips}) > 1:
        message = f"the phases of stage {stage.name} differ in their frame rate"
        raise ConfigError(message, "train them as two runs, each on an index of its rate")
    folders = chosen.latents
    if folders and len(folders) != len(clips):
        sizes = ", ".join(
            f"{c.width} x {c.height} x {c.history_frames + c.future_frames}" for c in clips
        )
        message = (
            f"stage {stage.name} has {len(clips)} phases ({sizes}), latents= names "
            f"{len(folders)} of them"
        )
        raise ConfigError(message, "name a folder for each phase: 'latents=[DIR,DIR]'")
    index = read_index(chosen.table, chosen.root).split(chosen.split)
    parts: list[Any] = []
    for number, clip in enumerate(clips):
        part: Any
        if folders:
            folder = folders[number]
            command = latents_command(chosen.table, chosen.split, folder, clip, chosen.checkpoint)
            part = open_latents(folder, model, clip, index, command)
        else:
            part = ClipSamples(index, clip)
        if chosen.book is not None:
            part = PromptedSamples(part, clip_sentences(index, clip), chosen.book)
        parts.append(part)
    return PhasedSamples(parts)
