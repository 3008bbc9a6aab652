"""The one reader of image files, for cameras and for clips."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError
from reworld_agent.core.guards.bounds import MAX_IMAGE_BYTES, check_bytes, check_pixels
from reworld_agent.core.paths import require_plain

_END_OF_JPEG = b"\xff\xd9"
_MOST_16_BIT = 65535
_ORIENTATION = 0x0112  # tag of EXIF; 1 = upright


def load_image(
    path: Path, what: str, missing: str, damaged: str, data: bytes | None = None
) -> NDArray[np.uint8]:
    """uint8 [H, W, 3], RGB, upright as its EXIF says; grey and 16-bit files are converted.

    So are palettes and CMYK; an alpha channel is dropped.

    Args:
        path: the file.
        what: how messages call the image.
        missing, damaged: what to do where it is so.
        data: the bytes, where they are in no file; `path` only names them.

    Raises:
        DataError: the file is missing, cut short, no image, or far too large for one of a camera.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError  # noqa: PLC0415 - the base installation reads no images

    try:
        size = path.stat().st_size if data is None else len(data)
        check_bytes(path, size, MAX_IMAGE_BYTES, damaged)
        if data is None:
            require_plain(path)
            data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as opened:
            image: Image.Image = opened
            check_pixels(path, *image.size, damaged)  # nothing is unpacked yet
            plain = _plain_jpeg(image, data)
            if plain is not None:
                return plain
            image.load()
            with suppress(Exception):  # EXIF may hold anything; the pixels are whole
                image = ImageOps.exif_transpose(image)
            _check_range(path, image, damaged)
            if image.mode.startswith("I"):  # 16-bit grey: PIL itself would clip it to white
                image = Image.fromarray((np.asarray(image) // 257).clip(0, 255).astype(np.uint8))
            return np.array(image if image.mode == "RGB" else image.convert("RGB"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: {what} is missing", missing) from error
    except DataError:
        raise
    except UnidentifiedImageError as error:  # its own words name an address in memory
        raise DataError(f"{path}: {what} is damaged (no kind of image)", damaged) from error
    except Exception as error:  # damaged bytes make PIL raise nearly anything
        raise DataError(f"{path}: {what} is damaged ({error})", damaged) from error


def _check_range(path: Path, image: Any, hint: str) -> None:
    """Refuse numbers of which nothing says how bright they are; PIL itself would clip them."""
    deep = image.mode.startswith("I") and np.asarray(image).max(initial=0) > _MOST_16_BIT
    if image.mode == "F" or deep:
        raise DataError(f"{path}: a picture of {'float' if image.mode == 'F' else 'int'}32", hint)


def _plain_jpeg(image: Any, data: bytes) -> NDArray[np.uint8] | None:
    """The pixels of a JPEG as cameras write it, by OpenCV; None for any other image.

    They are PIL's, in three quarters of its time. OpenCV would fill up what is cut short, in grey:
    PIL is left to say so.
    """
    whole = data.endswith(_END_OF_JPEG)
    if image.format != "JPEG" or image.mode != "RGB" or not whole or _is_turned(image):
        return None
    import cv2  # noqa: PLC0415 - the base installation reads no images

    bytes_ = np.frombuffer(data, dtype=np.uint8)
    in_rgb: int | None = getattr(cv2, "IMREAD_COLOR_RGB", None)  # since 4.11; NAVSIM pins 4.9
    colours = cv2.IMREAD_COLOR if in_rgb is None else in_rgb
    found = cv2.imdecode(bytes_, colours | cv2.IMREAD_IGNORE_ORIENTATION)
    if found is None or found.shape[:2] != (image.height, image.width):
        return None
    if in_rgb is None:
        cv2.cvtColor(found, cv2.COLOR_BGR2RGB, dst=found)
    return found.astype(np.uint8, copy=False)


def _is_turned(image: Any) -> bool:
    """Whether EXIF may say that the image is not upright; it may hold anything."""
    try:
        return bool(image.getexif().get(_ORIENTATION, 1) != 1)
    except Exception:
        return True
