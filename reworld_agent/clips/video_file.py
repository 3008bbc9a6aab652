"""A clip that is a video file, decoded by PyAV.

The timestamps come from the packets, without decoding; reading seeks to a key frame before the
first wanted frame and stops after the last. Where seeking misses (transport streams, AVI, raw
streams keep no index of key frames), frames are decoded from the start of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import dropwhile
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from reworld_agent.clips.fit import fit_image
from reworld_agent.core.errors import DataError
from reworld_agent.core.guards.bounds import MAX_PIXELS, check_pixels
from reworld_agent.core.paths import require_plain

_REPLACE = "the file is damaged: copy it again, or leave it out"
# Streams without a container: FFmpeg's names of their formats.
_RAW = frozenset(
    [
        *("h264", "hevc", "vvc", "av1", "obu", "m4v", "mpegvideo", "mjpeg", "h261", "h263"),
        *("vc1", "dirac", "dnxhd", "cavsvideo", "avs2", "avs3", "evc"),
    ]
)
_APPLE_DOUBLE = b"\x00\x05\x16\x07"  # what macOS puts beside files on other systems' disks


class VideoFile:
    """Frames of the first video stream of a file, in the order in which they are shown.

    Attributes:
        times: seconds [N] of each frame from the first, ascending; None in a raw stream (H.264,
            HEVC ...), which carries none.

    Raises:
        DataError: no such file, no video in it, no frames, or fewer than its header says.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, str(path)
        try:
            require_plain(path)
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}", _REPLACE) from error
        try:
            with av.open(str(path)) as container:
                stream = _video_stream(container, path)
                self._stamps, self._timed, found = _stamps(container, stream)
                promised = stream.frames
                self.times = None if container.format.name in _RAW else self._seconds(stream)
        except DataError:
            raise
        except Exception as error:  # damaged bytes make FFmpeg's bindings raise nearly anything
            reason = _no_video(path) or getattr(error, "strerror", None) or error
            message = f"{path}: cannot be opened as a video ({reason})"
            raise DataError(message, _REPLACE) from error
        if not len(self._stamps):
            raise DataError(f"{path}: the video has no frames", _REPLACE)
        if found < promised:
            raise DataError(f"{path}: ends after frame {found} of {promised}", _REPLACE)

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
        wanted = set(indices.tolist())
        images: dict[int, NDArray[np.uint8]] = {}
        if self._timed and min(wanted) > 0:
            try:
                images = self._decoded(wanted, size, int(self._stamps[min(wanted)]))
            except DataError:
                images = {}  # damaged, or met in the middle: the start of the file decides
        if len(images) < len(wanted):
            images = self._decoded(wanted, size, None)
        lost = sorted(wanted - set(images))
        if lost:
            raise DataError(f"{self.path}: frame {lost[0]} cannot be decoded", _REPLACE)
        return np.stack([images[index] for index in indices.tolist()])

    def _decoded(
        self, wanted: set[int], size: tuple[int, int] | None, start: int | None
    ) -> dict[int, NDArray[np.uint8]]:
        """The wanted frames by number, as far as they are met from a key frame before `start`.

        Args:
            wanted: numbers of frames.
            size: see `read`.
            start: a time stamp; None = from the start of the file.

        Raises:
            DataError: a frame before the last wanted one is damaged.
        """
        images: dict[int, NDArray[np.uint8]] = {}
        number = -1
        try:
            with av.open(str(self.path)) as container:
                stream = _video_stream(container, self.path)
                # a picture in the middle of the stream may be larger than its header says
                bounds = {"err_detect": "explode", "max_pixels": str(MAX_PIXELS)}
                stream.codec_context.options = bounds
                if start is not None:
                    container.seek(start, stream=stream, backward=True)
                frames = container.decode(stream)
                if start is not None:  # what comes before its key frame lacks what it is coded from
                    frames = dropwhile(lambda frame: not frame.key_frame, frames)
                for number, frame in self._numbered(frames):
                    if frame.is_corrupt:
                        raise DataError(f"{self.path}: frame {number} is damaged", _REPLACE)
                    if number in wanted:
                        images[number] = fit_image(_upright(frame), size)
                        if len(images) == len(wanted):
                            break
        except DataError:
            raise
        except (av.error.FFmpegError, OSError, ValueError) as error:
            message = f"{self.path}: decoding fails after frame {number} ({error})"
            raise DataError(message, _REPLACE) from error
        return images

    def _numbered(self, frames: Iterator[Any]) -> Iterator[tuple[int, Any]]:
        """Frames with their numbers; those before the first key frame have none and are left."""
        number = -1
        for frame in frames:
            if self._timed and frame.pts is not None:
                number = int(np.searchsorted(self._stamps, frame.pts))
                if number == len(self._stamps) or self._stamps[number] != frame.pts:
                    continue
            else:
                number += 1
            yield number, frame


def _video_stream(container: Any, path: Path) -> Any:
    if not container.streams.video:
        raise DataError(f"{path}: has no video stream", "name a video file")
    stream = container.streams.video[0]
    check_pixels(path, stream.width or 0, stream.height or 0, "make a smaller copy of it")
    return stream


def _stamps(container: Any, stream: Any) -> tuple[NDArray[np.int64], bool, int]:
    """Times of all frames in units of the stream, ascending.

    Returns:
        The times; whether the packets tell them, else frames are numbered at the average rate;
        and the number of frames, those before the first key frame among them.
    """
    packets = [p for p in container.demux(stream) if p.size and not p.is_discard]
    first = next((k for k, packet in enumerate(packets) if packet.is_keyframe), 0)
    stamps = [packet.pts for packet in packets[first:]]
    if stamps and all(stamp is not None for stamp in stamps):
        shown = np.unique(np.array(stamps, dtype=np.int64))
        return (shown[shown >= stamps[0]] if first else shown), True, len(packets)
    step = 1 / (float(stream.average_rate or 25) * float(stream.time_base))
    return np.round(np.arange(len(stamps)) * step).astype(np.int64), False, len(packets)


def _no_video(path: Path) -> str | None:
    """What a file is that bears a video's name and is none; None where that cannot be seen."""
    if path.is_dir():
        return "it is a folder"
    try:
        with path.open("rb") as stream:
            start = stream.read(64)
    except OSError as error:
        return str(error.strerror or error)
    if not start:
        return "it is empty"
    if start.startswith(_APPLE_DOUBLE) or path.name.startswith("._"):
        return "it is what macOS keeps beside a file, not the file"
    if start.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS, not the file itself: git lfs pull"
    text = start.isascii() and start.decode("ascii").replace("\n", " ").strip().isprintable()
    return "it is a text" if text else None


def _upright(frame: Any) -> NDArray[np.uint8]:
    """RGB uint8 [H, W, 3] of any pixel format, turned as the file's display matrix says."""
    image: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
