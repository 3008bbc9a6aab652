"""numpy arrays of a pickle, built here: from bytes, with a dtype of a closed list of plain kinds.

numpy's own `__setstate__` of dtypes and arrays believes what it is told: a dtype that hides that
it holds objects makes pointers of the file's bytes.
"""

from __future__ import annotations

import re
from pickle import UnpicklingError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.unpickle.stand_ins import Function

_PLAIN = re.compile(r"(b1|[iu][1248]|f[248]|c(8|16)|[SU]\d{1,8}|O8?)")
_DIMENSIONS = 32
_ROOM, _ROOM_TIMES = 1 << 24, 32  # bytes that copies may take: 16 MiB, and 32 times the file
_LAST_CHARACTER = 0x10FFFF


class Room:
    """Memory that is left to what a pickle has copied, and what it was made of.

    Args:
        size: of the file [bytes].

    Attributes:
        left: bytes that may still be taken.
        usual: all stand-ins so far stood for what numpy itself writes, to the letter; see `plain`.
    """

    def __init__(self, size: int) -> None:
        self.left = _ROOM + _ROOM_TIMES * size
        self.usual = True

    def take(self, count: int) -> None:
        """Use some of it; raises UnpicklingError where so much is not left."""
        self.left -= count
        if self.left < 0:
            raise UnpicklingError("copies of its content take far more memory than the file")


class DType:
    """Stands for `numpy.dtype`: the same call, the same state, of which only the byte order counts.

    Attributes:
        plain: the dtype itself; None where the array holds Python objects, which come as a list.
        checked: whether some bytes are no value of it.
        usual: it was made and filled once, as numpy writes it.

    Raises:
        UnpicklingError: it is none of the plain kinds.
    """

    __slots__ = ("_arguments", "_filled", "_name", "_room", "checked", "plain", "usual")

    def __init__(self, room: Room, name: Any, align: Any = False, copy: Any = False) -> None:
        name = name if isinstance(name, str) else "no text"
        self._room, self._arguments = room, (name, align, copy)
        self._filled = self.usual = False
        room.usual &= align is False and copy is True
        self._name = name.lstrip("<>|=")
        if not _PLAIN.fullmatch(self._name):
            raise UnpicklingError(f"an array of dtype {name[:20]!r}, which is not plain")
        self.checked = self._name[0] in "bU"
        self._set_order(name[0])

    def __setstate__(self, state: Any) -> None:
        """(version, byte order, subarray, names, fields, item size, alignment, flags ...)."""
        if not isinstance(state, tuple) or not 8 <= len(state) <= 9:
            raise UnpicklingError("a dtype with a state of another layout")
        order, structure = state[1], state[2:5]
        if order not in ("<", ">", "|", "=") or any(part is not None for part in structure):
            raise UnpicklingError("an array of dtype with fields, which is not plain")
        self._set_order(order)
        self.usual = not self._filled and self._is_as_written(state)
        self._filled = True
        self._room.usual &= self.usual

    def _is_as_written(self, state: tuple[Any, ...]) -> bool:
        plain = self.plain
        if plain is None or not plain.isnative or not plain.itemsize:
            return False
        _, arguments, own = plain.__reduce__()
        return _same(self._arguments, arguments) and _same(state, own)

    def _set_order(self, order: str) -> None:
        objects = self._name.startswith("O")
        order = order if order in "<>" else "="
        self.plain = None if objects else np.dtype(order + self._name)


