"""`load_pickle`: a file of containers, scalars and arrays, and the errors that name it."""

from __future__ import annotations

import hashlib
import io
import pickle
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reworld_agent.core.errors import DataError
from reworld_agent.core.unpickle.arrays import (
    NDARRAY,
    Array,
    DType,
    Room,
    scalar,
    shared,
)
from reworld_agent.core.unpickle.collector import paused
from reworld_agent.core.unpickle.plain import read_plain
from reworld_agent.core.unpickle.scan import scan, tuples
from reworld_agent.core.unpickle.settle import Settler
from reworld_agent.core.unpickle.stand_ins import Function, Record

_LARGEST = 4 << 30  # bytes of a file
_SHALLOW = 50_000  # 8 MB of stack, the usual, are enough
_STACK, _STACK_A_TUPLE, _LARGEST_STACK = 1 << 20, 128, 1 << 30  # bytes; a hash takes some 80
_CORES = ("numpy.core", "numpy._core")  # numpy 1 and numpy 2: either reads files of both
_BYTES_AN_ITEM = 64  # of a set or dict


def load_pickle(
    path: Path,
    records: tuple[str, ...] = (),
    classes: Mapping[tuple[str, str], type[Record]] | None = None,
    needed_by: str = "NAVSIM log",
) -> Any:
    """The object in a pickle of containers, scalars and numpy arrays.

    Args:
        path: the file.
        records: packages whose objects are read as `Record`; nothing of them is imported or run.
        classes: (module, name) of single classes, and the kind of `Record` that stands for each.
        needed_by: what the file is, for the message.

    Raises:
        DataError: the file is missing, truncated, asks for far more memory than its size explains,
            or names anything else (nothing of it is run).
    """
    with _errors_that_name(path), paused():
        return _read(_bytes(path), path, records, classes or {}, needed_by)[0]


@dataclass(frozen=True)
class Content:
    """What a pickle held.

    Attributes:
        value: the object in it.
        sha256: of the file's bytes, those that the object was made of.
        plain: it holds nothing but what Python and numpy write themselves, so that whoever has
            read the same bytes once, and so carefully, may let numpy fill its arrays.
    """

    value: Any
    sha256: str
    plain: bool


def load_known_pickle(path: Path, known: Callable[[str], bool]) -> Content:
    """A pickle that may have been read before: then it takes a quarter of the time.

    The bytes that are hashed are those that are read: whatever becomes of the file meanwhile,
    nothing is read plainly but what was looked through.

    Args:
        path: the file.
        known: whether a file of this SHA-256 was read before and found `plain`. The answer must
            come from where nobody writes but the user.

    Raises:
        DataError: see `load_pickle`.
    """
    with _errors_that_name(path), paused():
        data = _bytes(path)
        sha256 = hashlib.sha256(data).hexdigest()
        if known(sha256):
            try:
                value = _with_stack(lambda: read_plain(data), tuples(data))
                return Content(value, sha256, True)
            except Exception:  # what is known is wrong, or of another numpy: read with care
                pass
        value, plain = _read(data, path, (), {}, "NAVSIM log")
        return Content(value, sha256, plain)


def _bytes(path: Path) -> bytes:
    if not path.is_file():
        raise FileNotFoundError(path)
    if path.stat().st_size > _LARGEST:
        raise pickle.UnpicklingError(f"larger than {_LARGEST >> 30} GiB")
    return path.read_bytes()


def _read(
    data: bytes,
    path: Path,
    records: tuple[str, ...],
    classes: Mapping[tuple[str, str], type[Record]],
    needed_by: str,
) -> tuple[Any, bool]:
    """The object, and whether it is made of nothing but what Python and numpy write."""
    depth = scan(data)
    reader = _Reader(data, path, records, classes, needed_by)
    value = Settler(len(data)).settle(_with_stack(reader.load, depth))
    return value, reader.usual


@contextmanager
def _errors_that_name(path: Path) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: no such file", "check OPENSCENE_DATA_ROOT and train_test_split.data_split"
        ) from error
    except Exception as error:  # damaged bytes make the unpickler raise nearly anything
        raise DataError(
            f"{path}: not a whole pickle ({type(error).__name__}: {error})",
            "the file is truncated or damaged: delete it and download it again",
        ) from error


