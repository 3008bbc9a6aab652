"""`python train/mine_hard_negatives.py`: candidates of a training split, scored, as a pool."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from tqdm import tqdm

import reworld_agent
from reworld_agent.config import ModelConfig
from reworld_agent.core.errors import ConfigError
from reworld_agent.core.provenance import provenance
from reworld_agent.core.result_tables import check_writable
from reworld_agent.core.workers import run_tasks
from reworld_agent.negatives.batch_files import BatchFiles
from reworld_agent.negatives.generator import CandidateSettings
from reworld_agent.negatives.jobs import (
    BatchJob,
    Weights,
    draw_candidates,
    load_model,
    mine_batch,
)
from reworld_agent.negatives.pool import write_tables
from reworld_agent.negatives.pool_statistics import Tally
from reworld_agent.negatives.scored import PROTOCOL, ScoredBatch, score_batch
from reworld_agent.negatives.selection import SelectionSettings
from reworld_agent.pdm.cache_io.folder import SceneCaches, code_digest
from reworld_agent.pdm.compiling import ensure_compiled
from reworld_agent.scenes.splits import DataRoots, resolve_split
from reworld_agent.training.datasets.scene_arrays import SceneArrays, scene_arrays

# `test` and `val` as whole words (town_test, private_test_hard), NAVSIM's navtest, navhard, ...;
# `trainval`, the split of navtrain, is for training.
HELD_OUT = re.compile(r"(^|[_-])(test|val)([_-]|$)|^nav(test|hard)|warmup")


_WORTH_A_POOL = 16  # batches; a process that loads the model costs seconds


def refuse_held_out(*names: str) -> None:
    """Raise ConfigError where a split is for testing: a pool is training data."""
    for name in names:
        if HELD_OUT.search(name):
            message = f"the split {name} is held out for testing: no hard negatives are mined there"
            raise ConfigError(message, "use a training split, such as train_test_split=town_train")


def run(cfg: DictConfig) -> int:
    """Generate, score, write `<output_dir>/pool.parquet`; 0 when every candidate has a score.

    A run that was cut short goes on where it stopped, in the same `output_dir`. The pool is the
    same bit for bit whatever the workers.
    """
    split = str(cfg.train_test_split.data_split)
    refuse_held_out(split, _chosen_split())
    settings = CandidateSettings(**cfg.candidates)
    tally = Tally(SelectionSettings(cfg.hard_negatives.delta, cfg.hard_negatives.space))
    output = Path(cfg.output_dir).absolute()
    check_writable(output)
    weights = _weights(cfg)
    model = load_model(weights)
    roots = resolve_split(split)
    arrays = load_history(cfg, roots, model.config)
    cache_dir = Path(cfg.cache_dir) if cfg.get("cache_dir") else None
    caches = SceneCaches(roots.data_root, roots.maps_root, split, cache_dir)
    jobs = batch_jobs(weights, settings, caches, arrays, int(cfg.batch_size))
    origin = provenance("reworld", model, split, len(arrays), PROTOCOL)
    origin["candidates"] = vars(settings)
    identity = {key: origin[key] for key in ("weights_sha256", "split", "candidates")}
    identity |= {"data": caches.data_digest, "code": code_digest(), "planner": _planner_digest()}
    identity |= {"batch_size": int(cfg.batch_size), "scenes": _digest(arrays.tokens)}
    files = BatchFiles(output / "batches", identity, len(jobs), bool(cfg.resume))
    mine(jobs, files, cfg.worker, cfg.workers)
    experts = dict(zip(arrays.tokens, arrays.trajectory, strict=True))
    tables = (tally.add(table, experts) for table in files.tables())
    write_tables(output / "pool.parquet", tables, origin)
    print(tally.text())
    print(f"pool: {output / 'pool.parquet'}")
    return 0 if not tally.failed else 1


def _weights(cfg: DictConfig) -> Weights:
    present = torch.cuda.is_available()
    device = str(cfg.agent.device or ("cuda" if present else "cpu"))
    if device.startswith("cuda") and not present:
        raise ConfigError(
            f"agent.device={device}, but no CUDA device is here", "use agent.device=cpu"
        )
    checkpoint = cfg.agent.checkpoint_path
    file = None if checkpoint is None else str(Path(checkpoint).absolute())
    return Weights(file, cfg.agent.model, cfg.agent.recipe, device)


def _chosen_split() -> str:
    """The word given as `train_test_split=`, such as navtest (its data lie in a split `test`)."""
    if not HydraConfig.initialized():
        return ""
    return str(HydraConfig.get().runtime.choices.get("train_test_split", ""))


def load_history(cfg: DictConfig, roots: DataRoots, config: ModelConfig) -> SceneArrays:
    """The scenes of the split, without future images."""
    loader = roots.loader(hydra.utils.instantiate(cfg.train_test_split.scene_filter))
    cache = Path(cfg.cache_path) if cfg.get("cache_path") else None
    return scene_arrays(loader, config, future_images=False, cache=cache)


def batch_jobs(
    weights: Weights,
    settings: CandidateSettings,
    caches: SceneCaches,
    arrays: SceneArrays,
    batch_size: int,
) -> list[BatchJob]:
    """The scenes in batches; which scenes share one depends on nothing else."""
    if batch_size < 1:
        raise ConfigError(f"batch_size={batch_size}", "use batch_size=16")
    frames = Path(arrays.frames.filename)  # type: ignore[attr-defined]  # they are memory-mapped
    parts = [slice(at, at + batch_size) for at in range(0, len(arrays), batch_size)]
    return [
        BatchJob(
            *(number, weights, settings, caches, frames),
            *(arrays.frame_index[part], arrays.ego[part], tuple(arrays.tokens[part])),
        )
        for number, part in enumerate(parts)
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
