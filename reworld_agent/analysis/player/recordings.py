"""What others have recorded: rollouts (`rollouts`) and imagined futures (`films`), from disk."""

from __future__ import annotations

from pathlib import Path

from reworld_agent.analysis.player.contract import MovingScene
from reworld_agent.analysis.player.films import FUTURES, future
from reworld_agent.analysis.player.rollouts import STEPS_FILE, Rollout, rollout
from reworld_agent.core.errors import UsageError
from reworld_agent.core.text import shown


def are_in(path: Path) -> bool:
    """Whether a path holds rollouts or imagined futures."""
    return path.is_dir() and (bool(_rollouts(path)) or (path / FUTURES).is_dir())


def _rollouts(path: Path) -> list[Path]:
    """Folders of rollouts: the path itself, those in it, or those of a run of `reworld drive`."""
    own = [path] if (path / STEPS_FILE).is_file() else []
    own = own or sorted(file.parent for file in path.glob(f"*/{STEPS_FILE}"))
    return own or sorted(file.parent for file in path.glob(f"rollouts/*/{STEPS_FILE}"))


def read(
    path: Path, token: str | None = None, most: int = 24, beside: Path | None = None
) -> list[MovingScene]:
    """Scenes of a folder of rollouts or futures.

    Args:
        path: see `are_in`.
        token: the name of the only one; None takes the worst `most`, futures in their order.
        most: how many.
        beside: another such folder, whose rollouts and futures of the same names are shown too.

    Raises:
        UsageError: none has that name, or the other folder has none of these.
        DataError: a file is damaged, or the recordings do not fit together.
        ReWorldError: films need PyAV or Pillow, which are not installed.
    """
    named, others = _named(path), _named(beside) if beside is not None else {}
    if token is not None and token not in named:
        usual = ", ".join([*named][:3])
        raise UsageError(
            f"token={token}: {shown(path)} holds none of that name", f"such as {usual}"
        )
    if beside is not None and not {*named} & {*others}:
        raise UsageError(
            f"beside={shown(beside)}: holds no recording of those in {shown(path)}",
            "name a folder of the same scenarios or clips",
        )
    chosen = [token] if token is not None else _worst_first(named)[:most]
    return [_read_one(named[name], others.get(name)) for name in chosen]


def _named(path: Path) -> dict[str, Path]:
    """Rollouts' folders and futures' files of a folder, by name."""
    found = {folder.name: folder for folder in _rollouts(path)}
    return found | {file.stem: file for file in sorted((path / FUTURES).glob("*.mp4"))}


def _worst_first(named: dict[str, Path]) -> list[str]:
    """Names of rollouts by their scores, futures after them in their order."""
    scores = {
        name: Rollout.load(path).header.get("score")
        for name, path in named.items()
        if path.is_dir()
    }
    driven = sorted(scores, key=lambda name: (scores[name] is None, scores[name] or 0.0))
    return [*driven, *(name for name in named if name not in scores)]


def _read_one(path: Path, other: Path | None) -> MovingScene:
    if path.suffix != ".mp4":
        return rollout(path, other)
    return future(path.parent.parent, path.stem, None if other is None else other.parent.parent)