class _Reader(pickle.Unpickler):
    """Python's unpickler, every name of the file answered by a stand-in."""

    def __init__(
        self,
        data: bytes,
        path: Path,
        records: tuple[str, ...],
        classes: Mapping[tuple[str, str], type[Record]],
        needed_by: str,
    ) -> None:
        super().__init__(io.BufferedReader(io.BytesIO(data)))
        self._path, self._records, self._classes = path, records, classes
        self._needed_by = needed_by
        self._room = room = Room(len(data))
        self._usual: dict[tuple[str, str], Function] = {
            ("numpy", "dtype"): Function(DType, room),
            ("numpy", "ndarray"): NDARRAY,
            **{(f"{core}.multiarray", "_reconstruct"): Function(Array, room) for core in _CORES},
            **{(f"{core}.multiarray", "scalar"): Function(scalar, room) for core in _CORES},
            **{(f"{core}.numeric", "_frombuffer"): Function(shared, room) for core in _CORES},
        }
        self._known: dict[tuple[str, str], Function] = {
            ("collections", "OrderedDict"): Function(_dict, room),
            ("_codecs", "encode"): Function(_encode, room),
        }
        for module in ("builtins", "__builtin__"):
            self._known |= {
                (module, "set"): Function(_collect, room, set),
                (module, "frozenset"): Function(_collect, room, frozenset),
                (module, "bytearray"): Function(_bytearray, room),
                (module, "bytes"): Function(_no_bytes),
                (module, "complex"): Function(_complex),
            }

    @property
    def usual(self) -> bool:
        """What was read is what Python and numpy write, to the letter."""
        return self._room.usual

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for this name; DataError, and nothing run, where there is none."""
        usual = self._usual.get((module, name))
        if usual is not None:
            return usual
        self._room.usual = False
        known = self._known.get((module, name)) or self._classes.get((module, name))
        if known is not None:
            return known
        if module.partition(".")[0] in self._records:
            return Record
        raise DataError(
            f"{self._path}: this pickle names '{module}.{name}', which no {self._needed_by} needs; "
            "it may be hostile, and nothing of it was run",
            "get the file from a source that you trust",
        )


def _dict(room: Room, *items: Any) -> dict[Any, Any]:
    return dict(_collect(room, list, *items))


def _collect(room: Room, kind: Callable[[Any], Any], items: Any = ()) -> Any:
    """A set or dict of a list of items."""
    if type(items) not in (list, tuple):
        raise pickle.UnpicklingError("a set or dict of what is no list")
    room.take(_BYTES_AN_ITEM * len(items))
    return kind(items)


def _encode(room: Room, text: Any, encoding: Any = "latin1") -> bytes:
    """How pickles of protocol 2 write bytes; other codecs are not needed and stay shut."""
    if encoding not in ("latin1", "latin-1") or type(text) is not str:
        raise pickle.UnpicklingError("bytes of another codec, or of no text")
    room.take(len(text))
    return text.encode("latin1")


def _bytearray(room: Room, content: Any = b"", encoding: Any = "latin1") -> bytearray:
    if type(content) is str:
        content = _encode(room, content, encoding)
    if type(content) is not bytes:
        raise pickle.UnpicklingError("a bytearray of no bytes")
    room.take(len(content))
    return bytearray(content)


def _no_bytes(*arguments: Any) -> bytes:
    """How protocol 2 writes empty bytes."""
    if arguments:
        raise pickle.UnpicklingError("bytes of something else")
    return b""


def _complex(real: Any, imaginary: Any) -> complex:
    if type(real) is not float or type(imaginary) is not float:
        raise pickle.UnpicklingError("a complex number of no numbers")
    return complex(real, imaginary)


def _with_stack(load: Callable[[], Any], depth: int) -> Any:
    """Call `load` on a C stack that is deep enough to hash so many tuples in tuples."""
    if depth <= _SHALLOW:
        return load()
    stack = _STACK + _STACK_A_TUPLE * depth
    if stack > _LARGEST_STACK:
        raise pickle.UnpicklingError(f"too many tuples ({depth})")
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((load(), None))
        except BaseException as error:
            outcome.append((None, error))

    before = threading.stack_size(-(-stack // 4096) * 4096)
    try:
        thread = threading.Thread(target=run)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    value, error = outcome[0]
    if error is not None:
        raise error
    return value
