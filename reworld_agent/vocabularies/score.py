"""Every trajectory of a vocabulary in every scene of a split, in files of some scenes each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from reworld_agent.core.errors import ConfigError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import code_version
from reworld_agent.core.result_tables import write_csv
from reworld_agent.core.shards import check_identity, forget_identity
from reworld_agent.core.workers import run_tasks
from reworld_agent.pdm.cache_io.folder import SceneCaches, code_digest
from reworld_agent.pdm.compiling import ensure_compiled
from reworld_agent.pdm.golden.finding import require_trust
from reworld_agent.pdm.metrics.registry import added_digest
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.vocabularies import gtrs
from reworld_agent.vocabularies.files import Vocabulary, read_vocabulary, write_vocabulary
from reworld_agent.vocabularies.scene_files import (
    FileTask,
    known_failures,
    paths,
    scenes_of,
    score_file,
)
from reworld_agent.vocabularies.settings import ScoreVocabularyRun

PICKLE, VOCABULARY = "gtrs.pkl", "vocabulary.npy"
_PER_FILE, _FILES = 64, 32  # scenes; files of a small split, so that its bar moves
FAILURES = "failures.csv"


@dataclass(frozen=True)
class VocabularyScores:
    """What was written.

    Attributes:
        folder: of the files `scores-00000.parquet` …: token, a list of V float32 for each column,
            and `logged_poses`.
        scenes: that have scores.
        failures: token and reason of those that have none.
        pickle: of GTRS, where it was asked for.
    """

    folder: Path
    scenes: int
    failures: pd.DataFrame
    pickle: Path | None


@one_writer
def score_vocabulary(settings: ScoreVocabularyRun) -> VocabularyScores:
    """Score a vocabulary over a split; finished files are kept, and a later start goes on.

    Raises:
        DataError: the vocabulary or the split cannot be read, or the output cannot be written.
        ConfigError: the folder holds scores of something else, or another process writes it.
        ReWorldError: this machine would score wrongly.
    """
    vocabulary = read_vocabulary(settings.vocabulary, settings.interval_s)
    require_trust()
    split = settings.train_test_split
    roots = resolve_split(split.data_split, ())
    tokens = roots.loader(split.scene_filter).tokens
    if not tokens:
        raise ConfigError(f"{split.data_split} has no scenes", "widen its scene_filter")
    caches = SceneCaches(roots.data_root, roots.maps_root, roots.data_split, settings.cache_dir)
    return _scored(settings, vocabulary, caches, tokens)


def _scored(
    settings: ScoreVocabularyRun,
    vocabulary: Vocabulary,
    caches: SceneCaches,
    tokens: Sequence[str],
) -> VocabularyScores:
    folder = settings.output_dir
    count = settings.scenes_per_file or min(_PER_FILE, max(len(tokens) // _FILES, 1))
    identity = {
        "vocabulary": vocabulary.digest,
        "interval_s": vocabulary.interval_s,
        "protocol": settings.protocol,
        "data": caches.data_digest,
        "scoring code": code_digest() + added_digest(),
        "tokens": hashlib.sha256("\n".join(tokens).encode()).hexdigest()[:16],
        "scenes_per_file": count,
        "scenes": len(tokens),
    }
    if not settings.resume:
        forget_identity(folder)
        for path in paths(folder):
            path.unlink()
    check_identity(folder, identity, folder)
    write_vocabulary(folder / VOCABULARY, vocabulary.poses)
    groups = [tuple(tokens[i : i + count]) for i in range(0, len(tokens), count)]
    provenance = {**identity, "code_version": code_version(), "split": caches.data_split}
    tasks = [
        FileTask(
            folder / f"scores-{number:05d}.parquet",
            *(group, caches, vocabulary, settings.protocol, provenance),
        )
        for number, group in enumerate(groups)
    ]
    failures = _run(tasks, settings).sort_values("token", ignore_index=True)
    write_csv(folder / FAILURES, failures)
    pickled = None
    if settings.form == "gtrs":
        pickled = folder / PICKLE
        gtrs.write_pickle(pickled, scenes_of(folder, list(gtrs.columns().values())))
    return VocabularyScores(folder, len(tokens) - len(failures), failures, pickled)


def _run(tasks: list[FileTask], settings: ScoreVocabularyRun) -> pd.DataFrame:
    """Score what has no file yet; reasons of scenes without scores."""
    scenes = sum(len(task.tokens) for task in tasks)
    done = [known_failures(task) for task in tasks]
    todo = [task for task, known in zip(tasks, done, strict=True) if known is None]
    rows = [row for known in done if known for row in known]
    with tqdm(total=scenes, desc="scoring", unit="scene", delay=2.0) as progress:
        progress.update(scenes - sum(len(task.tokens) for task in todo))
        if todo:
            ensure_compiled()  # here, once: each process of a pool would compile for itself
        for count, failed in run_tasks(score_file, todo, settings.worker, settings.workers):
            rows += failed
            progress.update(count)
    return pd.DataFrame(rows, columns=["token", "reason"])
