"""Where a split's logs and maps are looked for, and what stands beside it: by names alone."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Literal

from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import did_you_mean
from reworld_agent.core.text import shown
from reworld_agent.scenes.downloads import (
    LOGS,
    require_data_root,
    where_it_lies,
)

logger = logging.getLogger(__name__)

EMBEDDED_SPLITS = (
    *("town_train", "town_val", "town_test"),
    # version 6 of the town
    *("town6_train", "town6_val", "town6_test", "town6_evidence", "town6_test_wide"),
)
DATA_VARIABLE, MAPS_VARIABLE = "OPENSCENE_DATA_ROOT", "NUPLAN_MAPS_ROOT"
# `test` and `val` as whole words (town_test, private_test_hard), NAVSIM's navtest, navhard, ...;
# `trainval`, the split of navtrain, is for training.
HELD_OUT = re.compile(r"(^|[_-])(test|val|evidence)([_-]|$)|^nav(test|hard)|warmup")
# Splits of the devkit whose logs lie in a folder of another name (its train_test_split/*.yaml).
_LOGS_OF = {
    **dict.fromkeys(
        ("navtest", "navtest_two_stage", "navhard_two_stage", "navsafe_two_stage"), "test"
    ),
    **dict.fromkeys(("warmup_two_stage", "warmup_navsafe_two_stage_extended"), "test"),
    "navtrain": "trainval",
    "navmini": "mini",
    "private_test_hard_two_stage": "private_test_hard",
}
_SHOWN = 8

Part = Literal["train", "val", "test"]


def own_roots(data_split: str) -> tuple[Path, Path] | None:
    """`OPENSCENE_DATA_ROOT` and `NUPLAN_MAPS_ROOT` where the split lies there.

    None where it is an embedded split, which lies in the cache folder or is made there.

    Raises:
        UsageError: there is no such split, or only one of the variables is set.
    """
    data, maps = os.environ.get(DATA_VARIABLE), os.environ.get(MAPS_VARIABLE)
    if data and (Path(data) / LOGS / data_split).is_dir():
        if not maps:
            raise UsageError(
                f"{DATA_VARIABLE} is set, {MAPS_VARIABLE} is not",
                f"export {MAPS_VARIABLE}=<folder that holds nuplan-maps-v1.0.json>",
            )
        return Path(data).absolute(), Path(maps).absolute()
    if data_split in EMBEDDED_SPLITS:
        if data and not Path(data).is_dir():
            logger.warning(
                "%s=%s is no folder; %s is an embedded split, and needs none",
                *(DATA_VARIABLE, data, data_split),
            )
        return None
    if data:
        require_logs(Path(data), data_split, f"{DATA_VARIABLE}={shown(data)}")
    raise UsageError(
        f"the split '{data_split}' is not embedded, and {DATA_VARIABLE} is not set",
        did_you_mean(
            data_split,
            EMBEDDED_SPLITS,
            f"export {DATA_VARIABLE} and {MAPS_VARIABLE}, or use the split town_test",
        ),
    )


def require_split(data_split: str, data_root: Path | None = None) -> None:
    """Raise UsageError where a split is neither below `data_root` nor where it is looked for."""
    if data_root is None:
        own_roots(data_split)
    else:
        require_logs(data_root, data_split, f"data_root={shown(data_root)}")


def companion(split: str, part: Part) -> str | None:
    """Another split of the same towns' version: town6_val beside town6_train.

    None where `split` is no split of the town, or is that part itself.
    """
    found = _part(split, part)
    return None if found == split else found


def _part(split: str, part: Part) -> str | None:
    name = f"{split.partition('_')[0]}_{part}"
    return name if split in EMBEDDED_SPLITS and name in EMBEDDED_SPLITS else None


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


def refuse_held_out(*names: str) -> None:
    """Raise UsageError where a split is for testing: a pool of negatives is training data."""
    for name in names:
        if HELD_OUT.search(name):
            message = f"the split {name} is held out for testing: no hard negatives are mined there"
            raise UsageError(message, "use a training split, such as town_train")


def require_logs(data_root: Path, data_split: str, source: str) -> None:
    """Raise UsageError without a folder of logs of this split; `source` says what names it."""
    logs = data_root / LOGS
    if (logs / data_split).is_dir():
        return
    folder = _LOGS_OF.get(data_split)
    for name in (data_split, folder) if folder is not None else (data_split,):
        elsewhere = where_it_lies(data_root, name, source)
        if elsewhere is not None and not (logs / name).is_dir():
            raise elsewhere
    require_data_root(data_root, data_split, source)
    present = sorted(path.name for path in logs.iterdir()) if logs.is_dir() else []
    known = ", ".join(present[:_SHOWN]) + (" ..." if len(present) > _SHOWN else "")
    hint = "name one of them as data_split, or download the split"
    hint = did_you_mean(data_split, present, hint)
    if folder is not None:
        hint = f"it is a filter of NAVSIM's devkit over {LOGS}/{folder}: export NAVSIM_DEVKIT_ROOT"
    raise UsageError(
        f"{source} has no {LOGS}/{shown(data_split)}; present: {known or 'none'}", hint
    )
