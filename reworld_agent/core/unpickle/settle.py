"""Looking through what a pickle gave: stand-ins become arrays; depth and size are bounded."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from operator import is_
from pickle import UnpicklingError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.unpickle.arrays import Array, DType
from reworld_agent.core.unpickle.stand_ins import Record

_DEPTH = 64
_ROOM, _ROOM_TIMES = 1_000_000, 16  # values, shared ones counted as often as they are met
_NUMBERS = (np.generic, np.ndarray)
_LEAVES = frozenset(
    [str, int, float, bool, bytes, bytearray, complex, type(None), np.ndarray, np.float64]
)
_CAMERA, _TEXT = _LEAVES | {Array}, frozenset([str])
_ROWS = {tuple}
_BEING_READ = -1


class Settler:
    """Replaces the stand-ins in containers, in place where that can be.

    Args:
        size: of the file [bytes]; bounds how many values there may be, shared ones counted as
            often as they are met (ten lists of ten lists of ten lists ... are small in a file).
    """

    def __init__(self, size: int) -> None:
        self._left = _ROOM + _ROOM_TIMES * size
        self._seen: dict[int, tuple[Any, int]] = {}  # id → its replacement, and how many values
        self._kept: list[Any] = []  # so that no id is used twice

    def settle(self, value: Any, depth: int = 0) -> Any:
        """The value without stand-ins.

        Raises:
            UnpicklingError: it is nested too deep, holds itself, is too large, or holds a
                function.
        """
        kind = type(value)
        if kind in _LEAVES:
            return value
        if kind is dict:
            if _CAMERA.issuperset(map(type, value.values())) and self._is_filled(value):
                return value
        elif kind is list or kind is tuple:
            kinds = set(map(type, value))
            if kind is list and kinds == _ROWS:  # a list of flat tuples, of which logs have many
                kinds = set(map(type, chain.from_iterable(value)))
                self._take(sum(map(len, value)))
            if kinds <= _LEAVES:
                self._take(len(value))
                return value
        key = id(value)
        if key in self._seen:
            found, count = self._seen[key]
            if count == _BEING_READ:
                raise UnpicklingError("a container that holds itself")
            self._take(count)
            return found
        if depth > _DEPTH:
            raise UnpicklingError(f"nested deeper than {_DEPTH} levels")
        self._seen[key] = (value, _BEING_READ)
        self._kept.append(value)
        before = self._left
        found = self._content(value, kind, depth + 1)
        self._seen[key] = (found, before - self._left)
        return found

    def _is_filled(self, value: dict[Any, Any]) -> bool:
        """Fill a dict of leaves and arrays, as cameras are; False where it is none."""
        if not _LEAVES.issuperset(map(type, value)):
            return False
        for key, item in value.items():
            if type(item) is Array:
                array = item.value
                if array is None or array.dtype.hasobject:
                    return False
                value[key] = array
        self._take(len(value))
        return True

    def _take(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise UnpicklingError("far more values than the file has bytes")

    def _content(self, value: Any, kind: type, depth: int) -> Any:
        if kind is dict:
            self._check_hashed(value, depth)
            self._fill(value, list(value.items()), depth)
        elif kind is list:
            self._fill(value, list(enumerate(value)), depth)
        elif kind in (tuple, set, frozenset):
            self._take(len(value))
            if kind is not tuple:
                self._check_hashed(value, depth)
                return value
            items = tuple([self.settle(item, depth) for item in value])
            return value if all(map(is_, items, value)) else items
        elif isinstance(value, Record):
            value.args = self.settle(value.args, depth)
            value.fields = self.settle(value.fields, depth)
        elif kind is Array:
            return self._array(value.value, depth)
        elif kind is DType:
            return value.plain or np.dtype(np.object_)
        elif not isinstance(value, _NUMBERS):
            raise UnpicklingError(f"a {kind.__name__} among the values")
        return value

    def _check_hashed(self, values: Iterable[Any], depth: int) -> None:
        """Keys of a dict and items of a set cannot be replaced."""
        if _TEXT.issuperset(map(type, values)):
            return
        for value in values:
            if self.settle(value, depth) is not value:
                raise UnpicklingError("a dtype in place of a key")

    def _array(self, array: NDArray[Any] | None, depth: int) -> NDArray[Any]:
        if array is None:
            raise UnpicklingError("an array without content")
        if array.dtype.hasobject:
            flat = array.reshape(-1)  # shares its memory
            self._fill(flat, list(enumerate(flat)), depth)
        return array

    def _fill(self, holder: Any, items: list[tuple[Any, Any]], depth: int) -> None:
        """Replace the items of a dict, list or array of objects that are not as they should be."""
        self._take(len(items))
        for key, item in items:
            kind = type(item)
            if kind in _LEAVES:
                continue
            simple = kind is Array and item.value is not None and not item.value.dtype.hasobject
            settled = item.value if simple else self.settle(item, depth)
            if settled is not item:
                holder[key] = settled
