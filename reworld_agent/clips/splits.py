"""Which clips are for training and which for testing; a scene is never on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from reworld_agent.core.errors import DataError, UsageError
from reworld_agent.core.records import read_record
from reworld_agent.core.result_tables import read_csv

NAMES = ("train", "val", "test")
DEFAULT_SHARES = "80/10/10"
SplitRule = Callable[[str, str], str]
_HINT = "use split=80/10/10, split=train|val|test, or split=FILE.csv (columns scene, split)"


def scene_place(scene: str) -> float:
    """A number in [0, 1) that depends on nothing but the scene's name."""
    return int.from_bytes(hashlib.sha256(scene.encode()).digest()[:6], "big") / 2**48


def folder_split(folder: str) -> str:
    """The split that a data set's folder of logs says; empty where it says none (trainval, mini).

    Logs of a test split must not be learned from because a hash of their name says so.
    """
    if folder.startswith("train_"):  # nuPlan's train_boston, train_singapore ...
        return "train"
    if "test" in folder:  # NAVSIM's test, private_test_hard ...
        return "test"
    return folder if folder in NAMES else ""


def split_rule(text: str) -> SplitRule:
    """The function (scene, the source's own split) to split that a setting names.

    Args:
        text: empty: the source's own split where it has one, else 80/10/10; `A/B/C`: shares of
            scenes in percent by a hash of their names; train, val or test: all; or a file (csv with
            columns scene, split, or json with lists of scenes by split; where it has lists named
            train, val or test, others, such as nuScenes' train_detect, do not count).

    Raises:
        UsageError: none of these. DataError: the file cannot be read; later, a scene not in it.
    """
    if text in NAMES:
        return lambda scene, own: text
    if text.endswith((".csv", ".json")):
        return _from_file(Path(text).expanduser())
    bounds = _bounds(text or DEFAULT_SHARES)

    def by_hash(scene: str, own: str) -> str:
        if own and not text:
            return own
        place = scene_place(scene)
        return next((name for name, end in zip(NAMES, bounds, strict=True) if place < end), "test")

    return by_hash


def _bounds(text: str) -> list[float]:
    parts = text.split("/")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        raise UsageError(f"split={text} is not a split", _HINT)
    shares = [int(part) for part in parts]
    if sum(shares) != 100:
        raise UsageError(f"split={text}: the shares sum to {sum(shares)}, not 100", _HINT)
    return [sum(shares[: k + 1]) / 100 for k in range(3)]


def _from_file(path: Path) -> SplitRule:
    known = _read_table(path)

    def listed(scene: str, own: str) -> str:
        if scene not in known:
            raise DataError(f"{path}: does not name scene {scene}", "add it, or leave split= out")
        return known[scene]

    return listed


def _read_table(path: Path) -> dict[str, str]:
    if path.suffix == ".json":
        groups: dict[str, list[str]] = read_record(path, dict[str, list[str]], _HINT)
        names = [name for name in groups if name in NAMES] or list(groups)
        pairs = [(scene, name) for name in names for scene in groups[name]]
    else:
        try:
            table = read_csv(path, _HINT, ("scene", "split"), as_text=True)
        except DataError as error:
            raise DataError(f"{path} is not a table of splits ({error.message})", _HINT) from error
        pairs = list(zip(table["scene"], table["split"], strict=True))
    known: dict[str, str] = {}
    for scene, name in pairs:
        if known.setdefault(scene, name) != name:
            message = f"{path}: scene {scene} is in {known[scene]} and in {name}"
            raise DataError(message, "name every scene once")
    return known
