"""Phase one: an agent plans every scene; finished scenes survive a kill."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from reworld_agent.core.errors import DataError, ReWorldError
from reworld_agent.core.records.file_hashes import file_hashes
from reworld_agent.core.result_tables import write_parquet
from reworld_agent.core.shards import PartStore
from reworld_agent.core.text import said
from reworld_agent.evaluation.modes import MODE_SCORES, MODES, has_modes, modes_row
from reworld_agent.pdm.poses import INTERVAL, as_numbers, intervals_of, pose_fault, usual
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.scene import AgentInput, Scene


class OtherLoader(Protocol):
    """A loader of scenes from more than one place."""

    tokens: list[str]

    def __len__(self) -> int: ...

    def get_agent_input_from_token(self, token: str) -> AgentInput:
        """See `SceneLoader`."""
        ...

    def get_scene_from_token(self, token: str) -> Scene:
        """See `SceneLoader`."""
        ...

    def sources(self) -> dict[str, tuple[str, Path]]:
        """For each token the name of its log and the file that it is read from."""
        ...


Loader = SceneLoader | OtherLoader
OK, FALLBACK, FAILED = "ok", "fallback", "failed"
_LOG_COLUMNS = ["token", "log_name", "status", "reason", "milliseconds"]


@dataclass
class Loaded:
    """One scene read from disk, or why it could not be."""

    token: str
    agent_input: AgentInput | None = None
    scene: Scene | None = None
    reason: str = ""


def plan_split(
    agent: Any,
    loader: Loader,
    folder: Path,
    store: PartStore,
    provenance: dict[str, Any],
    batch_size: int = 16,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Plan every scene of a loader and write `trajectories.parquet` and `inference.parquet`.

    A scene that cannot be read or planned is recorded with its reason; the others go on.

    Args:
        agent: initialised; `compute_trajectories(list)` is used where it has it, else
            `compute_trajectory(agent_input)` or, where `requires_scene`, `(agent_input, scene)`.
        loader: with the agent's sensors.
        folder: of the two tables.
        store: keeps finished scenes; those in it are not planned again unless they failed or
            their log changed.
        provenance: written into the tables' metadata.
        batch_size: scenes planned at once.

    Returns:
        Trajectories (token, poses: 24 or 120 numbers, ego frame, m and rad; of an agent that
        samples its plans otherwise also interval_s, the seconds between poses; of one that gives
        several modes also modes, K · L · 3 numbers, and mode_scores, K), and the record of all
        scenes (token, log_name, status ok | fallback | failed, reason, milliseconds), both in
        the loader's order.

    Raises:
        DataError: the tables cannot be written; finished scenes are kept.
    """
    logs = _logs(loader)
    finished = _finished(store)
    todo = [token for token in loader.tokens if (token, logs[token]["log_stamp"]) not in finished]
    with tqdm(total=len(todo), desc="planning", unit="scene", delay=2.0) as progress:
        try:
            for batch in _batches(loader, todo, agent.requires_scene, batch_size):
                rows = _plan_batch(agent, batch)
                store.add([{**row, **logs[row["token"]]} for row in rows])
                progress.update(len(rows))
        finally:
            store.flush()
    table = store.rows().set_index("token").loc[loader.tokens].reset_index()
    record = table[_LOG_COLUMNS]
    planned = _planned(table[table["status"] != FAILED].reset_index(drop=True))
    write_parquet(folder / "inference.parquet", record, provenance)
    write_parquet(folder / "trajectories.parquet", planned, provenance)
    return planned, record


