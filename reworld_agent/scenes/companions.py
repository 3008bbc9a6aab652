"""Splits of the embedded town beside each other: what is judged on where no split is named."""

from __future__ import annotations

from typing import Literal

from reworld_agent.core.errors import UsageError
from reworld_agent.scenes import synthetic
from reworld_agent.scenes.roots import require_split

Part = Literal["train", "val", "test"]


def companion(split: str, part: Part) -> str | None:
    """Another split of the same towns' version: town6_val beside town6_train.

    None where `split` is no split of the town, or is that part itself.
    """
    found = _part(split, part)
    return None if found == split else found


def _part(split: str, part: Part) -> str | None:
    name = f"{split.partition('_')[0]}_{part}"
    return name if split in synthetic.SPLITS and name in synthetic.SPLITS else None


def beside(named: str | None, split: str, part: Part, word: str) -> str:
    """The split that is named, else the one beside `split`; it may be `split` itself.

    Args:
        named: by the setting `word`; None = it is left out.
        split: what is learned from, or judged on.
        part: that is looked for.
        word: of the setting, for the message.

    Raises:
        UsageError: none is named, and of other data none is known; or there is no such `split`.
    """
    found = named or _part(split, part)
    if found is None:
        require_split(split)  # a misspelt one has none beside it either
        raise UsageError(f"{word}= is missing: none is known beside {split}", f"add {word}=NAME")
    return found
