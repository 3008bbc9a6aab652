"""Tables, arrays and checkpoints of anyone, damaged: one error, or none; never a traceback."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from reworld_agent.analysis.tables.score_tables import read_table
from reworld_agent.baselines.ego_status_mlp import EgoStatusMLPAgent
from reworld_agent.clips.array_file import ArrayFile
from reworld_agent.clips.sources.folder import _read_poses
from reworld_agent.core.errors import ReWorldError
from reworld_agent.evaluation.file_scores import read_trajectories
from reworld_agent.submission.runs import read_run
from reworld_agent.training.loop.resume import finished_steps
from reworld_agent.video_metrics.scoring import _generator
from tests.analysis.tables import scores
from tests.core.records.mutations import of_bytes


def _parquet(frame: pd.DataFrame) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame), sink)
    return sink.getvalue()


def _saved(write: Callable[[Any], object]) -> bytes:
    sink = io.BytesIO()
    write(sink)
    return sink.getvalue()


PLANS = pd.DataFrame({"token": ["a", "b"], "poses": [list(np.arange(24.0))] * 2})
CLIP = np.zeros((4, 3, 8, 8), np.uint8)
STATE = {"global_step": 3, "state_dict": {"agent.mlp.0.weight": torch.zeros(4)}}
POSES = b"timestamp,x,y,heading\n0,0,0,0\n125000,1,0,0\n250000,2,0,0\n"
KINDS: dict[str, tuple[bytes, Callable[[Path], object]]] = {
    "scores.csv": (scores(4).to_csv(index=False).encode(), read_table),
    "scores.parquet": (_parquet(scores(4)), read_table),
    "plans.parquet": (_parquet(PLANS), read_trajectories),
    "run.parquet": (_parquet(PLANS), read_run),
    "clip.npy": (_saved(lambda sink: np.save(sink, CLIP)), ArrayFile),
    "clip.npz": (_saved(lambda sink: np.savez(sink, x=CLIP)), ArrayFile),
    "poses.csv": (POSES, _read_poses),
    "last.ckpt": (_saved(lambda sink: torch.save(STATE, sink)), finished_steps),
    "mlp.ckpt": (
        _saved(lambda sink: torch.save(STATE, sink)),
        lambda path: EgoStatusMLPAgent(checkpoint_path=str(path)).initialize(),
    ),
    "about.json": (b'{"name": "x", "steps": 3}', lambda path: _generator(str(path))),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", KINDS)
def test_damage_is_one_error(name: str, tmp_path: Path) -> None:
    whole, use = KINDS[name]
    file, refused = tmp_path / name, 0
    for data in [*of_bytes(whole, 100), b"[" * 20_000]:
        file.write_bytes(data)
        try:
            use(file)
        except ReWorldError as error:
            refused += 1
            assert name in str(error) and len(str(error)) < 3000
    assert refused > 20
