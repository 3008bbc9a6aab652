"""The scene cache: everything the scorer needs about one scene, as plain arrays in one file.

A cache holds no paths and no pickles; a folder of caches can be moved or shared. Arrays are
float64 unless the field says otherwise. Legend of shapes: T tracks, P map polygons, R rings,
V ring vertices, K centreline points, L traffic lights.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.atomic import partial_path
from reworld_agent.core.errors import DataError

FORMAT_VERSION = 2

TRACK_TYPES = (
    "vehicle",
    "pedestrian",
    "bicycle",
    "traffic_cone",
    "barrier",
    "czone_sign",
    "generic_object",
)
N_AGENT_TYPES = 3  # the first three move by themselves; hitting them costs the whole score

ROADBLOCK, LANE, LANE_CONNECTOR, INTERSECTION, CARPARK = range(5)
POLYGON_KINDS = ("roadblock", "lane", "lane_connector", "intersection", "carpark")

N_STEPS = 41  # simulated states, t0 + 0..4 s at 10 Hz
N_REPLAY_STEPS = 51  # replayed traffic, t0 + 0..5 s at 10 Hz

_DAMAGE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, OverflowError),
    *(zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, MemoryError, SyntaxError),
)
_ALIGNMENT = 16  # bytes; unicode and float64 views need no more


def _no_poses() -> NDArray[np.float64]:
    return np.empty((0, 3))


def _payload(member: bytes) -> NDArray[np.uint8]:
    """The uint8 array in the bytes of an npy file."""
    array: NDArray[np.uint8] = np.lib.format.read_array(io.BytesIO(member), allow_pickle=False)
    return array


def _digest(archive: zipfile.ZipFile) -> str:
    """Digest of both members, from the checksums that the archive checks as it reads them."""
    return "".join(f"{archive.getinfo(name).CRC:08x}" for name in ("header.npy", "data.npy"))


def _write_whole(path: Path, **arrays: NDArray[np.uint8]) -> str:
    """Write an npz under a name of this process's own, then move it to its place in one step."""
    partial = partial_path(path)
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as stream:  # given a name, numpy would end it in .npz
                np.savez(stream, **arrays)  # type: ignore[arg-type]  # none is `allow_pickle`
            with zipfile.ZipFile(partial) as archive:
                digest = _digest(archive)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"{path}: the scene cache cannot be written ({error.strerror or error})",
            "free some space, or choose another folder for the caches",
        ) from error
    return digest


