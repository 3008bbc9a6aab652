"""The embedded split on disk: `ensure_split` makes what is asked for and is not there yet."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.core.extras import require_installed
from reworld_agent.core.guards.parents import start_child
from reworld_agent.core.paths import cache_home
from reworld_agent.core.records import as_shown, read_record, record_bytes
from reworld_agent.scenes.synthetic.drive import SPLITS, SplitPlan
from reworld_agent.scenes.synthetic.drive_files import write_drive
from reworld_agent.scenes.synthetic.maker_lock import only_maker
from reworld_agent.scenes.synthetic.render.cameras import CAMERAS
from reworld_agent.scenes.synthetic.settings import SynthSettings
from reworld_agent.scenes.synthetic.store import scratch, write_bytes
from reworld_agent.scenes.synthetic.town.gpkg import write_maps
from reworld_agent.scenes.synthetic.town.plans import VERSIONS

WORTH_A_POOL = 24  # drives; fewer are made faster in this process


class SplitRoots(NamedTuple):
    """Where a split lies."""

    data_root: Path  # OPENSCENE_DATA_ROOT
    maps_root: Path  # NUPLAN_MAPS_ROOT
    data_split: str


def default_root(version: str = "5") -> Path:
    """`$REWORLD_HOME` or ~/.cache/reworld, then town/v<version>."""
    return cache_home() / "town" / f"v{version}"


def synth(settings: SynthSettings) -> SplitRoots:
    """Make a split; see `ensure_split` for what it raises."""
    return ensure_split(
        settings.data_split,
        root=settings.output_dir,
        cameras=settings.chosen_cameras,
        clips=settings.clips,
        scenes=settings.scenes,
        drives=settings.drives,
        workers=settings.workers,
    )


def ensure_split(
    split: str,
    root: Path | str | None = None,
    cameras: tuple[str, ...] = ("CAM_F0",),
    clips: bool = False,
    scenes: int | None = None,
    progress: bool = True,
    workers: int | None = None,
    drives: int | None = None,
) -> SplitRoots:
    """Make sure that a split of the town lies on disk; of several processes one makes it.

    Args:
        split: a key of `SPLITS`, such as town_test or town6_test.
        root: folder for all splits and the maps; default_root() if None.
        cameras: cameras whose images are wanted; calibration of all eight is always in the logs.
        clips: also the front camera at 8 Hz, one folder a drive with an index.parquet.
        scenes: at least so many scenes at frame_interval 1 (whole drives are made); None for the
            split's own number. What an earlier call made stays.
        progress: show a progress bar.
        workers: processes; None for two where there is much to do.
        drives: instead of scenes, at least so many drives.

    Returns:
        The folders for OPENSCENE_DATA_ROOT and NUPLAN_MAPS_ROOT, and the data_split.

    Raises:
        ConfigError: no such split or camera.
        ReWorldError: images are wanted, and OpenCV is not installed.
        DataError: the folder cannot be written, or holds the split of another version.
    """
    plan = _check(split, cameras, scenes)
    root = Path(root) if root is not None else default_root(plan.version)
    roots = SplitRoots(root, root / "maps", split)
    count = plan.logs if drives is None else drives
    count = count if scenes is None else -(-scenes // (plan.frames - 13))
    wanted = _wanted(plan, cameras, clips, count)
    manifest = root / "manifests" / f"{split}.json"
    if _is_made(manifest, wanted):
        return roots
    if cameras or clips:
        require_installed("cv2")
    with only_maker(root, announce=progress):
        if _is_made(manifest, wanted):  # by whom this process has waited for
            return roots
        write_manifest(
            root, manifest, _merged(manifest, replace(wanted, logs=0, images={}, clips=0))
        )
        _make_maps(root, roots.maps_root, plan.version)
        missing = list(_missing(root, plan, count, cameras, clips))
        missing.sort(key=lambda k: k % len(plan.towns))  # a process keeps few towns in memory
        jobs = [(split, k, root, cameras, clips) for k in missing]
        for _ in tqdm(
            _run(jobs, workers), total=len(jobs), desc=f"making {split}", disable=not progress
        ):
            pass
        write_manifest(root, manifest, _merged(manifest, wanted))
    return roots


def _check(split: str, cameras: tuple[str, ...], scenes: int | None) -> SplitPlan:
    if split not in SPLITS:
        raise ConfigError(f"there is no split {split!r}", f"use one of {', '.join(SPLITS)}")
    unknown = [name for name in cameras if name not in CAMERAS]
    if unknown:
        raise ConfigError(f"there is no camera {unknown[0]!r}", f"use {', '.join(CAMERAS)}")
    if scenes is not None and scenes < 1:
        raise ConfigError(f"scenes={scenes} asks for nothing", "ask for 1 or more")
    return SPLITS[split]


@dataclass(frozen=True)
class TownManifest:
    """What a folder of the town holds of one split.

    Attributes:
        version, split, seed, city, frames_per_log: which town it is.
        logs, clips: how many logs, from the first on, there are, and have clips.
        images: the same by camera.
    """

    version: str
    split: str
    seed: int
    city: str
    frames_per_log: int
    logs: int
    images: dict[str, int]
    clips: int

    def town(self) -> dict[str, object]:
        """What makes it this town, without what is there of it."""
        counts = ("logs", "images", "clips")
        return {key: value for key, value in asdict(self).items() if key not in counts}


def _wanted(plan: SplitPlan, cameras: tuple[str, ...], clips: bool, count: int) -> TownManifest:
    return TownManifest(
        version=plan.version,
        split=plan.name,
        seed=plan.seed,
        city=",".join(plan.towns),
        frames_per_log=plan.frames,
        logs=count,
        images=dict.fromkeys(sorted(cameras), count),
        clips=count if clips else 0,
    )


def _read(manifest: Path) -> TownManifest | None:
    """The manifest of a folder; None where it has none."""
    if not manifest.is_file():
        return None
    return read_record(manifest, TownManifest, "delete it: what is missing is made again")


def write_manifest(root: Path, manifest: Path, content: TownManifest) -> None:
    """Say what the folder holds; before anything is made, that it holds this town."""
    write_bytes(root, manifest, record_bytes(content))


def _is_made(manifest: Path, wanted: TownManifest) -> bool:
    """Whether all that is wanted is there; raises DataError where it is of another town."""
    found = _read(manifest)
    if found is None:
        return False
    there, town = found.town(), wanted.town()
    other = [key for key in town if there[key] != town[key]]
    if other:
        raise DataError(
            f"{manifest}: this folder holds {wanted.split} of another town "
            f"({other[0]} {as_shown(there[other[0]])}, not {town[other[0]]})",
            "choose another root, or delete this one",
        )
    return (
        found.logs >= wanted.logs
        and found.clips >= wanted.clips
        and all(found.images.get(name, 0) >= count for name, count in wanted.images.items())
    )


def _merged(manifest: Path, wanted: TownManifest) -> TownManifest:
    """The wanted counts, or larger ones that the manifest had."""
    found = _read(manifest)
    if found is None:
        return wanted
    names = sorted({*found.images, *wanted.images})
    both = (found.images, wanted.images)
    return replace(
        wanted,
        logs=max(found.logs, wanted.logs),
        images={name: max(images.get(name, 0) for images in both) for name in names},
        clips=max(found.clips, wanted.clips),
    )


def _make_maps(root: Path, folder: Path, version: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = scratch(root, "maps")
        unfinished.mkdir(exist_ok=True)
        write_maps(folder, unfinished, VERSIONS[version])
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be written ({error.strerror})",
            "set REWORLD_HOME to a folder that can be written",
        ) from error


def _missing(
    root: Path, plan: SplitPlan, count: int, cameras: tuple[str, ...], clips: bool
) -> Iterator[int]:
    for index in range(count):
        name = plan.log_name(index)
        blobs = root / "sensor_blobs" / plan.name / name
        complete = (root / "navsim_logs" / plan.name / f"{name}.pkl").exists()
        complete &= all((blobs / camera).is_dir() for camera in cameras)
        complete &= not clips or (root / "clips" / plan.name / name).is_dir()
        if not complete:
            yield index


def _run(
    jobs: list[tuple[str, int, Path, tuple[str, ...], bool]], workers: int | None
) -> Iterator[None]:
    """Write the drives; yields once for each."""
    if workers is None:
        workers = min(2, os.cpu_count() or 1) if len(jobs) >= WORTH_A_POOL else 1
    if workers <= 1:
        for job in jobs:
            write_drive(*job)
            yield
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, start_child) as pool:
            for future in as_completed([pool.submit(write_drive, *job) for job in jobs]):
                future.result()
                yield
