"""Imagined futures as films: what really came, what was imagined, the error between them."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.analysis.player.contract import FUTURE, MovingScene, empty_scene
from reworld_agent.core.errors import DataError
from reworld_agent.core.extras import require_installed
from reworld_agent.core.text import shown

Film = NDArray[np.uint8]
FUTURES = "futures"
_FOLDERS = {"real": "real", FUTURES: "imagined", "codec": "codec's own reconstruction"}
_WIDTH, _QUALITY = 480, 70
_STRONGER = 3  # of the error, so that it can be seen
_MOST_DB = 99.0  # of equal pictures


def future(folder: Path, name: str, other: Path | None = None) -> MovingScene:
    """An imagined future of `reworld video generate`.

    Args:
        folder: with `futures`, and `real` and `codec` where they are there.
        name: of the clip.
        other: another such folder, whose imagined future is shown too.

    Raises:
        DataError: a film is damaged, or two are of unlike size.
        ReWorldError: PyAV or Pillow is not installed.
    """
    require_installed("av", "PIL")
    films: dict[str, Film] = {}
    fps = 10.0
    for part, said in _FOLDERS.items():
        path = folder / part / f"{name}.mp4"
        if path.is_file():
            films[said], fps = read_film(path)
    if other is not None:
        films[f"imagined in {other.name}"], _ = read_film(other / FUTURES / f"{name}.mp4")
    shapes = {film.shape[1:] for film in films.values()}
    if len(shapes) > 1:
        raise DataError(f"{shown(folder)}: films of {name} are of unlike sizes", "make them again")
    steps = min(len(film) for film in films.values())
    packed = empty_scene(FUTURE, name, 1.0 / fps, steps)
    images: list[str] = []
    for said, film in films.items():
        packed["films"].append(_film(said, film[:steps], images))
    if "real" in films:
        for said in [said for said in films if said != "real"]:
            packed["films"].append(_error(said, films["real"][:steps], films[said][:steps], images))
    sentence = f"{steps} pictures at {fps:g} Hz: {', '.join(films)}"
    notes = () if "real" in films else ("what really came is not there",)
    packed["notes"] = [*notes]
    return MovingScene(name, packed, tuple(images), {"sentences": [sentence]}, notes)


def read_film(path: Path) -> tuple[Film, float]:
    """Pictures uint8 [T, H, W, 3] of a film, and how many a second; raises DataError."""
    import av  # noqa: PLC0415 - an extra; scenes of runs need no films

    try:
        with av.open(str(path)) as container:
            rate = container.streams.video[0].average_rate
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        raise DataError(f"{shown(path)}: no film ({error})", "make it again") from error
    if not frames:
        raise DataError(f"{shown(path)}: a film without pictures", "make it again")
    return np.stack(frames), float(rate or 10)


def picture_of(image: Film) -> str:
    """A small WebP picture in base64 of uint8 [H, W, 3]."""
    from PIL import Image  # noqa: PLC0415 - pages without pictures need no Pillow

    small, stream = Image.fromarray(image), io.BytesIO()
    small.thumbnail((_WIDTH, _WIDTH))
    small.save(stream, "webp", quality=_QUALITY, method=2)
    return base64.b64encode(stream.getvalue()).decode("ascii")


def _film(name: str, film: Film, images: list[str]) -> dict[str, Any]:
    first = len(images)
    images += [picture_of(image) for image in film]
    return {"name": name, "frames": [[i, first + i] for i in range(len(film))]}


def _error(name: str, real: Film, other: Film, images: list[str]) -> dict[str, Any]:
    """Where a film differs from what really came, and its PSNR [dB] for each picture."""
    apart = np.abs(real.astype(np.int16) - other.astype(np.int16))
    film = _film(
        f"error of {name}, {_STRONGER} times as strong",
        (apart * _STRONGER).clip(0, 255).astype(np.uint8),
        images,
    )
    square = (apart.astype(np.float64) ** 2).mean(axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        noise = np.minimum(10.0 * np.log10(255.0**2 / square), _MOST_DB)
    return {**film, "numbers": [round(float(value), 1) for value in noise], "unit": "dB PSNR"}
