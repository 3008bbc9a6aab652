"""A clip that is a video file, decoded by PyAV.

The timestamps come from the packets, without decoding; reading seeks to the key frame before the
first wanted frame and stops after the last.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from reworld_agent.clips.fit import fit_image
from reworld_agent.core.bounds import check_pixels
from reworld_agent.core.errors import DataError

_REPLACE = "the file is damaged: copy it again, or leave it out"


class VideoFile:
    """Frames of the first video stream of a file, in the order in which they are shown.

    Attributes:
        times: seconds [N] of each frame from the first, ascending.

    Raises:
        DataError: no such file, no video in it, no frames, or fewer than its header says.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, str(path)
        try:
            with av.open(str(path)) as container:
                stream = _video_stream(container, path)
                self._stamps = _stamps(container, stream)
                promised = stream.frames
                self.times = self._seconds(stream)
        except av.error.FFmpegError as error:
            raise DataError(f"{path}: cannot be opened as a video ({error})", _REPLACE) from error
        if not len(self._stamps):
            raise DataError(f"{path}: the video has no frames", _REPLACE)
        if len(self._stamps) < promised:
            message = f"{path}: ends after frame {len(self._stamps)} of {promised}"
            raise DataError(message, _REPLACE)

    def __len__(self) -> int:
        return len(self._stamps)

    def _seconds(self, stream: Any) -> NDArray[np.float64]:
        if not len(self._stamps):
            return np.zeros(0)
        times: NDArray[np.float64] = (self._stamps - self._stamps[0]) * float(stream.time_base)
        return times

    def read(self, indices: NDArray[np.int64], size: tuple[int, int] | None) -> NDArray[np.uint8]:
        """Frames uint8 [T, H, W, 3] of ascending indices (repeats allowed).

        Raises:
            DataError: a wanted frame, or one that it is coded from, is damaged; says which.
        """
        images: dict[int, NDArray[np.uint8]] = {}
        wanted = set(indices.tolist())
        with av.open(str(self.path)) as container:
            stream = _video_stream(container, self.path)
            stream.codec_context.options = {"err_detect": "explode"}
            container.seek(int(self._stamps[indices[0]]), stream=stream, backward=True)
            for number, frame in self._frames(container, stream):
                if number in wanted:
                    images[number] = fit_image(_upright(frame), size)
                    if len(images) == len(wanted):
                        break
        lost = sorted(wanted - set(images))
        if lost:
            raise DataError(f"{self.path}: frame {lost[0]} cannot be decoded", _REPLACE)
        return np.stack([images[index] for index in indices.tolist()])

    def _frames(self, container: Any, stream: Any) -> Iterator[tuple[int, Any]]:
        """Decoded frames with their numbers; DataError says at which one decoding failed."""
        number = -1
        try:
            for frame in container.decode(stream):
                number = self._number(frame, number)
                if frame.is_corrupt:
                    raise DataError(f"{self.path}: frame {number} is damaged", _REPLACE)
                yield number, frame
        except av.error.FFmpegError as error:
            message = f"{self.path}: decoding fails after frame {number} ({error})"
            raise DataError(message, _REPLACE) from error

    def _number(self, frame: Any, previous: int) -> int:
        if frame.pts is None:
            return previous + 1
        return int(np.searchsorted(self._stamps, frame.pts))


def _video_stream(container: Any, path: Path) -> Any:
    if not container.streams.video:
        raise DataError(f"{path}: has no video stream", "name a video file")
    stream = container.streams.video[0]
    check_pixels(path, stream.width or 0, stream.height or 0, "make a smaller copy of it")
    return stream


def _stamps(container: Any, stream: Any) -> NDArray[np.int64]:
    """Presentation times of all frames in units of the stream, ascending.

    A raw stream carries none: its frames are numbered at the average rate.
    """
    packets = [p for p in container.demux(stream) if p.size and not p.is_discard]
    stamps = [p.pts for p in packets]
    if all(stamp is not None for stamp in stamps):
        return np.sort(np.array(stamps, dtype=np.int64))
    step = 1 / (float(stream.average_rate or 25) * float(stream.time_base))
    return np.round(np.arange(len(packets)) * step).astype(np.int64)


def _upright(frame: Any) -> NDArray[np.uint8]:
    """RGB uint8 [H, W, 3] of any pixel format, turned as the file's display matrix says."""
    image: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
