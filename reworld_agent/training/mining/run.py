"""Candidates of a training split, drawn and scored, as a pool of hard negatives."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

import reworld_agent
from reworld_agent.config import load_model_config
from reworld_agent.core.errors import ConfigError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import provenance
from reworld_agent.core.result_tables import write_tables
from reworld_agent.core.workers import run_tasks
from reworld_agent.frame_store import frames_file
from reworld_agent.negatives.batch_files import BatchFiles
from reworld_agent.negatives.jobs import (
    BatchJob,
    Weights,
    draw_candidates,
    load_model,
    mine_batch,
)
from reworld_agent.negatives.pool_statistics import PoolStatistics
from reworld_agent.negatives.scored import PROTOCOL, SCHEMA, ScoredBatch, score_batch
from reworld_agent.negatives.settings import CandidateSettings
from reworld_agent.pdm.cache_io.folder import SceneCaches, code_digest
from reworld_agent.pdm.compiling import ensure_compiled
from reworld_agent.pdm.golden.log_replay import require_golden
from reworld_agent.scenes.camera_names import in_logs
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.training.datasets.scene_arrays import SceneArrays, scene_arrays
from reworld_agent.training.mining.settings import MiningRun

_WORTH_A_POOL = 16  # batches; a process that loads the model costs seconds


@one_writer
def run_mining(settings: MiningRun) -> MinedPool:
    """Draw candidates, score them, write `<output_dir>/pool.parquet`.

    A run that was cut short goes on where it stopped, in the same `output_dir`. The pool is the
    same bit for bit whatever the workers.

    Raises:
        ReWorldError: the run cannot start, or cannot write; finished batches are kept.
    """
    require_golden()
    weights = _weights(settings)
    model = load_model(weights)
    split = settings.train_test_split.data_split
    roots = resolve_split(split, in_logs(model.config.cameras))
    loader = roots.loader(settings.train_test_split.scene_filter)
    arrays = scene_arrays(loader, model.config, future_images=False, cache=settings.cache_path)
    caches = SceneCaches(roots.data_root, roots.maps_root, split, settings.cache_dir)
    jobs = batch_jobs(weights, settings.candidates, caches, arrays, settings.batch_size)
    origin = provenance("reworld", model, split, len(arrays), PROTOCOL)
    origin["candidates"] = settings.candidates.as_dict()
    identity = {key: origin[key] for key in ("weights_sha256", "split", "candidates")}
    identity |= {"data": caches.data_digest, "code": code_digest(), "planner": _planner_digest()}
    identity |= {"batch_size": settings.batch_size, "scenes": _digest(arrays.tokens)}
    if settings.agent.model_overrides:
        identity["model_overrides"] = dict(settings.agent.model_overrides)
    output = settings.output_dir.absolute()
    files = BatchFiles(output / "batches", identity, len(jobs), settings.resume)
    mine(jobs, files, settings.worker, settings.workers)
    experts = dict(zip(arrays.tokens, arrays.trajectory, strict=True))
    statistics = PoolStatistics(settings.hard_negatives.under(settings.recipe))
    tables = (statistics.add(table, experts) for table in files.tables())
    write_tables(output / "pool.parquet", tables, SCHEMA, lambda: origin)
    return MinedPool(output / "pool.parquet", statistics)


@dataclass(frozen=True)
class MinedPool:
    """A pool that was written: its file, and what it holds."""

    file: Path
    statistics: PoolStatistics


def _weights(settings: MiningRun) -> Weights:
    present = torch.cuda.is_available()
    device = settings.agent.device or ("cuda" if present else "cpu")
    if device.startswith("cuda") and not present:
        raise ConfigError(
            f"agent.device={device}, but no CUDA device is here", "use agent.device=cpu"
        )
    checkpoint = settings.agent.checkpoint_path
    file = None if checkpoint is None else str(checkpoint.absolute())
    chosen = load_model_config(settings.model, settings.recipe, settings.agent.model_overrides)
    return Weights(file, chosen, device, settings.agent.dtype)


def batch_jobs(
    weights: Weights,
    settings: CandidateSettings,
    caches: SceneCaches,
    arrays: SceneArrays,
    batch_size: int,
) -> list[BatchJob]:
    """The scenes in batches; which scenes share one depends on nothing else."""
    frames = frames_file(arrays.frames)
    batches = [slice(at, at + batch_size) for at in range(0, len(arrays), batch_size)]
    return [
        BatchJob(
            *(number, weights, settings, caches, frames),
            *(arrays.frame_index[rows], arrays.ego[rows], tuple(arrays.tokens[rows])),
        )
        for number, rows in enumerate(batches)
    ]


def mine(
    jobs: Sequence[BatchJob],
    files: BatchFiles,
    worker: str = "processes",
    workers: int | None = None,
) -> None:
    """Draw, score and keep what is not yet kept; see `run_tasks` for worker and workers.

    On a CPU each worker process takes a batch from its images to its scores. A GPU draws in this
    process, and the workers score what it has drawn.
    """
    todo = [jobs[number] for number in files.unfinished()]
    if not todo:
        return
    if workers is None and worker == "processes" and len(todo) < _WORTH_A_POOL:
        worker = "sequential"
    todo[0].caches.write_manifest()
    ensure_compiled()  # here, once: each process of a pool would compile for itself
    scenes = sum(len(job.tokens) for job in todo)
    with tqdm(total=scenes, desc="mining", unit="scene", delay=2.0) as progress:
        for batch in _scored(todo, worker, workers):
            files.write(batch)
            progress.update(len(jobs[batch.number].tokens))
    todo[0].caches.write_manifest()


def _scored(todo: Sequence[BatchJob], worker: str, workers: int | None) -> Iterator[ScoredBatch]:
    if todo[0].weights.device == "cpu":
        return run_tasks(mine_batch, todo, worker, workers)
    return run_tasks(score_batch, map(draw_candidates, todo), worker, workers)


def _planner_digest() -> str:
    """Digest of the sources that candidates depend on."""
    package = Path(reworld_agent.__file__).parent
    rooms = [
        path for room in ("planner", "video", "model") for path in (package / room).rglob("*.py")
    ]
    files = [*rooms, package / "negatives" / "generator.py"]
    return _digest([file.read_text(encoding="utf-8") for file in sorted(files)])


def _digest(texts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
