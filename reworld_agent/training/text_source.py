"""Where the sentences of Stage 1 are from: the condition c^v of Eq. 2 (text, speed, command).

The paper's recipe takes them wherever a T5, or what one has embedded before, is at hand: named by
`prompts=` and `t5=`; by the variable REWORLD_T5; or in the cache that these fill where `prompts=`
names no other. The paper's second version writes speed and command into the sentence itself.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from reworld_agent.core.errors import UsageError
from reworld_agent.core.paths import cache_home
from reworld_agent.core.text import shown
from reworld_agent.training.choices import ClipChoice

VARIABLE = "REWORLD_T5"
ABSENT = (
    "stage 1 learns without the condition of Eq. 2 (text, speed, command): no T5 of %d channels is "
    f"at hand; name one with t5=DIR or {VARIABLE}=DIR (text_encoder/, tokenizer/), or its "
    "embeddings with prompts=DIR"
)


@dataclass(frozen=True)
class TextSource:
    """A folder of embedded sentences, and the T5 that adds what it lacks.

    Attributes:
        prompts: None = the stage learns without text.
        t5: None = nothing may be missing in `prompts`.
    """

    prompts: Path | None = None
    t5: Path | None = None


def text_source(clips: ClipChoice, channels: int, automatic: bool) -> TextSource:
    """Where the sentences are from.

    Args:
        clips: with `prompts` and `t5`, which always count.
        channels: of the model's text tokens; another T5 is not looked at.
        automatic: also what is at hand without being named.

    Raises:
        UsageError: `prompts` names no folder and there is no T5 to fill one; REWORLD_T5 names no
            folder of T5.
    """
    cache = cache_home() / "prompts"
    if clips.prompts and not clips.t5 and not clips.prompts.is_dir():
        command = f"reworld video prompts index=... output_dir={shown(clips.prompts)} t5=PATH"
        raise UsageError(f"prompts={shown(clips.prompts)}: no such folder", f"make it: {command}")
    if clips.prompts or clips.t5:
        return TextSource(clips.prompts or cache, clips.t5)
    if not automatic:
        return TextSource()
    named = os.environ.get(VARIABLE)
    if named and _width(Path(named)) == channels:
        return TextSource(cache, Path(named))
    kept = next(iter(sorted(cache.glob("*.safetensors"))), None)
    if kept is None:
        return TextSource()
    # imports torch, which the help of commands must not wait for
    from reworld_agent.video.text import embedded_width  # noqa: PLC0415

    return TextSource(cache if embedded_width(kept) == channels else None)


def _width(folder: Path) -> int:
    """Channels of the T5 in a folder, from its configuration."""
    file = folder / "text_encoder" / "config.json"
    try:
        return int(json.loads(file.read_text(encoding="utf-8"))["d_model"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{VARIABLE}={shown(folder)} is no folder of T5: {file.name} cannot be read"
        hint = "it holds text_encoder/ and tokenizer/, as LTX-Video's does; or unset it"
        raise UsageError(message, hint) from error
