"""A generated future beside the real one and another model's (the layout of the paper's Fig. 3).

Shapes: T frames, H, W pixels; clips are uint8 [T, 3, H, W].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reworld_agent.clips.fit import fit_image
from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import DataError

Clip = NDArray[np.uint8]
LABEL = 24  # pixels of the row above each panel
MARGIN = 4
_BACK, _INK = 24, (235, 235, 235)


def side_by_side(history: Clip, futures: Mapping[str, Clip], fps: float) -> Clip:
    """A video whose panels stand side by side: the history, then each future.

    The history plays in all panels first; then the first panel holds the present frame while the
    futures run. Labels name the panels, the first also the time from the present.

    Args:
        history: its last frame is the present.
        futures: by name, in order; all of one length, at the size of the history.
        fps: frames a second, for the label.

    Raises:
        DataError: a future differs in length or size from the first.
    """
    _check(history, futures)
    length = len(next(iter(futures.values())))
    frames = []
    for step in range(len(history) + length):
        ahead = step - len(history)
        past = history[min(step, len(history) - 1)]
        seconds = (step - len(history) + 1) / fps
        panels = [_panel(past, f"history   t = {seconds:+.2f} s")]
        for name, clip in futures.items():
            panels.append(_panel(past if ahead < 0 else clip[ahead], name))
        frames.append(_row(panels))
    return np.stack(frames)


def contact_sheet(
    history: Clip, futures: Mapping[str, Clip], fps: float, columns: int = 4
) -> NDArray[np.uint8]:
    """One picture [3, H', W']: a row for each future, the present and `columns` later times."""
    _check(history, futures)
    length = len(next(iter(futures.values())))
    chosen = np.unique(np.linspace(0, length - 1, min(columns, length)).round().astype(int))
    rows = []
    for name, clip in futures.items():
        panels = [_panel(history[-1], f"{name}: present")]
        panels += [_panel(clip[k], f"+{(k + 1) / fps:.2f} s") for k in chosen.tolist()]
        rows.append(_row(panels))
    gap = np.full((3, MARGIN, rows[0].shape[2]), _BACK, dtype=np.uint8)
    parts = [part for row in rows for part in (row, gap)][:-1]
    return np.concatenate(parts, axis=1)


def write_picture(path: Path, image: NDArray[np.uint8]) -> None:
    """Write uint8 [3, H, W] as png; DataError where it cannot be written."""
    pixels = np.ascontiguousarray(image.transpose(1, 2, 0)[..., ::-1])
    options = [cv2.IMWRITE_PNG_COMPRESSION, 9]
    data = cv2.imencode(".png", pixels, options)[1].tobytes()
    write_atomically(path, lambda partial: partial.write_bytes(data))


def fitted(clip: Clip, size: tuple[int, int]) -> Clip:
    """A clip at another size (H, W), by the rule of `fit`."""
    images = [fit_image(np.ascontiguousarray(image.transpose(1, 2, 0)), size) for image in clip]
    return np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))


def _check(history: Clip, futures: Mapping[str, Clip]) -> None:
    if not futures or not len(history):
        raise DataError("nothing to compare: no history or no future", "generate a future first")
    first = next(iter(futures))
    for name, clip in futures.items():
        if len(clip) != len(futures[first]):
            raise DataError(
                f"{name} has {len(clip)} frames, {first} {len(futures[first])}",
                "compare futures of one length",
            )
        if clip.shape[1:] != history.shape[1:]:
            message = f"{name} is of size {clip.shape[2:]}, the history {history.shape[2:]}"
            raise DataError(message, "bring it to the size of the history (fitted)")


def _panel(image: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """An image [3, H, W] under a row with its name."""
    row = np.full((LABEL, image.shape[2], 3), _BACK, dtype=np.uint8)
    scale = _text_scale(text, image.shape[2])
    cv2.putText(row, text, (4, LABEL - 8), cv2.FONT_HERSHEY_SIMPLEX, scale, _INK, 1, cv2.LINE_AA)
    return np.concatenate([row.transpose(2, 0, 1), image], axis=1)


def _text_scale(text: str, width: int) -> float:
    """As large as 0.5, smaller where the panel is narrow."""
    needed = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)[0][0]
    return 0.5 * min(1.0, (width - 8) / max(needed, 1))


def _row(panels: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    gap = np.full((3, panels[0].shape[1], MARGIN), _BACK, dtype=np.uint8)
    parts = [part for panel in panels for part in (panel, gap)][:-1]
    joined = np.concatenate(parts, axis=2)
    even = [(0, 0), (0, joined.shape[1] % 2), (0, joined.shape[2] % 2)]  # players want even sides
    return np.pad(joined, even, mode="edge")
