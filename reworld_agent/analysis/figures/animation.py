"""The 4 s of a scene as GIF or MP4: traffic, the simulated plan, the human, PDM-Closed.

What stays is drawn once; each frame only draws what moves over it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from reworld_agent.analysis.figures import bev, style
from reworld_agent.analysis.figures.readings import draw_legend, readings
from reworld_agent.analysis.figures.style import WHO
from reworld_agent.analysis.picture_kinds import MOVING, kind_of, require_kind
from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import ConfigError
from reworld_agent.core.vocabulary import PDMS_V1
from reworld_agent.pdm.metrics import FailureAnnotation
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.simulate.rollout import rollout

Array = NDArray[np.float64]
Picture = NDArray[np.uint8]
FPS = 10  # the simulator's own steps
FOOT, FOOT_OF_TWO = 0.055, 0.075  # of the legend, a share of the height
_PAUSE_STEPS = 8  # the instant of failure is held


@style.plain_text()
def write(
    path: str | Path,
    cache: SceneCache,
    poses: Array,
    annotation: FailureAnnotation | None = None,
    title: str = "",
    interval_s: float | None = None,
    protocol: str = PDMS_V1,
    beside: bev.Beside | None = None,
) -> None:
    """Write the animation of one scene.

    Args:
        path: `.gif` (by pillow) or `.mp4` (by PyAV, H.264).
        cache: the scene.
        poses: [8, 3] at 2 Hz or [40, 3] at 10 Hz: the plan, ego frame; else [L, 3].
        annotation: the failure; its instant is held for 0.8 s.
        title: text above, a line an agent.
        interval_s: between poses [s], where it is another.
        protocol: whose metrics are written under the picture.
        beside: another agent.

    Raises:
        UsageError: another suffix. ConfigError: PyAV is not installed.
        DataError: the file cannot be written.
    """
    path = Path(path)
    require_kind("path", path, MOVING)
    pictures = list(frames(cache, poses, annotation, title, interval_s, protocol, beside))
    save(path, pictures, FPS, annotation.step if annotation else 0)


def save(path: Path, pictures: list[Picture], fps: float, most_colourful: int = 0) -> None:
    """Write pictures uint8 [H, W, 3], H and W even, as `.gif` or `.mp4`.

    Args:
        path: of the file.
        pictures: in their order.
        fps: how many a second.
        most_colourful: number of one whose colours a GIF's palette must have.

    Raises:
        ConfigError: PyAV is not installed. DataError: the file cannot be written.
    """
    if kind_of(path) == "mp4":
        write_atomically(path, lambda partial: _save_mp4(partial, pictures, fps))
        return
    colourful = [*pictures[:: max(len(pictures) // 3, 1)], pictures[most_colourful]]
    write_atomically(path, lambda partial: _save_gif(partial, pictures, colourful, fps))


def frames(
    cache: SceneCache,
    poses: Array,
    annotation: FailureAnnotation | None = None,
    title: str = "",
    interval_s: float | None = None,
    protocol: str = PDMS_V1,
    beside: bev.Beside | None = None,
) -> Iterator[Picture]:
    """Pictures uint8 [480, 720, 3] at 10 Hz: 41 steps, and the instant of failure held.

    Under the bird's eye stand a legend and what decides each metric at the instant.
    """
    figure = Figure(figsize=(7.2, 4.8), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.075, 0.2, 0.915, 0.68))
    who = bev.drivers(cache, poses, interval_s, beside)
    bev.draw_map(axes, cache)
    for name, own in who.items():
        axes.plot(*own[:, :2].T, linewidth=1.2, alpha=0.7, zorder=5, **WHO[name])
    bev.set_window(axes, cache, who, annotation)
    time = bev.label_time(axes, 0)
    shown = annotation.step if annotation else 0
    named = bev.label(axes, cache, who, shown, annotation, [time], beside)
    time.remove()
    if named is not None:
        named.set_animated(True)  # only drawn where it is asked for
    width, size = (100, 9.0) if beside is None else (120, 7.5)
    lines = [line for said in title.split("\n") for line in textwrap.wrap(said, width)[:2]]
    figure.text(0.01, 0.985, "\n".join(lines), va="top", fontsize=size)
    draw_legend(figure, cache, bev.names_of(beside), FOOT if beside is None else FOOT_OF_TWO)
    strips = measured(cache, protocol, poses, interval_s, beside)
    strip = figure.text(0.01, 0.018, "", fontsize=style.SMALL, animated=True, zorder=10)
    canvas.draw()
    still = canvas.copy_from_bbox(figure.bbox)
    for step in range(41):
        canvas.restore_region(still)
        _draw_step(axes, cache, who, step, annotation, beside)
        strip.set_text(strips[step])
        figure.draw_artist(strip)
        if named is not None and annotation is not None and step == annotation.step:
            axes.draw_artist(named)
        picture = np.asarray(canvas.buffer_rgba())[..., :3].copy()
        held = _PAUSE_STEPS if annotation is not None and step == annotation.step else 1
        yield from [picture] * held


def measured(
    cache: SceneCache,
    protocol: str,
    poses: Array,
    interval_s: float | None = None,
    beside: bev.Beside | None = None,
) -> list[str]:
    """What stands under each of the 41 steps: a line an agent."""
    own = readings(cache, rollout(cache, poses[None], interval_s)[0], protocol)
    if beside is None:
        return own
    states = rollout(cache, beside.poses[None], beside.interval_s)[0]
    other = readings(cache, states, protocol)
    return [f"{beside.first}: {a}\n{beside.name}: {b}" for a, b in zip(own, other, strict=True)]


def _draw_step(
    axes: Axes,
    cache: SceneCache,
    who: dict[str, Array],
    step: int,
    annotation: FailureAnnotation | None,
    beside: bev.Beside | None,
) -> None:
    """Draw what moves over the restored background, and forget it."""
    before = set(axes.get_children())
    failed = annotation is not None and step >= annotation.step
    bev.draw_tracks(axes, cache, step, annotation.track if annotation and failed else None)
    for name, own in who.items():
        bev.draw_ego(axes, own[step], name)
    if annotation is not None and step == annotation.step:
        bev.draw_annotation(axes, cache, who, annotation, beside)
    bev.label_time(axes, step)
    added: list[Artist] = [child for child in axes.get_children() if child not in before]
    for artist in sorted(added, key=lambda artist: artist.get_zorder()):
        axes.draw_artist(artist)
    for artist in added:
        artist.remove()


def _save_gif(path: Path, pictures: list[Picture], colourful: list[Picture], fps: float) -> None:
    """One palette for all frames, taken from the colourful ones."""
    palette = Image.fromarray(np.concatenate(colourful)).quantize(96)
    images = [
        Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE)
        for picture in pictures
    ]
    images[0].save(
        path,
        format="gif",
        save_all=True,
        append_images=images[1:],
        duration=round(1000 / fps),
        loop=0,
    )


def _save_mp4(path: Path, pictures: list[Picture], fps: float) -> None:
    try:
        import av  # noqa: PLC0415 - an extra; a gif does without

        from reworld_agent.clips.video_out import REPEATABLE  # noqa: PLC0415 - imports it too
    except ImportError as error:
        raise ConfigError(
            "mp4 needs PyAV, which is not installed",
            "pip install 'reworld-agent[video]', or write a .gif",
        ) from error
    with path.open("wb") as stream, av.open(stream, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt, video.options = "yuv420p", dict(REPEATABLE)
        for picture in pictures:
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
