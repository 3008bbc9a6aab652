"""Prompts, T5 from a folder, and the cache of embeddings."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
import torch

from reworld_agent.core.errors import ConfigError, DataError, WeightsError
from reworld_agent.video.prompts import PLANNER_PROMPT, Motion, world_prompt
from reworld_agent.video.text import PromptBook, T5Encoder


def write_t5(folder: Path, width: int = 16) -> Path:
    """A tiny T5 encoder with a tokenizer of whole words."""
    # transformers is slow to import, and few of the tests that import this module write a T5
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "d_model": width,
        "d_kv": 4,
        "d_ff": 32,
        "num_layers": 2,
        "num_heads": 4,
    }
    T5EncoderModel(T5Config(vocab_size=64, **sizes)).save_pretrained(folder / "text_encoder")
    words = ["<pad>", "</s>", "<unk>", "the", "car", "turns", "left"]
    words += ["right", "drives", "straight"]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    fast.save_pretrained(folder / "tokenizer")
    return folder


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> T5Encoder:
    """The tiny encoder, loaded from its folder."""
    folder = write_t5(tmp_path_factory.mktemp("t5"))
    return T5Encoder(folder, max_tokens=12, dtype=torch.float32)


def test_world_prompt_has_the_structure_of_the_published_sample() -> None:
    motion = Motion(3.54, -0.03, -0.5, 4.72, 0.8, "straight")
    prompt = world_prompt(motion, 0.75, 2.75)
    assert prompt.startswith("A high-quality, photorealistic dashboard camera view of autonomous")
    assert "Based on the past 0.75 seconds, predict and generate the next 2.75 seconds" in prompt
    assert "moving at low speed with gradually changing speed, " in prompt
    assert "driving straight ahead with stable lane keeping, smoothly continue for the" in prompt
    assert prompt.endswith("[Technical: forward 3.54m, lateral -0.03m, yaw -0.5°, speed 4.72m/s]")


@pytest.mark.parametrize(
    ("speed", "word"), [(4.99, "low"), (5.0, "moderate"), (14.9, "moderate"), (15.0, "highway")]
)
def test_speed_bins(speed: float, word: str) -> None:
    assert f"moving at {word} speed with steady motion" in world_prompt(
        Motion(0, 0, 0, speed, 0.49), 1, 3
    )


def test_commands() -> None:
    left = world_prompt(Motion(0, 0, 0, 1, 0, "left"), 1, 3)
    assert "turning left with controlled steering" in left
    with pytest.raises(ConfigError, match="command=back"):
        Motion(0, 0, 0, 1, 0, "back")


def test_the_planners_prompt_has_no_numbers_of_the_scene() -> None:
    assert "past 2 seconds" in PLANNER_PROMPT and "next 4 seconds" in PLANNER_PROMPT
    assert "Technical" not in PLANNER_PROMPT


def test_embeddings_are_those_of_the_words_with_padding_seen_as_in_training(t5: T5Encoder) -> None:
    found = t5.encode("the car turns left")
    assert found.shape == (5, 16)  # four words and the end
    ids = torch.tensor([[3, 4, 5, 6, 1] + [0] * 7])
    with torch.no_grad():
        expected = t5.model(ids).last_hidden_state[0, :5]
    torch.testing.assert_close(found, expected)
    assert t5.encode("the " * 40).shape == (12, 16)  # cut


def test_each_sentence_is_embedded_once(
    t5: T5Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentences = ["the car turns left", "drives straight", "the car turns left"]
    first = PromptBook(tmp_path / "book", t5).embeddings(sentences)
    assert first["prompt"].shape == (3, 5, 16)
    assert first["prompt_mask"].tolist() == [[1] * 5, [1, 1, 1, 0, 0], [1] * 5]
    assert torch.equal(first["prompt"][0], first["prompt"][2])
    files = sorted((tmp_path / "book").iterdir())
    assert len(files) == 2 and all(stat.S_IMODE(f.stat().st_mode) == 0o644 for f in files)
    again = PromptBook(tmp_path / "book").embeddings(sentences)  # without T5
    assert torch.equal(again["prompt"], first["prompt"])
    with pytest.raises(WeightsError, match="1 prompts are not embedded"):
        PromptBook(tmp_path / "book").embeddings(["turns right"])


def test_what_cannot_be_embedded_is_refused_before_it_is(t5: T5Encoder, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="T5 encoder has 16 channels, the model takes 32"):
        PromptBook(tmp_path / "book", t5, width=32)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be made"):
        PromptBook(tmp_path / "file" / "book", t5).prepare(["drives straight"])


def test_missing_and_broken_t5_folders(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="tokenizer is missing"):
        T5Encoder(tmp_path)
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "text_encoder").mkdir()
    with pytest.raises(WeightsError, match="cannot be loaded"):
        T5Encoder(tmp_path)
