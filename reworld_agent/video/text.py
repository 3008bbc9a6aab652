"""Prompts to embeddings: T5 from a local folder, each prompt once, kept as safetensors.

Where every prompt is in the cache, T5 is neither needed nor imported.
Shapes: B prompts, M tokens of the longest, C caption channels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import DataError, WeightsError

MAX_TOKENS = 256
WIDTH_HINT = "embed the prompts with the T5 encoder of the model's size"
T5_HINT = "name a local folder with text_encoder/ and tokenizer/ (LTX-Video's): t5=PATH"


class T5Encoder:
    """A frozen T5 encoder and its tokenizer, from a folder on disk; nothing is downloaded.

    Args:
        folder: holds `text_encoder/` and `tokenizer/`, as LTX-Video's does.
        max_tokens: length to which T5 sees every prompt padded; longer ones are cut.
        device: of the encoder.
        dtype: of the encoder.
        masked: T5 attends to the prompt alone; else to its padding too, as LTX-Video's and
            DriveLaW's trainers have it.
    """

    def __init__(
        self,
        folder: Path,
        max_tokens: int = MAX_TOKENS,
        device: str = "cpu",
        dtype: torch.dtype = torch.bfloat16,
        masked: bool = False,
    ) -> None:
        # an extra, and slow to import: prompts that are in the cache need none of it
        from transformers import AutoTokenizer, T5EncoderModel  # noqa: PLC0415

        self.max_tokens, self.masked = max_tokens, masked
        places = [folder / name for name in ("tokenizer", "text_encoder")]
        for place in places:
            if not place.is_dir():
                raise WeightsError(f"{place} is missing", T5_HINT)
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(places[0], local_files_only=True)
            self.model: Any = T5EncoderModel.from_pretrained(
                places[1], local_files_only=True, dtype=dtype, use_safetensors=True
            )
        except (OSError, ValueError, ImportError) as error:
            reason = str(error).splitlines()[0]
            raise WeightsError(f"T5 at {folder} cannot be loaded: {reason}", T5_HINT) from error
        self.model.to(device).eval()  # type: ignore[arg-type]  # a wrapper hides its arguments

    @property
    def width(self) -> int:
        """C, the channels of its embeddings."""
        return int(self.model.config.d_model)

    @torch.no_grad()
    def encode(self, prompt: str) -> Tensor:
        """Embeddings [M, C] of the prompt's own tokens, without those of the padding."""
        states, mask = self.padded(prompt)
        return states[mask]

    @torch.no_grad()
    def padded(self, prompt: str) -> tuple[Tensor, Tensor]:
        """Embeddings [max_tokens, C], those of the padding too, and which are the prompt's own."""
        found = self.tokenizer(
            prompt,
            padding="max_length",
            max_length=self.max_tokens,
            truncation=True,
            return_tensors="pt",
        )
        mask = found.attention_mask.to(self.model.device)
        seen = {"attention_mask": mask} if self.masked else {}
        states = self.model(found.input_ids.to(self.model.device), **seen).last_hidden_state[0]
        return states.cpu(), mask[0].bool().cpu()


def embedded_width(file: Path) -> int:
    """Channels of an embedded prompt; WeightsError where the file is none."""
    return int(_read(file, lambda opened: opened.get_slice("tokens").get_shape())[1])


class PromptBook:
    """Embeddings of prompts, each computed once and kept in a folder.

    Args:
        folder: of the cache; one safetensors file for each prompt.
        encoder: computes what is not there; None = nothing may be missing.
        width: C, of the model that they condition; None = any.

    Raises:
        WeightsError: the encoder has another width.
    """

    def __init__(
        self, folder: Path, encoder: T5Encoder | None = None, width: int | None = None
    ) -> None:
        self.folder, self.encoder, self.width = folder, encoder, width
        if encoder is not None and width not in (None, encoder.width):
            message = f"the T5 encoder has {encoder.width} channels, the model takes {width}"
            raise WeightsError(message, WIDTH_HINT)

    def file(self, prompt: str) -> Path:
        """Where a prompt's embeddings are kept."""
        return self.folder / f"{hashlib.sha256(prompt.encode()).hexdigest()[:32]}.safetensors"

    def prepare(self, prompts: Sequence[str]) -> None:
        """Compute what is missing.

        Raises:
            WeightsError: there is no encoder for it.
            DataError: it cannot be written.
        """
        missing = [s for s in dict.fromkeys(prompts) if not self.file(s).is_file()]
        if missing and self.encoder is None:
            message = f"{len(missing)} prompts are not embedded in {self.folder}: {missing[0]!r}"
            command = f"reworld video prompts index=... output_dir={self.folder} t5=PATH"
            raise WeightsError(message, f"{T5_HINT}; for all clips of an index: {command}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"{self.folder} cannot be made ({error.strerror})"
            raise DataError(message, "name a folder that can be written") from error
        for prompt in tqdm(missing, desc="embedding prompts", disable=len(missing) < 2):
            self._write(prompt)

    def _write(self, prompt: str) -> None:
        assert self.encoder is not None
        tensors = {"tokens": self.encoder.encode(prompt).contiguous()}
        about = {"prompt": prompt, "max_tokens": str(self.encoder.max_tokens)}
        data = save(tensors, about)
        write_atomically(self.file(prompt), lambda partial: partial.write_bytes(data))

    def length(self, prompt: str) -> int:
        """Tokens M of a prompt that is in the cache; its embeddings are not read.

        Raises:
            WeightsError: the file is damaged, or of another T5 than the model's.
        """
        path = self.file(prompt)
        length, width = _read(path, lambda file: file.get_slice("tokens").get_shape())
        if self.width not in (None, width):
            message = f"{path} has {width} channels, the model takes {self.width}"
            raise WeightsError(message, WIDTH_HINT)
        return int(length)

    def tokens(self, prompt: str) -> Tensor:
        """Embeddings [M, C] of a prompt that is in the cache; raises WeightsError."""
        found: Tensor = _read(self.file(prompt), lambda file: file.get_tensor("tokens"))
        return found

    def embeddings(self, prompts: Sequence[str]) -> dict[str, Tensor]:
        """`prompt` [B, M, C] and `prompt_mask` [B, M], 1 where a token counts; see `context`."""
        self.prepare(prompts)
        rows = [self.tokens(prompt) for prompt in prompts]
        mask = [torch.ones(len(row), dtype=torch.long) for row in rows]
        return {
            "prompt": pad_sequence(rows, batch_first=True),
            "prompt_mask": pad_sequence(mask, batch_first=True),
        }


def _read(path: Path, what: Callable[[Any], Any]) -> Any:
    """Something of an embedded prompt; WeightsError where the file is damaged, or is none."""
    try:
        with safe_open(path, framework="pt") as file:
            return what(file)
    except (OSError, SafetensorError, ValueError) as error:
        message = f"{path} is not an embedded prompt: {error}"
        raise WeightsError(message, "remove it, and embed it again") from error
