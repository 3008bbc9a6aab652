"""What the scorer of files takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import MOST_WORKERS, Settings, setting
from reworld_agent.core.vocabulary import (
    EPDMS_V2,
    LOG_REPLAY,
    PDMS_V1,
    PROTOCOL_CHOICES,
    REACTIVE,
    TRAFFIC,
    check_traffic,
)
from reworld_agent.core.workers import WORKERS
from reworld_agent.scenes.roots import DATA_VARIABLE, MAPS_VARIABLE, require_split

_STAGES = "two stages of NAVSIM v2"
_WORK = "how it is done"


@dataclass(frozen=True, kw_only=True)
class ScoreFileSettings(Settings):
    """Trajectories of any planner and where their scenes lie; see `evaluation.score_file`."""

    trajectories: Path = setting(
        "parquet with the columns token, candidate (where a token has several rows) and poses",
        exists="file",
        metavar="FILE.parquet",
    )
    interval_s: float | None = setting(
        "seconds between the poses of every row, where they are not 8 at 2 Hz or 40 at 10 Hz; or "
        "give the file a column interval_s",
        None,
        above=0,
    )
    data_root: Path | None = setting(
        f"folder with navsim_logs/<data_split>/*.pkl (${DATA_VARIABLE}, or the embedded town)",
        None,
        exists="folder",
        metavar="DIR",
    )
    maps_root: Path | None = setting(
        f"folder with <city>/<version>/map.gpkg (${MAPS_VARIABLE}, or the embedded town's)",
        None,
        exists="folder",
        metavar="DIR",
    )
    data_split: str = setting(
        "folder of logs below navsim_logs: mini, trainval, test, town_test ..."
    )
    output: Path = setting(
        "parquet to write; a .csv twin is written beside it",
        writes=("", ".csv", ".stages.parquet", ".stages.csv"),
        metavar="FILE.parquet",
    )
    protocol: str = setting(
        "pdms_v1: PDMS of NAVSIM v1.1; epdms_v2: EPDMS of v2.2 after the human filter, without EC "
        "(pdm_score and *_unfiltered: before it); both: from one simulation, each column named by "
        "its protocol",
        PDMS_V1,
        choices=PROTOCOL_CHOICES,
    )
    traffic: str | None = setting(
        "log_replay; reactive: vehicles answer to each trajectory, as with the devkit's "
        "traffic_agents=reactive (epdms_v2 only, far slower; the default with two_stage=true)",
        None,
        choices=TRAFFIC,
    )
    explain: bool = setting("also when and why each metric fails", True)
    two_stage: bool = setting(
        "EPDMS of NAVSIM v2.2's two stages: the file names one trajectory for each frame of both; "
        "written too: OUTPUT.stages.parquet and .csv",
        False,
        group=_STAGES,
    )
    synthetic_scenes: Path | None = setting(
        "folder of stage two's scenes, synthetic_scene_pickles",
        None,
        exists="folder",
        group=_STAGES,
    )
    mapping: Path | None = setting(
        "yaml of the two-stage split (reactive_all_mapping)", None, exists="file", group=_STAGES
    )
    worker: str = setting("where scenes are scored", "processes", choices=WORKERS, group=_WORK)
    workers: int | None = setting(
        "how many (one for each core)", None, least=1, cap=MOST_WORKERS, group=_WORK
    )
    cache_dir: Path | None = setting(
        "folder of scene caches (in the cache folder of this package)",
        None,
        writes="folder",
        shared=True,
        group=_WORK,
    )
    resume: bool = setting("go on where a stopped run of the same output ended", True, group=_WORK)

    @property
    def traffic_used(self) -> str:
        """The traffic; where none is named, that of the devkit."""
        return self.traffic or (REACTIVE if self.two_stage else LOG_REPLAY)

    @property
    def stages_output(self) -> Path:
        """Where the table of two stages is written."""
        return self.output.with_suffix(".stages.parquet")

    def check(self) -> None:
        """The split is there; what belongs to two stages comes together."""
        if self.output.suffix == ".csv":
            raise UsageError(
                f"output={self.output} is the name of the csv twin", "name it FILE.parquet"
            )
        if self.two_stage and self.protocol != EPDMS_V2:
            message = f"two_stage=true with protocol={self.protocol}"
            raise UsageError(message, f"set protocol={EPDMS_V2}")
        check_traffic(self.traffic_used, self.protocol)
        for name in ("synthetic_scenes", "mapping"):
            if self.two_stage and getattr(self, name) is None:
                raise UsageError(f"two_stage=true without {name}=", f"add {name}=")
        if (self.data_root is None) != (self.maps_root is None):
            given, absent = ("data", "maps") if self.maps_root is None else ("maps", "data")
            raise UsageError(f"{given}_root= without {absent}_root=", f"add {absent}_root=DIR")
        require_split(self.data_split, self.data_root)
