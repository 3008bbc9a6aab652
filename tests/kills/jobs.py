"""The long commands: what each writes, what tells that work is kept, and what must be equal."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

CLI = (sys.executable, "-m", "reworld_agent.cli.main")
_SCENES = "train_test_split.scene_filter.max_scenes={}"
_TRAIN = ("agent.overrides.batch_size=2", "checkpoint_steps=2", "validation.every=4")


@dataclass(frozen=True)
class Job:
    """One long command.

    Attributes:
        name: of the job.
        arguments: of `reworld`; `{out}` is its folder, `{base}` what all jobs share.
        kept: pattern below its folder of files that mean finished work.
        results: patterns below its folder of files that must be equal, byte for byte.
        kills: how many times it is killed, each time in a folder of its own.
    """

    name: str
    arguments: tuple[str, ...]
    kept: str
    results: tuple[str, ...]
    kills: int

    def command(self, base: Path, out: Path) -> list[str]:
        """The command line."""
        return [*CLI, *(word.format(out=out, base=base) for word in self.arguments)]


def _stage(name: str, *words: str) -> Job:
    arguments = ("train", "agent=reworld", f"stage={name}", *words, *_TRAIN)
    return Job(
        f"stage {name}",
        (*arguments, _SCENES.format(24), "trainer.params.max_steps=12", "output_dir={out}/run"),
        "run/checkpoints/last.ckpt",
        ("run/weights/**/*.safetensors", "run/validation.csv"),
        3,
    )


JOBS = (
    Job(
        "score",
        (
            *("score", "agent=reworld", _SCENES.format(96), "batch_size=4", "workers=2"),
            *("cache_dir={out}/caches", "output_dir={out}/run"),
        ),
        "run/parts/*/part-*.parquet",
        ("run/pdm_scores.csv", "run/pdm_scores.parquet", "run/trajectories.parquet"),
        5,
    ),
    Job(
        "score_trajectories",
        (
            *("score-trajectories", "trajectories={base}/score/run/trajectories.parquet"),
            *("data_split=town_test", "output={out}/scored.parquet", "protocol=both", "workers=2"),
            "cache_dir={out}/caches",
        ),
        "scored.parquet.parts/*/part-*.parquet",
        ("scored.csv", "scored.parquet"),
        4,
    ),
    Job(
        "mine",
        (
            *("mine", _SCENES.format(32), "candidates.count=8", "batch_size=4", "workers=2"),
            *("cache_dir={out}/caches", "output_dir={out}/run"),
        ),
        "run/batches/batch-*.parquet",
        ("run/pool.parquet",),
        4,
    ),
    _stage("1"),
    _stage("planner"),
    _stage("2"),
    _stage("3", "hard_negatives.pool={base}/mine/run/pool.parquet"),
    Job(
        "latents",
        (
            *("video", "latents", "index={base}/town.parquet", "output_dir={out}/run"),
            *("clips_per_shard=4", "worker=processes", "workers=2"),
        ),
        "run/*/*.safetensors",
        ("run/*/*.safetensors",),
        3,
    ),
    Job(
        "generate",
        (
            *("video", "generate", "index={base}/town.parquet", "row=0:8", "gamma=1.4"),
            "output_dir={out}/run",
        ),
        "run/sources/*.json",
        ("run/*/*.mp4", "run/*/*.png", "run/sources/*.json"),
        3,
    ),
    Job(
        "synth",
        ("synth", "data_split=town_val", "scenes=12", "workers=2", "output_dir={out}/town"),
        "town/**/*.jpg",
        ("town/navsim_logs/**/*.pkl", "town/sensor_blobs/**/*.jpg"),
        2,
    ),
    Job(
        "drive",
        (
            *("drive", "agent=constant_velocity", "scenarios=16", "workers=2"),
            "output_dir={out}/run",
        ),
        "run/parts/*/part-*.parquet",
        ("run/drive_*.csv", "run/drive_*.parquet", "run/rollouts.parquet"),
        3,
    ),
)
# Made once, before the jobs: clips of the town, and their index.
PREPARED = {
    "town": ("synth", "data_split=town_val", "clips=true", "output_dir={base}/town"),
    "town.parquet": (
        *("video", "index", "source=town", "root={base}/town", "data_split=town_val"),
        *("fps=2", "frames=12", "output={base}/town.parquet"),
    ),
}
