"""What building, scoring and judging a vocabulary take, checked before data is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reworld_agent.core.configs import ComposedSettings
from reworld_agent.core.errors import UsageError
from reworld_agent.core.sections import section
from reworld_agent.core.settings import MOST_WORKERS, Settings, setting
from reworld_agent.core.vocabulary import EPDMS_V2
from reworld_agent.scenes.split_settings import SplitSettings

_WORK = "how it is done"


@dataclass(frozen=True, kw_only=True)
class ScoreVocabularyRun(ComposedSettings):
    """Every trajectory of a vocabulary in every scene of a split."""

    vocabulary: Path = setting(
        "trajectories, [V, L, 3]: x, y [m], heading [rad], ego frame at t0",
        exists="file",
        metavar="FILE.npy",
    )
    train_test_split: SplitSettings = section(SplitSettings)
    output_dir: Path = setting(
        "folder of the scores; an unfinished run in it goes on", writes="folder"
    )
    experiment_name: str = setting("of the default output_dir", "vocabulary")
    interval_s: float | None = setting(
        "seconds between poses, where they are not 8 at 2 Hz or 40 at 10 Hz", None, above=0
    )
    protocol: Literal["pdms_v1", "epdms_v2", "both"] = setting(
        "NAVSIM v1.1, v2.2, or every column named by its protocol", "pdms_v1"
    )
    form: Literal["parquet", "gtrs"] = setting(
        "gtrs: beside the parquet files one pickle as GTRS and its Hydra-MDP read it "
        "(EPDMS before the human filter)",
        "parquet",
    )
    scenes_per_file: int | None = setting(
        "of each parquet file; null = 64, fewer of a small split",
        None,
        least=1,
        most=4096,
        group=_WORK,
    )
    worker: Literal["sequential", "processes", "ray"] = setting("who scores", "processes")
    workers: int | None = setting(
        "processes; null = one for each core", None, least=1, cap=MOST_WORKERS, group=_WORK
    )
    cache_dir: Path | None = setting(
        "scene caches; null = ~/.cache/reworld/scene_caches", None, group=_WORK
    )
    resume: bool = setting("go on with an unfinished run in the same output_dir", True, group=_WORK)

    def check(self) -> None:
        """What is asked for together can be written."""
        if self.form == "gtrs" and self.protocol != EPDMS_V2:
            raise UsageError(
                f"form=gtrs with protocol={self.protocol}: GTRS trains on EPDMS's metrics",
                f"set protocol={EPDMS_V2}",
            )


@dataclass(frozen=True, kw_only=True)
class BuildVocabularyRun(ComposedSettings):
    """A vocabulary from the logged futures of a split."""

    train_test_split: SplitSettings = section(SplitSettings)
    output: Path = setting("the vocabulary, float32 [V, 8, 3]", writes=("",), metavar="FILE.npy")
    count: int = setting("trajectories V of the vocabulary", 256, least=2, most=65_536)
    method: Literal["kmeans", "furthest"] = setting(
        "kmeans: means of clusters; furthest: logged futures, each the furthest from those before",
        "kmeans",
    )
    heading_m: float = setting(
        "metres that a radian of heading counts as, in distances", 2.0, least=0
    )
    seed: int = setting("of the first choices", 42, least=0, most=2**32 - 1)

    def check(self) -> None:
        """The file's name is one of NumPy's."""
        if self.output.suffix != ".npy":
            raise UsageError(f"output={self.output} is no FILE.npy", "name it vocabulary.npy")


@dataclass(frozen=True, kw_only=True)
class OracleSettings(Settings):
    """How well a planner could do that chose from a vocabulary; see `vocabularies.oracle`."""

    scores: Path = setting(
        "output folder of `reworld vocabulary score`",
        exists="folder",
        positional=True,
        metavar="DIR",
    )
    output: Path = setting(
        "parquet to write, one row a scene; a .csv twin is written beside it",
        writes=("", ".csv"),
        metavar="FILE.parquet",
    )
    top: tuple[int, ...] = setting(
        "of the N trajectories nearest to the logged one, the best", (1, 5, 20, 64, 256), least=1
    )

    def check(self) -> None:
        """There is a number of trajectories."""
        if not self.top:
            raise UsageError("top= names nothing", "use top=1,5,20,64,256, the default")

    def inputs(self) -> list[tuple[str, Path]]:
        """The folder, and the tables in it: they are ours, and are read all the same."""
        tables = (("scores", path) for path in self.scores.glob("scores-*.parquet"))
        return [*super().inputs(), *tables]
