"""Writing so that a crash, a full disk or another process never spoils what is there."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout
from tqdm import tqdm

from reworld_agent.core.errors import DataError

NO_LOCKS_HERE = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


def partial_path(path: Path) -> Path:
    """A hidden name beside `path` that no other process has, on this machine or another."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, then put it in place in one step.

    Raises:
        DataError: the disk is full or the folder is not writable; the old file is untouched.
    """
    partial = partial_path(path)
    with _clear_write_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(partial)
            with partial.open("rb") as stream:
                os.fsync(stream.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def _clear_write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else f"cannot write ({error.strerror or error})"
        raise DataError(
            f"{path}: {reason}; what was written before is intact",
            "free space, then start again; a run with the same output_dir goes on"
            if full
            else "choose another output_dir; the same command goes on where it stopped",
        ) from error


@contextmanager
def whole_folder(folder: Path, mark: str) -> Iterator[Path]:
    """A draft beside a folder, which is moved to its place once all in it is written.

    Args:
        folder: its place; its parent is there.
        mark: a file that the folder has where it is whole. Where another process (no locks on
            this disk) has made it meanwhile, that one's stays; one without the file goes.

    Raises:
        OSError: it cannot be moved; the draft is gone then, as after any other error.
    """
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix="draft_"))
    try:
        yield draft
        draft.chmod(0o755)  # of a temporary folder it is 0o700
        if not (folder / mark).is_file():
            shutil.rmtree(folder, ignore_errors=True)
        try:
            draft.rename(folder)
        except OSError:
            if not (folder / mark).is_file():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def only_process(file: Path, hint: str, announce: bool = True) -> Iterator[bool]:
    """Wait until no other process holds the lock `file`, and keep others waiting.

    The system lets go of the lock when its holder ends, however it ends.

    Args:
        file: of the lock; it and its folder are made where they are not there, and stay.
        hint: what to do where they cannot be made.
        announce: say on the terminal that another process is waited for.

    Yields:
        False where the disk knows no locks: others may be at work too.

    Raises:
        DataError: the folder cannot be made or written.
    """
    # a soft lock, filelock's substitute on such a disk, would outlive a holder that is killed
    lock = FileLock(file, fallback_to_soft=False)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        held = _take(lock, file.parent, announce)
    except OSError as error:
        message = f"{file.parent}: cannot be written ({error.strerror})"
        raise DataError(message, hint) from error
    try:
        yield held
    finally:
        lock.release()


def _take(lock: BaseFileLock, folder: Path, announce: bool) -> bool:
    """Take the lock; False where the disk knows none."""
    try:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            if announce:
                tqdm.write(f"waiting for another process that writes {folder}", file=sys.stderr)
            lock.acquire()
    except OSError as error:
        if error.errno not in NO_LOCKS_HERE:
            raise
        return False
    return True
