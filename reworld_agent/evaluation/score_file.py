"""Score a file of trajectories of any planner: rows in, the same rows with their scores out."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pandas as pd
import pyarrow as pa

from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.core.provenance import blas_name, code_version
from reworld_agent.core.result_tables import write_csv, write_parquet
from reworld_agent.core.shards import PartStore
from reworld_agent.core.vocabulary import LOG_REPLAY, PROTOCOL_CHOICES, REACTIVE, TRAFFIC
from reworld_agent.core.workers import WORKERS
from reworld_agent.evaluation.scoring import ROW_KEYS, score_trajectories
from reworld_agent.pdm.batch import check_traffic
from reworld_agent.pdm.cache_io.folder import SceneCaches, code_digest
from reworld_agent.pdm.metrics import columns
from reworld_agent.pdm.poses import looks_like_degrees

HELP = """\
Score trajectories of any planner with the PDM score of NAVSIM, without the devkit.

  python eval/score_trajectories.py trajectories=FILE.parquet data_root=DIR maps_root=DIR \\
      data_split=NAME output=FILE.parquet

  trajectories  parquet with the columns
                  token      the scene: token of its current frame
                  candidate  name of the trajectory; needed if a token has more than one row
                  poses      24 numbers = [8, 3] at 2 Hz, or 120 = [40, 3] at 10 Hz:
                             x, y [m], heading [rad] of the rear axle in the ego frame at t0
                             (x forward, y left), up to 4 s
  data_root     folder with navsim_logs/<data_split>/*.pkl   (OPENSCENE_DATA_ROOT)
  maps_root     folder with <city>/<version>/map.gpkg        (NUPLAN_MAPS_ROOT)
  data_split    name of the split's folder, e.g. mini, trainval, test
  output        parquet to write; a .csv twin is written beside it
  protocol      {protocols} (default pdms_v1)
                  pdms_v1   PDMS of NAVSIM v1.1
                  epdms_v2  EPDMS of NAVSIM v2.2, log replay: metrics and score after the human
                            filter, without EC; pdm_score and *_unfiltered before it
                  both      the two from one simulation, each column named by its protocol:
                            pdms_v1_score, epdms_v2_score, ...
  traffic       {traffic} (default log_replay; in two stages reactive)
                  reactive  vehicles answer to each trajectory, as in NAVSIM v2.2 with
                            traffic_agents=reactive; protocol=epdms_v2 only, far slower
  two_stage     true: EPDMS of NAVSIM v2.2's two stages; the file then names one trajectory for
                each frame of both stages. Written too: OUTPUT.stages.parquet and .csv
  synthetic_scenes  folder of stage two's scenes, synthetic_scene_pickles
  mapping       yaml of the two-stage split (reactive_all_mapping)
  worker        {workers} (default processes)
  workers       how many (default: one for each core)
  explain       true (default): also when and why each metric fails; false: scores only
  cache_dir     folder of scene caches (default: in the cache folder of this package)
  resume        true (default): go on where a stopped run of the same output ended

Every trajectory is scored alone beside PDM-Closed, as the devkit does it. Rows that cannot be
scored have valid = false and a reason, and the exit code is then 1.
"""


@dataclass(frozen=True)
class Request:
    """The command's settings; see HELP."""

    trajectories: Path
    data_root: Path
    maps_root: Path
    data_split: str
    output: Path
    protocol: str = "pdms_v1"
    worker: str = "processes"
    workers: int | None = None
    explain: bool = True
    cache_dir: Path | None = None
    resume: bool = True
    traffic: str = ""
    two_stage: bool = False
    synthetic_scenes: Path | None = None
    mapping: Path | None = None

    def __post_init__(self) -> None:
        if not self.traffic:
            object.__setattr__(self, "traffic", REACTIVE if self.two_stage else LOG_REPLAY)
        check_traffic(self.traffic, self.protocol)
        if not self.two_stage:
            return
        if self.protocol != "epdms_v2":
            raise ConfigError(
                f"two_stage=true with protocol={self.protocol}", "set protocol=epdms_v2"
            )
        for name in ("synthetic_scenes", "mapping"):
            if getattr(self, name) is None:
                raise ConfigError(f"two_stage=true without {name}=", "see --help")

    @property
    def stages_output(self) -> Path:
        """Where the table of two stages is written."""
        return self.output.with_suffix(".stages.parquet")


def help_text() -> str:
    """What `--help` prints."""
    return HELP.format(
        protocols=" | ".join(PROTOCOL_CHOICES),
        workers=" | ".join(WORKERS),
        traffic=" | ".join(TRAFFIC),
    )


def parse(words: Sequence[str]) -> Request:
    """Read `key=value` words.

    Raises:
        ConfigError: a word is malformed, unknown, missing or has an impossible value.
    """
    given: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise ConfigError(f"{word!r} is not key=value", "see --help")
        given[key] = value
    known = {item.name: item for item in fields(Request)}
    unknown = sorted(given.keys() - known.keys())
    if unknown:
        raise ConfigError(f"{unknown[0]}= is unknown", f"known: {', '.join(known)}; see --help")
    missing = [n for n, item in known.items() if item.default is MISSING and not given.get(n)]
    if missing:
        raise ConfigError(f"{missing[0]}= is missing", "see --help for an example")
    return Request(**{key: _value(key, value) for key, value in given.items()})


def _value(key: str, value: str) -> Any:
    choices = {"protocol": PROTOCOL_CHOICES, "worker": WORKERS, "traffic": TRAFFIC}
    if key in choices and value not in choices[key]:
        raise ConfigError(f"{key}={value} is unknown", f"use {key}={' | '.join(choices[key])}")
    if key in ("explain", "resume", "two_stage"):
        if value.lower() not in ("true", "false"):
            raise ConfigError(f"{key}={value} is not true or false", f"set {key}=true")
        return value.lower() == "true"
    if key == "workers":
        if not value.isdigit() or int(value) < 1:
            raise ConfigError(f"workers={value} is no positive number", "set workers=1 or more")
        return int(value)
    return value if key in ("data_split", *choices) else Path(value).expanduser().absolute()


def score_file(request: Request) -> pd.DataFrame:
    """Score the file, write the result and its csv twin.

    Returns:
        The written table: token, candidate, valid, reason, the protocol's metrics, progress_m,
        pdm_closed_progress_m and, with `explain`, the failure records.

    Raises:
        DataError: the input cannot be read, lacks columns or names a trajectory twice; or the
            output cannot be written (finished rows are kept beside it).
    """
    table = read_trajectories(request.trajectories)
    caches = caches_of(request)
    identity = {
        "protocol": request.protocol,
        "traffic": request.traffic,
        "explain": request.explain,
        "data": caches.data_digest,
        "scoring code": code_digest(),
    }
    parts = request.output.with_name(request.output.name + ".parts")
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]
    store = PartStore(parts / digest, ROW_KEYS, identity, request.resume)
    named = table.assign(candidate=table["candidate"].astype(str))
    rows = score_trajectories(
        named,
        caches,
        store,
        request.protocol,
        request.worker,
        request.workers,
        request.explain,
        request.traffic,
    )
    rows.insert(2, "valid", rows["reason"] == "")
    rows["token"], rows["candidate"] = table["token"], table["candidate"]
    write_parquet(request.output, rows, provenance_of(request, table))
    write_csv(request.output.with_suffix(".csv"), rows)
    if rows["valid"].all():  # else the next start tries the others again
        shutil.rmtree(parts, ignore_errors=True)
    return rows


def caches_of(request: Request) -> SceneCaches:
    """The scene caches of a request; those of synthetic scenes too where there are two stages."""
    return SceneCaches(
        request.data_root,
        request.maps_root,
        request.data_split,
        request.cache_dir,
        request.synthetic_scenes if request.two_stage else None,
    )


def read_trajectories(path: Path) -> pd.DataFrame:
    """The input table with columns token, candidate, poses (flat float64 arrays).

    Raises:
        DataError: no such file, not parquet, columns missing, or no rows.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file", "name a parquet file with trajectories=")
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path}: not a readable parquet file ({error})") from error
    missing = [name for name in ("token", "poses") if name not in table]
    if missing:
        raise DataError(
            f"{path}: no column {' and no column '.join(missing)}; it has {list(table.columns)}",
            "columns: token, candidate (optional), poses (24 or 120 numbers); see --help",
        )
    if table.empty:
        raise DataError(f"{path}: no rows")
    table = table.reset_index(drop=True)
    if "candidate" not in table:
        table["candidate"] = 0
    poses = pd.Series([_flat(value) for value in table["poses"]], dtype=object)
    table["poses"] = poses
    return table[["token", "candidate", "poses"]]


def _flat(value: Any) -> np.ndarray:
    """Numbers of one trajectory, nested or flat; empty where they are no numbers."""
    try:
        nested = np.asarray(value)
        if nested.dtype == object:
            nested = np.array([np.asarray(row, np.float64) for row in nested])
        return nested.astype(np.float64).reshape(-1)
    except (TypeError, ValueError):
        return np.empty(0)


def degrees_suspected(table: pd.DataFrame) -> bool:
    """Whether headings of the first trajectories look like degrees."""
    sizes = table["poses"].map(len)
    usual = table.loc[sizes == sizes.mode().iloc[0], "poses"].head(256)
    stacked = np.stack(list(usual))
    if stacked.shape[1] % 3 or stacked.shape[1] < 6 or not np.isfinite(stacked).all():
        return False
    return looks_like_degrees(stacked.reshape(len(stacked), -1, 3))


def provenance_of(request: Request, table: pd.DataFrame) -> dict[str, Any]:
    """Where the numbers come from, for the tables' metadata."""
    return {
        "protocol": request.protocol,
        "traffic": request.traffic,
        "code_version": code_version(),
        "trajectories_sha256": hashlib.sha256(request.trajectories.read_bytes()).hexdigest(),
        "split": request.data_split,
        "tokens": int(table["token"].nunique()),
        "rows": len(table),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "blas": blas_name(),
    }


def summary(table: pd.DataFrame, protocol: str) -> str:
    """What the command prints: counts, means of the valid rows, reasons of the others."""
    valid = table[table["valid"]]
    lines = [
        f"{protocol}: {len(valid)} of {len(table)} trajectories scored, "
        f"{table['token'].nunique()} scenes"
    ]
    if len(valid):
        means = valid[list(columns(protocol))].astype(float).mean()
        width = 3 + max(len(str(name)) for name in means.index)
        lines += [f"  {name:<{width}}{value:.4f}" for name, value in means.items()]
    for reason, count in table.loc[~table["valid"], "reason"].value_counts().head(5).items():
        lines.append(f"  no score for {count}: {reason}")
    return "\n".join(lines)
