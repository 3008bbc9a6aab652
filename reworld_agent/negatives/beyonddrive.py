"""Pools in BeyondDrive's format: one pickle per scene, `<token>.pkl`.

A dictionary of `token`, `valid`, `pred_trajectorys` float [N, 8, 3] (ego frame) and
`pdm_score_matrix` [N, 7]: NC, DAC, EP, TTC, comfort, DDC, total. Read by allow-list.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from reworld_agent.core.errors import DataError
from reworld_agent.core.guards.file_names import file_names
from reworld_agent.core.unpickle import load_pickle
from reworld_agent.pdm.metrics import SCORE
from reworld_agent.pdm.metrics.table import PDMS_V1

MATRIX = (*PDMS_V1.of_one_frame, SCORE)


def import_pool(folder: Path) -> pd.DataFrame:
    """Rows of our pool from a folder of BeyondDrive's pickles; scenes marked invalid are left out.

    Raises:
        DataError: no pickles, one that cannot be read safely, or arrays of another shape.
    """
    files = sorted(folder.glob("*.pkl"))
    if not files:
        raise DataError(f"{folder} holds no pickle", "name the folder of <token>.pkl files")
    tables = [_read(file) for file in tqdm(files, desc="importing", delay=2.0)]
    return pd.concat(tables, ignore_index=True)


def _read(file: Path) -> pd.DataFrame:
    content: Any = load_pickle(file)
    try:
        token = str(content.get("token", file.stem))
        if not content.get("valid", True):
            return pd.DataFrame()
        poses = np.asarray(content["pred_trajectorys"], dtype=np.float64)
        matrix = np.asarray(content["pdm_score_matrix"], dtype=np.float64)
    except (AttributeError, KeyError, ValueError) as error:
        raise DataError(f"{file} is no scene of a pool: {error!r}", "leave it out") from error
    if poses.ndim != 3 or poses.shape[2] != 3 or matrix.shape != (len(poses), len(MATRIX)):
        shapes = f"poses {poses.shape}, scores {matrix.shape}"
        raise DataError(
            f"{file} has arrays of another shape: {shapes}", "needed: [N, 8, 3], [N, 7]"
        )
    rows = pd.DataFrame(matrix, columns=list(MATRIX))
    rows.insert(0, "token", token)
    rows.insert(1, "candidate", [str(number) for number in range(len(poses))])
    rows.insert(2, "poses", list(poses.reshape(len(poses), -1)))
    return rows


def export_pool(rows: pd.DataFrame, folder: Path) -> int:
    """Write one pickle per scene, as BeyondDrive reads them; the number of scenes.

    Raises:
        DataError: the folder cannot be written.
    """
    count = 0
    files = file_names(str(token) for token in rows["token"].unique())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for token, group in tqdm(rows.groupby("token", sort=False), desc="exporting", delay=2.0):
            poses = np.stack(list(group["poses"])).astype(np.float32)
            scene = {
                "token": str(token),
                "valid": True,
                "pred_trajectorys": poses.reshape(len(poses), -1, 3),
                "pdm_score_matrix": group[list(MATRIX)].to_numpy(np.float32),
            }
            (folder / f"{files[str(token)]}.pkl").write_bytes(pickle.dumps(scene, protocol=4))
            count += 1
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error}", "choose another folder") from error
    return count
