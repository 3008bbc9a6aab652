"""Kinds of pixels, EXIF and damage, as planners and clips see them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reworld_agent.clips.image_files import ImageFiles
from reworld_agent.core.errors import DataError
from reworld_agent.scenes.sensors import Cameras, read_image
from tests.scenes.small_logs import make_log

GREY = np.tile(np.arange(0, 240, 10, dtype=np.uint8), (16, 1))  # [16, 24], dark to light
COLOURS = np.stack([GREY, GREY[:, ::-1], np.full_like(GREY, 90)], axis=-1)


def _saved(path: Path, image: Image.Image, **how: Any) -> Path:
    image.save(path, **how)
    return path


def test_kinds_of_pixels(tmp_path: Path) -> None:
    colour, grey = Image.fromarray(COLOURS), Image.fromarray(GREY)
    three = np.repeat(GREY[..., None], 3, axis=-1)
    alpha = Image.fromarray(np.dstack([COLOURS, np.full_like(GREY, 7)]))
    palette = colour.convert("P", palette=Image.Palette.ADAPTIVE, colors=256)
    deep = Image.fromarray(GREY.astype(np.uint16) * 257)
    cases = {
        "rgb.png": (colour, COLOURS, 0),
        "grey.png": (grey, three, 0),
        "deep.png": (deep, three, 0),
        "alpha.png": (alpha, COLOURS, 0),
        "grey_alpha.png": (Image.merge("LA", [grey, grey]), three, 0),
        "palette.png": (palette, COLOURS, 40),
        "one_bit.png": (grey.point(lambda v: 255 * (v > 100), "1"), None, 0),
        "rgb.jpg": (colour, COLOURS, 40),
        "grey.jpg": (grey, three, 4),
        "cmyk.jpg": (colour.convert("CMYK"), COLOURS, 40),
    }
    for name, (image, wanted, near) in cases.items():
        found = read_image(_saved(tmp_path / name, image))
        assert found.dtype == np.uint8 and found.shape == (16, 24, 3) and found.flags.writeable
        if wanted is not None:
            assert np.abs(found.astype(int) - wanted).max() <= near, name
    assert np.array_equal(np.unique(read_image(tmp_path / "one_bit.png")), [0, 255])


@pytest.mark.parametrize(("orientation", "turns"), [(3, 2), (6, 3), (8, 1)])
def test_upright_as_exif_says(tmp_path: Path, orientation: int, turns: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(COLOURS)
    path = _saved(tmp_path / "a.png", image, exif=exif)
    assert np.array_equal(read_image(path), np.rot90(COLOURS, turns))
    path = _saved(tmp_path / "a.jpg", image, exif=exif, quality=95)
    assert read_image(path).shape == np.rot90(COLOURS, turns).shape
    path = _saved(tmp_path / "b.jpg", image, exif=b"Exif\0\0II*\0\xff\xff\xff\xff", quality=95)
    assert read_image(path).shape == COLOURS.shape  # its EXIF is damaged, its pixels are whole


def test_planner_and_clips_see_the_same(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray(GREY.astype(np.uint16) * 257)
    frame = make_log("a", 1)[0]
    path = tmp_path / frame["cams"]["CAM_F0"]["data_path"]
    path.parent.mkdir(parents=True)
    deep.save(path, format="PNG", exif=exif)
    seen = Cameras.from_camera_dict(tmp_path, frame["cams"], ["cam_f0"]).cam_f0.image
    clip = ImageFiles([path], None, "a").read(np.array([0]), None)[0]
    assert seen is not None and np.array_equal(seen, clip)
    assert seen.shape == (24, 16, 3) and seen.max() == GREY.max()


def test_what_is_no_image_is_one_error(tmp_path: Path) -> None:
    whole = _saved(tmp_path / "a.jpg", Image.fromarray(COLOURS), quality=95).read_bytes()
    for data in (b"", b"text", whole[:-60], whole[:20], b"\x00\x05\x16\x07" + bytes(40)):
        (tmp_path / "b.jpg").write_bytes(data)
        with pytest.raises(DataError, match=r"b\.jpg: image of frame 12 is damaged .*\n  next: "):
            read_image(tmp_path / "b.jpg", "12")
    with pytest.raises(DataError, match="is missing"):
        read_image(tmp_path / "none.png")
    with pytest.raises(DataError, match="damaged"):
        read_image(tmp_path)


def test_damaged_images_are_one_error(tmp_path: Path) -> None:
    draw = random.Random(0)
    for name in ("a.png", "a.jpg"):
        whole = _saved(tmp_path / name, Image.fromarray(COLOURS)).read_bytes()
        for _ in range(150):
            data = bytearray(whole)
            for _ in range(draw.randint(1, 4)):
                data[draw.randrange(len(data))] = draw.randrange(256)
            (tmp_path / name).write_bytes(data)
            try:
                assert read_image(tmp_path / name).ndim == 3
            except DataError as error:
                assert error.hint


@pytest.mark.parametrize("values", [GREY.astype(np.float32), GREY.astype(np.int32) * 70_000])
def test_numbers_without_a_range_are_refused(tmp_path: Path, values: np.ndarray) -> None:
    """PIL itself clips them to white."""
    path = _saved(tmp_path / "deep.tiff", Image.fromarray(values))
    with pytest.raises(DataError, match=r"a picture of (float|int)32"):
        read_image(path, "t")