class Array:
    """Stands for an array whose content comes after it; `value` is the array, once it is there."""

    __slots__ = ("_room", "value")
    __hash__ = None  # type: ignore[assignment]  # no key of a dict before it is an array

    def __init__(self, room: Room, kind: Any, shape: Any, typecode: Any) -> None:
        """`_reconstruct(ndarray, (0,), b"b")`, as every pickled array begins."""
        if kind is not NDARRAY or shape != (0,):
            raise UnpicklingError("an array of another class")
        if type(shape[0]) is not int or type(typecode) is not bytes or typecode != b"b":
            room.usual = False
        self._room = room
        self.value: NDArray[Any] | None = None

    def __setstate__(self, state: Any) -> None:
        """(version,) shape, dtype, whether in Fortran's order, content."""
        if type(state) is not tuple or len(state) not in (4, 5) or self.value is not None:
            raise UnpicklingError("an array with a state of another layout")
        shape, dtype, fortran, content = state[-4:]
        if type(dtype) is not DType:
            raise UnpicklingError("an array whose dtype is none")
        room = self._room
        if dtype.plain is None:
            self.value = _of_objects(content, shape)
            room.usual = False
            return
        if not dtype.usual or type(content) is not bytes or len(state) != 5:
            room.usual = False
            if isinstance(content, str):  # protocols before 3
                content = content.encode("latin1")
            if type(content) not in (bytes, bytearray):
                raise UnpicklingError("an array whose content is no bytes")
        room.left -= len(content)  # `take`, without a call: a log has thousands of arrays
        if room.left < 0:
            room.take(0)
        self.value = _of_bytes(bytearray(content), dtype, shape, "F" if fortran else "C")


def shared(room: Room, content: Any, dtype: Any, shape: Any, order: Any = "C") -> NDArray[Any]:
    """`_frombuffer`: how protocol 5 writes arrays; raises as `from_buffer`."""
    room.usual &= isinstance(dtype, DType) and dtype.usual and order in ("C", "F")
    return from_buffer(content, dtype, shape, order)


def from_buffer(content: Any, dtype: Any, shape: Any, order: Any = "C") -> NDArray[Any]:
    """An array that shares the memory of some bytes.

    Raises:
        UnpicklingError: the bytes are no whole array of that shape and plain dtype.
    """
    if type(content) not in (bytes, bytearray) or type(dtype) is not DType:
        raise UnpicklingError("an array of no bytes, or no dtype")
    return _of_bytes(content, dtype, shape, order)


def _of_bytes(
    content: bytes | bytearray, dtype: DType, shape: Any, order: Any = "C"
) -> NDArray[Any]:
    plain = dtype.plain
    if plain is None or type(shape) is not tuple or len(shape) > _DIMENSIONS:
        raise UnpicklingError("an array of bytes that holds objects, or of no shape")
    array: NDArray[Any]
    if order == "C":
        array = np.ndarray(shape, plain, content)
    else:
        array = np.ndarray(shape, plain, content, 0, None, order)
    if array.nbytes != len(content):
        raise UnpicklingError(f"{len(content)} bytes for an array {shape} of {plain}")
    if dtype.checked and not _is_sound(array):
        raise UnpicklingError(f"an array of {plain} with a value that it cannot have")
    return array


def scalar(room: Room, dtype: Any, content: Any = None) -> Any:
    """One number or text of numpy's; raises UnpicklingError as `from_buffer`."""
    room.usual &= isinstance(dtype, DType) and dtype.usual and type(content) is bytes
    if isinstance(content, str):
        content = content.encode("latin1")
    if content == b"" and isinstance(dtype, DType) and dtype.plain and not dtype.plain.itemsize:
        return dtype.plain.type()
    return from_buffer(content, dtype, ())[()]


def _made_without_bytes(*arguments: Any) -> Any:
    raise UnpicklingError("an array that is made without its bytes")


NDARRAY = Function(_made_without_bytes)  # stands for numpy.ndarray, which is named, not called


def _same(found: tuple[Any, ...], written: Any) -> bool:
    """Equal, item by item and in type: 1.0 and True are no 1."""
    return found == written and tuple(map(type, found)) == tuple(map(type, written))


def _of_objects(content: Any, shape: Any) -> NDArray[Any]:
    """An array of Python objects, from the list of them."""
    if type(content) is not list or type(shape) is not tuple or len(shape) > _DIMENSIONS:
        raise UnpicklingError("an array of objects whose content is no list")
    array = np.empty(len(content), np.object_)
    array[:] = content
    return array.reshape(shape)


def _is_sound(array: NDArray[Any]) -> bool:
    """Every value is one that its dtype can have: numpy does not look when it reads them."""
    if array.dtype.kind == "b":
        return bool((array.view(np.uint8) <= 1).all())
    number = np.dtype(np.uint32).newbyteorder(array.dtype.byteorder)
    return bool((np.frombuffer(array.tobytes(), number) <= _LAST_CHARACTER).all())
