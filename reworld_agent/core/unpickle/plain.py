"""Reading again, plainly, the bytes of a pickle that was looked through before.

The first reading lets numpy do nothing: it makes each dtype and array itself, and notes whether
each was written to the letter as numpy writes it. Of such a file numpy's own functions, given
the same arguments, make the same arrays, and four times as fast. Nothing else may be named here.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np

_CORES = ("numpy.core", "numpy._core")  # numpy 1 and numpy 2: either reads files of both
_RECONSTRUCT: Any = np.empty(0).__reduce__()[0]
_SCALAR: Any = np.float64().__reduce__()[0]
_FROM_BUFFER: Any = np.zeros(1).__reduce_ex__(5)[0]
_NAMES = {
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): np.ndarray,
    **{(f"{core}.multiarray", "_reconstruct"): _RECONSTRUCT for core in _CORES},
    **{(f"{core}.multiarray", "scalar"): _SCALAR for core in _CORES},
    **{(f"{core}.numeric", "_frombuffer"): _FROM_BUFFER for core in _CORES},
}


def read_plain(data: bytes) -> Any:
    """The object in a pickle that was read with care before, and found to be plain.

    Raises:
        UnpicklingError, or nearly anything: the bytes are no such pickle.
    """
    return _Plain(io.BytesIO(data)).load()


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """One of the names that numpy's arrays need; UnpicklingError for any other."""
        found = _NAMES.get((module, name))
        if found is None:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return found
