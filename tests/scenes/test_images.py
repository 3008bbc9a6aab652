"""The one reader of images: what cameras write, and what only claims to be a picture."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reworld_agent.clips.image_files import read_image as clip_image
from reworld_agent.core.errors import DataError
from reworld_agent.core.guards import bounds
from reworld_agent.scenes.sensors import read_image as camera_image

pytestmark = pytest.mark.filterwarnings("ignore:Image size")  # PIL's own, before it refuses
READERS = [camera_image, clip_image]


def _claims(path: Path, width: int, height: int) -> Path:
    """A PNG of a few bytes that says it is so large."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + body)
    return path


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("side", [8000, 13_000, 20_000, 2**31 - 1])
def test_a_picture_far_too_large_is_refused_unread(tmp_path: Path, read: object, side: int) -> None:
    path = _claims(tmp_path / "bomb.png", side, side)
    with pytest.raises(DataError, match=r"bomb\.png: .*(pixels; at most 50 million|is damaged)"):
        read(path)  # type: ignore[operator]


@pytest.mark.parametrize("read", READERS)
def test_a_file_far_too_large_is_refused_unread(
    tmp_path: Path, read: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.jpg"
    with path.open("wb") as stream:
        stream.truncate(bounds.MAX_IMAGE_BYTES + 1)
    with pytest.raises(DataError, match=r"large\.jpg: 268,435,457 bytes; at most 268,435,456"):
        read(path)  # type: ignore[operator]


@pytest.mark.parametrize("read", READERS)
def test_grey_16_bit_and_turned_images_are_read_alike(tmp_path: Path, read: object) -> None:
    grey = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5140
    Image.fromarray(grey).save(tmp_path / "grey.png")
    found = read(tmp_path / "grey.png")  # type: ignore[operator]
    np.testing.assert_array_equal(found, np.repeat((grey // 257)[..., None], 3, axis=2))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    Image.new("RGB", (8, 4)).save(tmp_path / "turned.jpg", exif=exif)
    assert read(tmp_path / "turned.jpg").shape == (8, 4, 3)  # type: ignore[operator]
