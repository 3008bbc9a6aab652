"""One writer of a folder at a time; the second one is refused, and sees who is there."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from filelock import FileLock, Timeout

from reworld_agent.core.atomic import NO_LOCKS_HERE
from reworld_agent.core.errors import ConfigError
from reworld_agent.core.settings import Settings

LOCK, HOLDER = ".writer.lock", ".writer.json"
_RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")  # 0 where this process is the first

Asked = TypeVar("Asked", bound=Settings)
More = ParamSpec("More")
Made = TypeVar("Made")


_Place = tuple[Path, str]
# What is held around the call: a command holds what the function that it calls would hold.
_HELD: ContextVar[frozenset[_Place]] = ContextVar("held", default=frozenset())


def one_writer(
    function: Callable[Concatenate[Asked, More], Made],
) -> Callable[Concatenate[Asked, More], Made]:
    """A function of settings that writes their outputs alone: it raises what `sole_writer` does."""

    @wraps(function)
    def alone(settings: Asked, /, *args: More.args, **kwargs: More.kwargs) -> Made:
        with writing_alone(settings):
            return function(settings, *args, **kwargs)

    return alone


@contextmanager
def writing_alone(settings: Settings) -> Iterator[None]:
    """Keep other processes from writing the outputs of settings; see `sole_writer`."""
    outer = _HELD.get()
    places = [place for place in dict.fromkeys(settings.outputs()) if place not in outer]
    with ExitStack() as held:
        for folder, name in places:
            held.enter_context(sole_writer(folder, name))
        before = _HELD.set(outer | set(places))
        try:
            yield
        finally:
            _HELD.reset(before)


@contextmanager
def sole_writer(folder: Path, name: str = "") -> Iterator[None]:
    """Keep other processes from writing a run's folder or file; that ends with this process.

    The processes of one distributed training share a folder: the first of them holds it. Where
    nothing is written, nothing is left behind, not even a folder.

    Args:
        folder: of the run; made where it is absent.
        name: of the one file in it that is written, where others may be written meanwhile.

    Raises:
        ConfigError: another process writes it, which is named; or it cannot be written.
    """
    if any(os.environ.get(name, "0") != "0" for name in _RANKS):
        yield
        return
    holder = folder / f"{name and '.'}{name}{HOLDER}"
    # a soft lock, filelock's substitute where a disk knows none, would outlive a kill
    lock = FileLock(holder.with_name(f"{name and '.'}{name}{LOCK}"), fallback_to_soft=False)
    made = [place for place in (folder, *folder.absolute().parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout as error:
        raise ConfigError(
            f"{folder / name} is being written by another process{_told(holder)}",
            "wait until it has ended, or choose another output for this run",
        ) from error
    except OSError as error:
        if error.errno not in NO_LOCKS_HERE:
            raise ConfigError(
                f"{folder} cannot be written ({error.strerror or error})",
                "choose a folder that you may write to",
            ) from error
    try:
        about = {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}
        with suppress(OSError):  # it only says who is there
            holder.write_text(json.dumps(about), encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
            if lock.is_locked:  # before it is let go of: the next one makes a file of its own
                Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
        with suppress(OSError):  # they hold something
            for place in made:
                place.rmdir()


def _now() -> str:
    return datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")


def _told(holder: Path) -> str:
    """Who writes there, as a clause of a sentence; empty where nothing says so."""
    try:
        about = json.loads(holder.read_text(encoding="utf-8"))
        return f": pid {about['pid']} on {about['host']}, since {about['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
