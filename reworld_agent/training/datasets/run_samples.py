"""What a stage learns from and is validated on: scenes of a split, or clips of an index."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from reworld_agent.clips.index import read_index
from reworld_agent.config import ClipConfig, ModelConfig
from reworld_agent.core.errors import ConfigError
from reworld_agent.model import ReWorldModel
from reworld_agent.negatives.settings import NegativeSettings
from reworld_agent.negatives.targets import NegativeTargets
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.splits import split_loader
from reworld_agent.training.choices import ClipChoice
from reworld_agent.training.datasets.clip_samples import ClipSamples
from reworld_agent.training.datasets.held_out import clips_split, held_out_logs, held_out_scenes
from reworld_agent.training.datasets.latent_samples import latents_command, open_latents
from reworld_agent.training.datasets.loading import Samples
from reworld_agent.training.datasets.prompt_samples import (
    PromptedSamples,
    clip_sentences,
    scene_sentences,
)
from reworld_agent.training.datasets.scene_arrays import (
    Sample,
    SceneArrays,
    SceneDataset,
    scene_arrays,
)
from reworld_agent.training.settings import ValidationSettings
from reworld_agent.training.stages import TrainingStage
from reworld_agent.training.text_source import TextSource
from reworld_agent.training.train_run import TrainRun
from reworld_agent.video.text import PromptBook, T5Encoder

logger = logging.getLogger(__name__)


def run_samples(
    settings: TrainRun, stage: TrainingStage, model: ReWorldModel
) -> tuple[Samples, Samples | None]:
    """What a run learns from, and what it is validated on (None = nothing).

    Args:
        settings: of the run.
        stage: the stage.
        model: prepared for the stage.

    Raises:
        ReWorldError: data, latents or sentences are missing, or do not fit the stage.
    """
    book = _prompt_book(settings.text, model.config)
    if settings.clips.index is None:
        return _of_scenes(settings, stage, model.config.clip, book)
    start = settings.agent.init_from
    return _of_clips(settings.clips, settings.validation, stage, model, book, start)


def _prompt_book(text: TextSource, config: ModelConfig) -> PromptBook | None:
    """The embedded sentences, with the T5 encoder where there is one; None without prompts.

    Raises:
        WeightsError: the encoder cannot be loaded, or its width is not the model's.
    """
    if text.prompts is None:
        return None
    encoder = None if text.t5 is None else T5Encoder(text.t5)
    return PromptBook(text.prompts, encoder, config.video.caption_channels)


# --- clips --------------------------------------------------------------------------------------


class PhasedSamples(Dataset[Sample]):
    """The same clips once for each phase: item `phase * len + number`; `len` counts the clips.

    Args:
        phases: a data set for each phase, all of one length and order.
    """

    def __init__(self, phases: Sequence[Any]) -> None:
        self.phases = phases

    def __len__(self) -> int:
        return len(self.phases[0])

    def __getitem__(self, number: int) -> Sample:
        phase, clip = divmod(number, len(self))
        sample: Sample = self.phases[phase][clip]
        return sample


def _of_clips(
    clips: ClipChoice,
    validation: ValidationSettings,
    stage: TrainingStage,
    model: ReWorldModel,
    book: PromptBook | None,
    start: Path | None,
) -> tuple[Samples, Samples | None]:
    assert clips.index is not None

    def samples(split: str) -> Samples:
        return phased_clips(clips, split, stage, model, book, start)

    # latents and sentences may have been made of the training clips alone
    whole = not clips.latents and book is None
    present = read_index(clips.index).distinct("split")
    split = clips_split(validation, present, clips.index, automatic=whole)
    return samples(clips.split), None if split is None else samples(split)


def phased_clips(
    clips: ClipChoice,
    split: str,
    stage: TrainingStage,
    model: ReWorldModel,
    book: PromptBook | None = None,
    checkpoint: Path | None = None,
) -> PhasedSamples:
    """Samples of one split of an index, cut and sized for every phase of a stage.

    Args:
        clips: the index, its latents.
        split: of the index.
        stage, model: of the run.
        book: embedded sentences, for models conditioned on them; None = they are not.
        checkpoint: has the codec, for errors; None = the one shipped for the model.

    Raises:
        ConfigError: the clips are too short for a phase, or of another rate; there is not one
            folder of latents for each phase.
        DataError: the index cannot be read, or has no clips of the split; files, latents or
            motion are missing. WeightsError: a sentence is not embedded.
    """
    assert clips.index is not None
    sizes = [phase.apply(model.config.world_clip) for phase in stage.phases]
    _check_phases(stage.name, sizes, clips.latents)
    index = read_index(clips.index, clips.root).split(split)
    phases: list[Any] = []
    for number, clip in enumerate(sizes):
        samples: Any
        if clips.latents:
            folder = clips.latents[number]
            config = model.config
            command = latents_command(clips.index, split, folder, clip, config, checkpoint)
            samples = open_latents(folder, model, clip, index, command)
        else:
            samples = ClipSamples(index, clip)
        if book is not None:
            samples = PromptedSamples(samples, clip_sentences(index, clip), book)
        phases.append(samples)
    return PhasedSamples(phases)


def _check_phases(stage: str, clips: Sequence[ClipConfig], latents: Sequence[Path]) -> None:
    """Raise ConfigError for phases of several rates, or with too many or too few latents."""
    if len({clip.fps for clip in clips}) > 1:
        message = f"the phases of stage {stage} differ in their frame rate"
        raise ConfigError(message, "train them as two runs, each on an index of its rate")
    if latents and len(latents) != len(clips):
        sizes = ", ".join(
            f"{c.width} x {c.height} x {c.history_frames + c.future_frames}" for c in clips
        )
        message = (
            f"stage {stage} has {len(clips)} phases ({sizes}), latents= names "
            f"{len(latents)} of them"
        )
        raise ConfigError(message, "name a folder for each phase: 'latents=[DIR,DIR]'")


# --- scenes -------------------------------------------------------------------------------------


def _of_scenes(
    settings: TrainRun, stage: TrainingStage, clip: ClipConfig, book: PromptBook | None
) -> tuple[Samples, Samples | None]:
    validation, trained = settings.validation, settings.train_test_split.data_split
    config = settings.config
    loader = split_loader(settings.train_test_split, config.cameras)

    def arrays_of(scenes: SceneLoader) -> SceneArrays:
        images = stage.needs_future_images
        return scene_arrays(scenes, config, images, settings.cache_path)

    arrays = arrays_of(loader)
    others = held_out_scenes(validation, trained, loader.scene_filter, cameras=config.cameras)
    held_out = None if others is None else arrays_of(others)
    if validation.hold_out:
        names = held_out_logs(arrays.logs, validation.hold_out)
        chosen = np.array([log in names for log in arrays.logs])
        held_out, others = (arrays.where(chosen), loader) if validation.every else (None, None)
        arrays = arrays.where(~chosen)
    negatives = load_negatives(stage, settings.hard_negatives, trained, arrays)
    scenes = SceneDataset(arrays, clip.history_frames, negatives)
    learned = _with_sentences(scenes, loader, clip, book)
    if held_out is None or others is None:
        return learned, None
    watched = SceneDataset(held_out, clip.history_frames)
    return learned, _with_sentences(watched, others, clip, book)


def _with_sentences(
    scenes: SceneDataset, loader: SceneLoader, clip: ClipConfig, book: PromptBook | None
) -> Samples:
    """The scenes; with the sentence of each where the model is conditioned on them."""
    if book is None:
        return scenes
    sentences = scene_sentences(loader, clip)
    return PromptedSamples(scenes, [sentences[token] for token in scenes.arrays.tokens], book)


def load_negatives(
    stage: TrainingStage, settings: NegativeSettings, split: str, arrays: SceneArrays
) -> dict[str, NDArray[np.float32]] | None:
    """The hard negatives of a stage by token; None where it has no use for them.

    A scene without one, or a run without a pool, is no error: L_RDE is 0 there. Both are counted.
    """
    if not stage.needs_negatives:
        return None
    targets = NegativeTargets.open(settings.under(stage.recipe), split)
    experts = zip(arrays.tokens, arrays.trajectory, strict=True)
    nearest = {token: targets.nearest(token, expert) for token, expert in experts}
    logger.log(logging.INFO if targets.found else logging.WARNING, targets.summary())
    return {token: poses for token, poses in nearest.items() if poses is not None}