@dataclass(eq=False)  # two caches are the same one or not; arrays are not compared
class SceneCache:
    """One scene at t0, ready to score any trajectory.

    Attributes:
        token, log_name, map_name: names of the frame at t0, its log and its city map.
        time_us: log time of t0 [µs].
        ego_state: [11] rear axle at t0 in the global frame, as the simulation starts: x, y [m],
            heading [rad], vx, vy [m/s], ax, ay [m/s²], steering angle [rad], steering rate,
            angular velocity [rad/s], angular acceleration [rad/s²].
        track_token: str [T].
        track_type: int8 [T], index into `TRACK_TYPES`.
        track_size: [T, 2] length, width [m] of the first sighting.
        track_pose: [51, T, 3] box centre x, y [m] and heading [rad], global frame, at
            t0 + 0..5 s; NaN where the object is absent.
        track_speed: [T] speed [m/s] of the first sighting.
        track_heading: [T] heading [rad] of the first sighting, global.
        polygon_kind: int8 [P], one of ROADBLOCK, LANE, LANE_CONNECTOR, INTERSECTION, CARPARK.
        polygon_id: str [P], fid of the map object.
        polygon_on_route: bool [P].
        ring_xy: [V, 2] vertices of all rings, global; a ring repeats its first vertex at the end
            or not, both are read alike.
        ring_start: int32 [R + 1], first vertex of each ring, then V.
        polygon_ring_start: int32 [P + 1], first ring of each polygon, then R. A point is inside
            by the even-odd rule over all rings of the polygon (holes, multipolygons).
        centerline: [K, 3] x, y, heading of the route's discrete centreline, global.
        pdm_closed_poses: [41, 3] global rear-axle poses of PDM-Closed (v1.1), sampled at
            `sampling.sample_times_us(time_us)`.
        pdm_closed_poses_v2: [41, 3] the same of PDM-Closed v2.2, or [0, 3].
        human_poses: [8, 3] logged future at 2 Hz in the ego frame; NaN rows where the log ends.
        driving_command: int, index of the one-hot command (left, straight, right, unknown).

    Only EPDMS (v2.2) reads the rest:
        track_sightings: int8 [T, 2] first and last frame (2 Hz, 0..8) that shows the track within
            4 s; −1 where none does. Its replay ends at 4 s: a track is present between these
            frames, or all the time where they are the same one.
        light_id: str [L], fid of each lane connector of the route AS LOGGED that is red in some
            frame of the 4 s.
        light_red: bool [9, L] at the frames 0..8; frame k holds from step 5 k to 5 k + 4.
        light_ring_xy, light_ring_start, light_polygon_ring_start: the connectors' polygons, laid
            out as the map's.
        past_states: [F, 11] logged states up to t0, 2 Hz, layout of `ego_state`; F ≤ 4.
        past_time_us: int64 [F] log times [µs] of these states; the last is t0.

    Of a cache in a folder of a split, no score reads:
        origin: digest of the logs, maps and code that it was built from; "" elsewhere.
    """

    token: str
    log_name: str
    map_name: str
    time_us: int
    ego_state: NDArray[np.float64]
    track_token: NDArray[np.str_]
    track_type: NDArray[np.int8]
    track_size: NDArray[np.float64]
    track_pose: NDArray[np.float64]
    track_speed: NDArray[np.float64]
    track_heading: NDArray[np.float64]
    polygon_kind: NDArray[np.int8]
    polygon_id: NDArray[np.str_]
    polygon_on_route: NDArray[np.bool_]
    ring_xy: NDArray[np.float64]
    ring_start: NDArray[np.int32]
    polygon_ring_start: NDArray[np.int32]
    centerline: NDArray[np.float64]
    pdm_closed_poses: NDArray[np.float64]
    pdm_closed_poses_v2: NDArray[np.float64] = field(default_factory=_no_poses)
    human_poses: NDArray[np.float64] = field(default_factory=lambda: np.full((8, 3), np.nan))
    driving_command: int = 3
    track_sightings: NDArray[np.int8] = field(default_factory=lambda: np.empty((0, 2), np.int8))
    light_id: NDArray[np.str_] = field(default_factory=lambda: np.empty(0, np.str_))
    light_red: NDArray[np.bool_] = field(default_factory=lambda: np.empty((9, 0), np.bool_))
    light_ring_xy: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    light_ring_start: NDArray[np.int32] = field(default_factory=lambda: np.zeros(1, np.int32))
    light_polygon_ring_start: NDArray[np.int32] = field(
        default_factory=lambda: np.zeros(1, np.int32)
    )
    past_states: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 11)))
    past_time_us: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    origin: str = ""

    def save(self, path: str | Path) -> str:
        """Write the cache as one uncompressed npz, whole or not at all.

        Several processes may save the same scene at the same time: the last one's file stays.

        Returns:
            The digest of its content, as `read` finds it.

        Raises:
            DataError: the disk is full or the folder not writable; an older file is untouched.
        """
        names: dict[str, Any] = {}
        arrays: dict[str, Any] = {}
        chunks: list[bytes] = []
        offset = 0
        for item in fields(self):
            value = getattr(self, item.name)
            if not isinstance(value, np.ndarray):
                names[item.name] = value
                continue
            raw = np.ascontiguousarray(value).tobytes()
            arrays[item.name] = [value.dtype.str, list(value.shape), offset]
            padding = -len(raw) % _ALIGNMENT
            chunks += [raw, bytes(padding)]
            offset += len(raw) + padding
        header = {"version": FORMAT_VERSION, "names": names, "arrays": arrays}
        return _write_whole(
            Path(path),
            header=np.frombuffer(json.dumps(header).encode(), np.uint8),
            data=np.frombuffer(b"".join(chunks), np.uint8),
        )

    @classmethod
    def load(cls, path: str | Path) -> SceneCache:
        """Read a cache written by `save`.

        Raises:
            DataError: the file is missing, half-written, or of another format version.
        """
        return cls.read(path)[0]

    @classmethod
    def read(cls, path: str | Path) -> tuple[SceneCache, str]:
        """A cache and the digest of its content; raises as `load`.

        The digest costs nothing: it is made of the checksums that reading verifies anyway.
        """
        path = Path(path)
        if not path.is_file():
            raise DataError(f"{path}: no such scene cache", "build it with pdm.build_scene_cache")
        try:
            with zipfile.ZipFile(path) as archive:  # numpy's own reader takes twice as long
                if any(one.compress_type != zipfile.ZIP_STORED for one in archive.infolist()):
                    raise ValueError("packed, as no cache is")  # a small one could unpack to much
                header_bytes, data_bytes = archive.read("header.npy"), archive.read("data.npy")
                digest = _digest(archive)
            header = json.loads(_payload(header_bytes).tobytes())
            data = _payload(data_bytes)
            version = header.get("version")
            if version == FORMAT_VERSION:
                return cls(**_values(header, data)), digest
        except _DAMAGE as error:
            raise DataError(
                f"{path}: not a whole scene cache ({error})", "delete the file and build it again"
            ) from error
        raise DataError(
            f"{path}: scene cache of format {version}, this code reads {FORMAT_VERSION}",
            "delete the file and build it again",
        )


def _values(header: dict[str, Any], data: NDArray[np.uint8]) -> dict[str, Any]:
    """The fields of a cache; ValueError, TypeError or KeyError where the header is no header."""
    values = dict(header["names"])
    for name, value in values.items():
        if type(value) is not _PLAIN.get(name):
            raise ValueError(f"{name} is no {_PLAIN.get(name)}")
    for name, (dtype, shape, offset) in header["arrays"].items():
        count = int(np.prod(shape, dtype=np.int64))
        if count < 0 or name in _PLAIN or dtype[1] not in "biufU":
            raise ValueError(f"{name} is no plain array")
        values[name] = np.frombuffer(data, dtype, count, offset).reshape(shape)
    return values


_PLAIN = {
    item.name: {"str": str, "int": int}[str(item.type)]
    for item in fields(SceneCache)
    if item.type in ("str", "int")
}