def _planned(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns token and poses, interval_s where the number of poses does not say it, and modes."""
    intervals = intervals_of(rows.get(INTERVAL), len(rows))
    counts = [len(poses) // 3 for poses in rows["poses"]]
    names = ["token", "poses"]
    if not all(usual(count, own) for count, own in zip(counts, intervals, strict=True)):
        names.append(INTERVAL)
    return rows[[*names, *((MODES, MODE_SCORES) if has_modes(rows) else ())]]


def _logs(loader: Loader) -> dict[str, dict[str, str]]:
    """For each token the name of its log, and the hash of what its file holds."""
    if isinstance(loader, SceneLoader):
        windows = loader.scene_frames_dicts.windows
        sources = {token: (window.log.stem, window.log) for token, window in windows.items()}
        logs = {path for _, path in sources.values()}
        hashes = {path: loader.entry(path).reading.sha256 for path in logs}
    else:
        sources, hashes = loader.sources(), {}
        folders: dict[Path, list[Path]] = {}
        for path in dict.fromkeys(path for _, path in sources.values()):
            folders.setdefault(path.parent, []).append(path)
        for folder, paths in folders.items():
            hashes |= zip(paths, file_hashes(folder, paths), strict=True)
    return {
        token: {"log_name": name, "log_stamp": hashes[path]}
        for token, (name, path) in sources.items()
    }


def _finished(store: PartStore) -> set[tuple[str, str]]:
    """Token and log stamp of the scenes that are planned."""
    done = store.rows()
    if done.empty:
        return set()
    good = done[done["status"] != FAILED]
    return set(zip(good["token"], good["log_stamp"], strict=True))


def _batches(
    loader: Loader, tokens: Sequence[str], with_scene: bool, size: int
) -> Iterator[list[Loaded]]:
    """Batches of scenes; the next one is read and decoded while the agent plans."""

    def read(batch: Sequence[str]) -> list[Loaded]:
        return [_load(loader, token, with_scene) for token in batch]

    chunks = [tokens[i : i + size] for i in range(0, len(tokens), size)]
    with ThreadPoolExecutor(max_workers=1) as reader:
        upcoming = reader.submit(read, chunks[0]) if chunks else None
        for following in [*chunks[1:], None] if chunks else []:
            assert upcoming is not None
            batch = upcoming.result()
            upcoming = reader.submit(read, following) if following is not None else None
            yield batch


def _load(loader: Loader, token: str, with_scene: bool) -> Loaded:
    try:
        agent_input = loader.get_agent_input_from_token(token)
        scene = loader.get_scene_from_token(token) if with_scene else None
    except Exception as error:  # one bad scene must not end the run
        return Loaded(token, reason=_reason(error))
    return Loaded(token, agent_input, scene)


def _plan_batch(agent: Any, batch: list[Loaded]) -> list[dict[str, Any]]:
    rows = [_row(item.token, None, item.reason, 0.0) for item in batch if item.reason]
    good = [item for item in batch if not item.reason]
    if len(good) > 1 and hasattr(agent, "compute_trajectories") and not agent.requires_scene:
        inputs = [item.agent_input for item in good]
        planned = _attempt(lambda: _one_each(agent.compute_trajectories(inputs), len(inputs)))
        if not isinstance(planned[0], BaseException):
            notes = _fallback_reasons(agent, len(good))
            return rows + [
                _row(item.token, trajectory, note, planned[1] / len(good))
                for item, trajectory, note in zip(good, planned[0], notes, strict=True)
            ]
    return rows + [_plan_one(agent, item) for item in good]


def _one_each(trajectories: Any, count: int) -> list[Any]:
    """The trajectories of a batch; raises DataError where there is not one for each scene."""
    if trajectories is None or len(trajectories) != count:
        given = "None" if trajectories is None else f"{len(trajectories)} trajectories"
        raise DataError(f"compute_trajectories returned {given} for {count} scenes")
    return list(trajectories)


def _plan_one(agent: Any, item: Loaded) -> dict[str, Any]:
    arguments = (item.agent_input, item.scene) if agent.requires_scene else (item.agent_input,)
    trajectory, milliseconds = _attempt(lambda: agent.compute_trajectory(*arguments))
    if isinstance(trajectory, BaseException):
        return _row(item.token, None, _reason(trajectory), milliseconds)
    return _row(item.token, trajectory, _fallback_reasons(agent, 1)[0], milliseconds)


def _attempt(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call gives, or its exception, and how long it took [ms]."""
    started = time.perf_counter()
    try:
        result = call()
    except (Exception, SystemExit) as error:  # whatever the code of others raises
        result = error
    return result, 1e3 * (time.perf_counter() - started)


def _fallback_reasons(agent: Any, count: int) -> list[str]:
    """Why the agent's last scenes were planned by its fallback; "" where they were not."""
    reasons = getattr(agent, "fallback_reasons", None) or [None] * count
    return [reason or "" for reason in reasons]


def _row(token: str, trajectory: Any, reason: str, milliseconds: float) -> dict[str, Any]:
    status, fault = (FALLBACK if reason else OK), None
    poses: NDArray[np.float64] | None = None
    interval_s: float | None = None
    modes: dict[str, list[float]] = {}
    if trajectory is not None or not reason:
        try:
            poses, interval_s = plan_of(trajectory)
            fault = pose_fault(poses, interval_s)
            modes = modes_row(trajectory, len(poses) // 3)
        except DataError as error:
            fault = error.message
    if poses is None or fault:
        status, poses, interval_s, reason, modes = FAILED, None, None, fault or reason, {}
    return {
        "token": token,
        "status": status,
        "reason": reason,
        "milliseconds": milliseconds,
        "poses": None if poses is None else poses.tolist(),
        INTERVAL: interval_s,
        **modes,
    }


def plan_of(trajectory: Any) -> tuple[NDArray[np.float64], float]:
    """Poses, flat, of an agent's trajectory, and the seconds between them, as it declares them.

    Raises:
        DataError: it is no trajectory of NAVSIM: without poses [L, 3] or without its sampling.
    """
    if trajectory is None:
        raise DataError("the agent returned no trajectory")
    try:
        sampling = trajectory.trajectory_sampling
        interval_s = float(sampling.interval_length)
    except Exception as error:  # whatever the code of others gives
        kind = type(trajectory).__name__
        message = f"the agent returned a {kind}, no Trajectory with its sampling ({said(error)})"
        raise DataError(message) from error
    try:
        poses = as_numbers(trajectory.poses)
    except Exception as error:  # such as a tensor with a gradient, or rows of several lengths
        raise DataError(f"the poses are no array of numbers ({said(error)})") from error
    if poses.shape != (sampling.num_poses, 3):
        wanted = [sampling.num_poses, 3]
        raise DataError(f"poses have shape {list(poses.shape)}, their sampling says {wanted}")
    return poses.ravel(), interval_s


def _reason(error: BaseException) -> str:
    return error.message if isinstance(error, ReWorldError) else said(error)
