"""Small numbers for a page: whole centimetres and milliradians, as differences, deflated.

The page's `decode.js` undoes all of it.
"""

from __future__ import annotations

import base64
import io
import json
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_PER_METRE, _PER_RADIAN = 100.0, 1000.0


def pack_path(points: Array) -> list[int]:
    """Points [n, 2] (m) as x, y of the first and the differences of the others, cm."""
    whole = np.rint(points * _PER_METRE).astype(np.int64)
    return np.diff(whole, axis=0, prepend=np.zeros((1, 2), np.int64)).ravel().tolist()


def pack_poses(poses: Array) -> list[list[int]]:
    """Poses [n, 3] (m, m, rad) as differences of x [cm], y [cm] and heading [mrad]."""
    turned = np.column_stack([poses[:, :2] * _PER_METRE, np.unwrap(poses[:, 2]) * _PER_RADIAN])
    whole = np.rint(turned).astype(np.int64)
    steps = np.diff(whole, axis=0, prepend=np.zeros((1, 3), np.int64))
    return [column.tolist() for column in steps.T]


def unpack_path(packed: list[int]) -> Array:
    """Points [n, 2] (m) of what `pack_path` made of them."""
    points: Array = np.array(packed, np.float64).reshape(-1, 2).cumsum(axis=0) / _PER_METRE
    return points


def unpack_poses(packed: list[list[int]]) -> Array:
    """Poses [n, 3] (m, m, rad) of what `pack_poses` made of them."""
    whole = np.cumsum(np.array(packed, np.float64), axis=1).T
    poses: Array = whole / (_PER_METRE, _PER_METRE, _PER_RADIAN)
    return poses


def pack_values(values: Array, digits: int = 3) -> list[float | None]:
    """Numbers of a line, null where there is none."""
    return [round(float(x), digits) if np.isfinite(x) else None for x in values]


def deflated(content: Any) -> str:
    """JSON, deflated (raw), in base64: it cannot end a script element."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(text.encode("utf-8", "replace")) + packer.flush()
    return base64.b64encode(packed).decode("ascii")


def inflated(text: str) -> Any:
    """What `deflated` made a text of."""
    return json.loads(zlib.decompress(base64.b64decode(text), -15))


def pixels(image: str) -> NDArray[np.uint8]:
    """uint8 [H, W, 3] of a picture of a page."""
    from PIL import Image  # noqa: PLC0415 - there is no picture without Pillow

    return np.array(Image.open(io.BytesIO(base64.b64decode(image))).convert("RGB"))
