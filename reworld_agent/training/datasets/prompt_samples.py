"""Sentences beside the samples of Stage 1, for models conditioned on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import pad
from torch.utils.data import Dataset
from tqdm import tqdm

from reworld_agent.clips.index import ClipIndex
from reworld_agent.config import ClipConfig
from reworld_agent.generation.samples import conditioning_of_rows, conditioning_of_statuses
from reworld_agent.generation.text_conditioning import sentence
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.training.datasets.scene_arrays import Sample
from reworld_agent.video.text import PromptBook


class PromptedSamples(Dataset[Sample]):
    """Samples whose features also hold `prompt` [M, C] and `prompt_mask` [M] of their sentence.

    M is that of the longest sentence; the mask is 1 where a token counts.

    Args:
        samples: as Stage 1 takes them.
        sentences: one a sample.
        book: has all of them, or an encoder for those that are missing.

    Raises:
        WeightsError: sentences are missing, and there is no encoder.
    """

    def __init__(self, samples: Any, sentences: Sequence[str], book: PromptBook) -> None:
        self.samples, self.sentences, self.book = samples, sentences, book
        book.prepare(sentences)
        self.longest = max(book.length(text) for text in dict.fromkeys(sentences))

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, number: int) -> Sample:
        features, targets, name = self.samples[number]
        tokens = self.book.tokens(self.sentences[number])
        free = self.longest - len(tokens)
        mask = pad(torch.ones(len(tokens), dtype=torch.long), (0, free))
        prompt = {"prompt": pad(tokens, (0, 0, 0, free)), "prompt_mask": mask}
        return {**features, **prompt}, targets, name


def clip_sentences(index: ClipIndex, clip: ClipConfig) -> list[str]:
    """The sentence of every clip of an index; DataError names the first of unknown motion."""
    motions = zip(index.column("clip_id"), conditioning_of_rows(index, clip), strict=True)
    return [sentence(str(name), motion, clip) for name, motion in motions]


def scene_sentences(loader: SceneLoader, clip: ClipConfig) -> dict[str, str]:
    """The sentence of every scene of a loader, by token; no image is read."""
    found = {}
    for token in tqdm(loader.tokens, desc="reading motion", delay=5.0):
        statuses = loader.get_agent_input_from_token(token).ego_statuses
        past = statuses[-clip.history_frames :]
        found[token] = sentence(token, conditioning_of_statuses(past), clip)
    return found
