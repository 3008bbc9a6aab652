"""A clip that is a list of image files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reworld_agent.clips.fit import fit_image
from reworld_agent.core.errors import DataError
from reworld_agent.core.images import load_image
from reworld_agent.core.result_tables import read_csv, read_frame

SUFFIXES = (".jpg", ".jpeg", ".png")
TIME_TABLES = ("index.parquet", "timestamps.csv")
_MICROSECONDS = 1e-6


def natural_key(path: Path) -> list[tuple[int, str]]:
    """Sorts `frame_2` before `frame_10`."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(p), "") if p.isdigit() else (-1, p) for p in parts]


def list_images(folder: Path) -> list[Path]:
    """JPEG and PNG files of a folder, in natural order."""
    return sorted(filter(is_image, folder.iterdir()), key=natural_key)


def is_image(path: Path) -> bool:
    """A JPEG or PNG file by its name; what macOS puts beside one (`._a.jpg`) is none."""
    name = path.name
    return path.suffix.lower() in SUFFIXES and not name.startswith("._") and path.is_file()


def read_image(path: Path) -> NDArray[np.uint8]:
    """An image file as uint8 [H, W, 3], RGB; see `core.images.load_image`."""
    damaged = "replace the image, or leave its clip out"
    return load_image(path, "the image", "make the index again", damaged)


class ImageFiles:
    """Frames of a list of images; the reader's interface is that of `VideoFile`.

    Args:
        paths: the images, in time order.
        times: seconds of each; None where they are not known.
        name: what messages call the clip.
        first_stamp: the clock of its source at the first frame, us.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        times: NDArray[np.float64] | None,
        name: str,
        first_stamp: int = 0,
    ) -> None:
        self.paths, self.times, self.name = list(paths), times, name
        self.first_stamp = first_stamp

    @classmethod
    def of_folder(cls, folder: Path) -> ImageFiles:
        """All images of a folder; times from its `index.parquet` or `timestamps.csv`, if any.

        Raises:
            DataError: it holds no image, or its table of times names other files.
        """
        paths = list_images(folder)
        if not paths:
            raise DataError(f"{folder}: holds no frames (JPEG or PNG)", "name a folder of images")
        stamps = _folder_stamps(folder, paths)
        if stamps is None:
            return cls(paths, None, str(folder))
        return cls(paths, (stamps - stamps[0]) * _MICROSECONDS, str(folder), int(stamps[0]))

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, indices: NDArray[np.int64], size: tuple[int, int] | None) -> NDArray[np.uint8]:
        """Frames uint8 [T, H, W, 3] of ascending indices; raises DataError, naming the image."""
        images: dict[int, NDArray[np.uint8]] = {}
        for index in indices.tolist():
            if index not in images:
                images[index] = fit_image(read_image(self.paths[index]), size)
        first = images[int(indices[0])].shape
        for index, image in images.items():
            if image.shape != first:
                raise DataError(
                    f"{self.paths[index]}: the image is {image.shape[1]}x{image.shape[0]}, "
                    f"the first of its clip {first[1]}x{first[0]}",
                    "give size=, or sort the images into folders of one size",
                )
        return np.stack([images[i] for i in indices.tolist()])


TABLE_HINT = "it has columns file and timestamp (in microseconds); without it no time is known"


def _folder_stamps(folder: Path, paths: list[Path]) -> NDArray[np.float64] | None:
    """Times [us] of the images, as the folder's table gives them; None where it has none."""
    table = next((folder / n for n in TIME_TABLES if (folder / n).is_file()), None)
    if table is None:
        return None
    read = read_frame if table.suffix == ".parquet" else read_csv
    frame = read(table, TABLE_HINT)
    if not {"file", "timestamp"} <= set(frame.columns):
        raise DataError(f"{table}: has no columns file, timestamp", TABLE_HINT)
    known = dict(zip(frame["file"].astype(str), frame["timestamp"], strict=True))
    missing = [p.name for p in paths if p.name not in known]
    if missing:
        raise DataError(f"{table}: has no row for {missing[0]}", "write a row for every image")
    try:
        stamps = np.array([known[p.name] for p in paths], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{table}: a timestamp is not a number ({error})", TABLE_HINT) from error
    if not np.isfinite(stamps).all() or (np.diff(stamps) <= 0).any():
        row = _first_fault(stamps)
        raise DataError(
            f"{table}: the timestamp of {paths[row].name} is not after the one before it",
            "timestamps must rise in the order of the file names",
        )
    return stamps


def _first_fault(stamps: NDArray[np.float64]) -> int:
    bad = ~np.isfinite(stamps)
    bad[1:] |= ~(np.diff(stamps) > 0)
    return int(np.argmax(bad))
