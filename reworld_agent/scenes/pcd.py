"""Merged lidar point clouds: PCD v0.7 with binary data, as OpenScene ships them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError

LIDAR_FIELDS = ("x", "y", "z", "intensity", "ring", "lidar_info")
_KINDS = {"I": "i", "U": "u", "F": "f"}
_AGAIN = "download the point cloud again"


def read_pcd(path: Path) -> NDArray[np.float32]:
    """Points as float32 [6, N]: x, y, z [m, ego frame], intensity, ring, lidar id.

    Raises:
        DataError: the file is missing, cut short, or has not these fields.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: cannot read the point cloud ({error.strerror})", _AGAIN
        ) from error
    try:
        header, start = _parse_header(content)
        kinds = zip(header["TYPE"], header["SIZE"], strict=True)
        formats = [f"<{_KINDS[kind]}{size}" for kind, size in kinds]
        row = np.dtype(list(zip(header["FIELDS"], formats, strict=True)))
        count = int(header["POINTS"][0])
        if count < 0:
            raise ValueError(f"POINTS {count}")
        points = np.frombuffer(content, row, count, start)
        return np.array([points[name].astype(np.float32) for name in LIDAR_FIELDS])
    except (KeyError, ValueError, IndexError, TypeError, OverflowError) as error:
        raise DataError(f"{path}: not a whole binary PCD file ({error})", _AGAIN) from error


def _parse_header(content: bytes) -> tuple[dict[str, list[str]], int]:
    """Words of each header line by its key, and where the data start."""
    header: dict[str, list[str]] = {}
    start = 0
    while "DATA" not in header:
        end = content.index(b"\n", start)
        words = content[start:end].decode("ascii", "replace").split()
        start = end + 1
        if words and not words[0].startswith("#"):
            header[words[0]] = words[1:]
    if header["DATA"] != ["binary"]:
        raise ValueError(f"DATA {' '.join(header['DATA'])} instead of binary")
    return header, start
