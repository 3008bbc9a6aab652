"""Images as PIL reads them, whoever decodes them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from reworld_agent.core import images
from reworld_agent.core.errors import DataError
from reworld_agent.core.images import load_image


def picture(size: tuple[int, int] = (97, 61)) -> Image.Image:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (8, 12, 3), dtype=np.uint8))
    return coarse.resize(size, Image.Resampling.BICUBIC)


def load(data: bytes) -> np.ndarray:
    return load_image(Path("a.jpg"), "the image", "", "", data)


def written(image: Image.Image, kind: str = "JPEG", **how: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **how)
    return stream.getvalue()


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("how", [{}, {"progressive": True}, {"quality": 30}, {"optimize": True}])
@pytest.mark.parametrize("opencv", ["4.9", "4.11"])
def test_a_jpeg_of_a_camera_has_the_pixels_that_pil_reads(
    opencv: str, how: dict[str, Any], subsampling: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if opencv == "4.9":
        monkeypatch.delattr(cv2, "IMREAD_COLOR_RGB", raising=False)
    data = written(picture(), subsampling=subsampling, **how)
    expected = np.array(Image.open(io.BytesIO(data)))

    def by_pil(self: Any) -> None:
        raise AssertionError("PIL decoded it")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", by_pil)
    found = load(data)
    assert found.dtype == np.uint8 and found.flags.c_contiguous and found.flags.writeable
    np.testing.assert_array_equal(found, expected)


def test_other_images_are_left_to_pil() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    data = written(picture(), exif=turned)
    expected = np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert load(data).shape == (97, 61, 3)
    np.testing.assert_array_equal(load(data), expected)
    for image, kind in (
        (picture().convert("L"), "JPEG"),
        (picture().convert("CMYK"), "JPEG"),
        (picture().convert("RGBA"), "PNG"),
        (picture(), "PNG"),
    ):
        data = written(image, kind)
        expected = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
        np.testing.assert_array_equal(load(data), expected)


@pytest.mark.parametrize("kept", [0.3, 0.7, 0.99])
def test_what_is_cut_short_is_refused(kept: float) -> None:
    data = written(picture((640, 360)), quality=90)
    with pytest.raises(DataError, match="the image is damaged"):
        load(data[: int(kept * len(data))])


def test_garbage_behind_an_image_is_left_to_pil(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(picture())
    monkeypatch.setattr(images, "_END_OF_JPEG", b"never")
    expected = load(data)
    monkeypatch.undo()
    np.testing.assert_array_equal(load(data + b"\0\0garbage"), expected)


def test_no_image_at_all_is_said_in_words_that_do_not_change() -> None:
    with pytest.raises(DataError) as found:
        load(b"<html>404</html>")
    assert found.value.message == "a.jpg: the image is damaged (no kind of image)"
