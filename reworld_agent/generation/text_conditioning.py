"""What a model is conditioned on beside a clip's frames: ego state, command and a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reworld_agent.config import ClipConfig
from reworld_agent.core.errors import DataError
from reworld_agent.generation.samples import Conditioning, Sample
from reworld_agent.model import ReWorldModel
from reworld_agent.video.prompts import NEGATIVE_PROMPT, world_prompt
from reworld_agent.video.text import PromptBook, T5Encoder


class TextConditioning:
    """Features of samples, as far as the model asks for them.

    Args:
        model: whose configuration says what it is conditioned on.
        clip: rate and lengths, which the sentences name.
        folder: keeps embedded sentences.
        t5: folder of the T5 encoder; None where all sentences are in `folder`.
    """

    def __init__(
        self, model: ReWorldModel, clip: ClipConfig, folder: Path, t5: Path | None = None
    ) -> None:
        self.model, self.clip = model, clip
        self.speaks = model.config.video.text == "prompt"
        encoder = T5Encoder(t5) if self.speaks and t5 is not None else None
        self.book = PromptBook(folder, encoder)

    def features(self, samples: Sequence[Sample]) -> dict[str, Tensor]:
        """`ego`, `prompt` and `prompt_mask` where the model is conditioned on them.

        Raises:
            DataError: a sample's motion is not known. WeightsError: a sentence is not embedded.
        """
        features: dict[str, Tensor] = {}
        if self.model.config.video.context_tokens:
            states = [_known(sample.name, sample.conditioning).ego for sample in samples]
            features["ego"] = torch.from_numpy(np.stack(states))
        if self.speaks:
            features |= self.book.embeddings([self.sentence(sample) for sample in samples])
        return features

    def negative(self, batch: int, cfg: float) -> dict[str, Tensor] | None:
        """The prompt that guidance leads away from; None where there is no such guidance."""
        if not self.speaks or cfg == 1:
            return None
        return self.book.embeddings([NEGATIVE_PROMPT] * batch)

    def sentence(self, sample: Sample) -> str:
        """The sentence of a sample; DataError where its motion is not known."""
        return sentence(sample.name, sample.conditioning, self.clip)


def sentence(name: str, conditioning: Conditioning | None, clip: ClipConfig) -> str:
    """The sentence for a clip at this rate and of these lengths, in words.

    Raises:
        DataError: its motion is not known; names the clip.
    """
    past, ahead = (clip.history_frames - 1) / clip.fps, clip.future_frames / clip.fps
    return world_prompt(_known(name, conditioning).motion, past, ahead)


def _known(name: str, conditioning: Conditioning | None) -> Conditioning:
    if conditioning is None:
        raise DataError(
            f"{name}: the model is conditioned on how the car moved, and this clip has no motion",
            "take a clip of an index with poses, or a scene",
        )
    return conditioning
