"""A clip that is a numpy file: what other models' scripts often write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.clips.fit import fit_image
from reworld_agent.clips.stored import LAYOUTS, RANGES, TCHW, THWC, Stored, range_text
from reworld_agent.core.errors import DataError
from reworld_agent.core.guards.bounds import MAX_ARRAY_BYTES, check_bytes, check_pixels

SUFFIXES = (".npy", ".npz")
_LAYOUT = "store uint8 or floats of shape [T, 3, H, W] or [T, H, W, 3]"
_TOLERANCE = 1e-3  # of the range: what rounding leaves over its ends


class ArrayFile:
    """Frames of a .npy file, memory-mapped, or of the one array of a .npz; it carries no times.

    Args:
        path: the file.
        stored: range of its floats, and the order of its axes where the shape allows two.

    Raises:
        DataError: it is no array, or of another shape or type, or has no frames; or it does not
            say how it is stored, and neither does `stored`.
    """

    times = None

    def __init__(self, path: Path, stored: Stored | None = None) -> None:
        self.path, self.name = path, str(path)
        stored = stored or Stored()
        self._array = _load(path)
        shape, kind = self._array.shape, self._array.dtype
        self._layout = self._checked_layout(shape, kind, stored)
        if not shape[0]:
            raise DataError(f"{path}: the array has no frames", _LAYOUT)
        self._range = stored.range
        if self.floats and self._range is None:
            known = ", ".join(map(range_text, RANGES))
            raise DataError(
                f"{path}: holds {kind}, and nothing says which numbers are black and white",
                f"declare it: range= one of {known}; or store uint8",
            )

    def _checked_layout(self, shape: tuple[int, ...], kind: np.dtype[Any], stored: Stored) -> str:
        places = {TCHW: 1, THWC: 3}
        possible = [name for name in LAYOUTS if len(shape) == 4 and shape[places[name]] == 3]
        if not possible or not (kind == np.uint8 or kind.kind == "f"):
            raise DataError(f"{self.path}: holds {kind} {shape}, no RGB frames", _LAYOUT)
        if stored.layout is not None and stored.layout not in possible:
            what = f"{self.path}: its shape {shape} is not {stored.layout}"
            raise DataError(what, f"say layout={possible[0]}, or leave it out")
        height, width = shape[1:3] if possible[0] == THWC else shape[2:]
        check_pixels(self.path, width, height, _LAYOUT)
        swapped = shape[0] == shape[1] == 3  # three frames, or the colours before the frames
        if stored.layout is None and (len(possible) > 1 or swapped):
            raise DataError(
                f"{self.path}: of the shape {shape} nothing says which axis holds the colours",
                f"declare it: layout={TCHW} or layout={THWC}",
            )
        return stored.layout or possible[0]

    @property
    def floats(self) -> bool:
        """Whether it holds floats, whose range must be declared."""
        return self._array.dtype != np.uint8

    def __len__(self) -> int:
        return len(self._array)

    def read(self, indices: NDArray[np.int64], size: tuple[int, int] | None) -> NDArray[np.uint8]:
        """Frames uint8 [T, H, W, 3]; DataError names the first with a value out of its range."""
        return np.stack([fit_image(self._image(index), size) for index in indices.tolist()])

    def _image(self, index: int) -> NDArray[np.uint8]:
        image = np.asarray(self._array[index])
        if self._layout == TCHW:
            image = image.transpose(1, 2, 0)
        if self._range is None or image.dtype == np.uint8:
            return np.ascontiguousarray(image)
        if not np.isfinite(image).all():
            raise DataError(f"{self.path}: frame {index} holds NaN or infinity", _LAYOUT)
        low, high = self._range
        slack = _TOLERANCE * (high - low)
        least, most = float(image.min()), float(image.max())
        if least < low - slack or most > high + slack:
            what = f"{self.path}: frame {index} reaches from {least:.4g} to {most:.4g}"
            raise DataError(f"{what}, not in {range_text(self._range)}", "declare another range=")
        share = (np.clip(image.astype(np.float64), low, high) - low) / (high - low)
        return np.ascontiguousarray(np.rint(share * 255.0).astype(np.uint8))


def _load(path: Path) -> NDArray[Any]:
    """The array of a file; raises DataError where there is none, or more than one."""
    try:
        found: Any = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(found, np.ndarray):
            return found
        with found:
            if len(found.files) == 1:
                size = found.zip.infolist()[0].file_size  # what it says that it unpacks to
                check_bytes(path, size, MAX_ARRAY_BYTES, "save the array as .npy")
                array: NDArray[Any] = found[found.files[0]]
                return array
            names = ", ".join(found.files[:5]) or "none"
    except DataError:
        raise
    except Exception as error:  # damaged headers make numpy raise nearly anything
        raise DataError(f"{path} is not a numpy array ({error})", _LAYOUT) from error
    raise DataError(f"{path}: one array of frames is wanted; it holds {names}", _LAYOUT)
