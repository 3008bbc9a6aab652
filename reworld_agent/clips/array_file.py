"""A clip that is a numpy file: what other models' scripts often write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reworld_agent.clips.fit import fit_image
from reworld_agent.core.errors import DataError

_LAYOUT = "store uint8, or floats in [-1, 1], of shape [T, 3, H, W] or [T, H, W, 3]"


class ArrayFile:
    """Frames of a .npy file, memory-mapped; it carries no times.

    Raises:
        DataError: it is no array, or of another shape or type, or has no frames.
    """

    times = None

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, str(path)
        try:
            self._array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path} is not a numpy array ({error})", _LAYOUT) from error
        shape, kind = self._array.shape, self._array.dtype
        frames = len(shape) == 4 and 3 in (shape[1], shape[3])
        if not frames or not (kind == np.uint8 or kind.kind == "f"):
            raise DataError(f"{path}: holds {kind} {shape}, no RGB frames", _LAYOUT)
        if not shape[0]:
            raise DataError(f"{path}: the array has no frames", _LAYOUT)

    def __len__(self) -> int:
        return len(self._array)

    def read(self, indices: NDArray[np.int64], size: tuple[int, int] | None) -> NDArray[np.uint8]:
        """Frames uint8 [T, H, W, 3]; DataError names the first with a value that is not finite."""
        return np.stack([fit_image(self._image(index), size) for index in indices.tolist()])

    def _image(self, index: int) -> NDArray[np.uint8]:
        image = np.asarray(self._array[index])
        if self._array.shape[3] != 3:
            image = image.transpose(1, 2, 0)
        if image.dtype == np.uint8:
            return np.ascontiguousarray(image)
        if not np.isfinite(image).all():
            raise DataError(f"{self.path}: frame {index} holds NaN or infinity", _LAYOUT)
        if np.abs(image).max() > 1 + 1e-3:
            message = f"{self.path}: frame {index} reaches {np.abs(image).max():.4g}"
            raise DataError(message, _LAYOUT)
        scaled = (np.clip(image.astype(np.float64), -1, 1) + 1) * 127.5
        return np.ascontiguousarray(np.rint(scaled).astype(np.uint8))
