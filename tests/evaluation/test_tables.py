"""The result table: NAVSIM's columns, an average that is never of a part, provenance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from reworld_agent.baselines import EgoStatusMLPAgent, HumanAgent
from reworld_agent.core.provenance import blas_name, code_version, provenance, weights_hash
from reworld_agent.core.result_tables import read_provenance
from reworld_agent.evaluation.tables import (
    format_summary,
    score_table,
    summarise,
    write_score_table,
)
from reworld_agent.pdm.metrics import columns

# Written out, not imported: these are the columns of NAVSIM v1.1's result file.
COLUMNS = [
    "token",
    "valid",
    "no_at_fault_collisions",
    "drivable_area_compliance",
    "ego_progress",
    "time_to_collision_within_bound",
    "comfort",
    "driving_direction_compliance",
    "score",
]


def _rows(scores: list[float]) -> pd.DataFrame:
    rows = pd.DataFrame(dict.fromkeys(COLUMNS[2:], 1.0), index=range(len(scores)))
    rows["score"] = scores
    rows["token"] = [f"t{i}" for i in range(len(scores))]
    rows["reason"] = np.where(np.isnan(scores), "broken", "")
    rows["progress_m"] = 1.0
    return rows


def test_columns_and_average_are_navsims(tmp_path: Path) -> None:
    table = score_table(["t1", "t0"], _rows([0.5, 1.0]), "pdms_v1")
    assert table.columns.tolist() == COLUMNS
    assert table["token"].tolist() == ["t1", "t0", "average"]
    assert table["score"].tolist() == [1.0, 0.5, 0.75]
    assert table["valid"].tolist() == [True, True, True]
    assert table["valid"].dtype == bool
    parquet, csv = write_score_table(tmp_path, table, {"protocol": "pdms_v1"})
    pd.testing.assert_frame_equal(pd.read_parquet(parquet), table, check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_csv(csv), table, check_dtype=False)
    assert read_provenance(parquet) == {"protocol": "pdms_v1"}


def test_no_average_over_a_part() -> None:
    table = score_table(["t0", "t1", "absent"], _rows([0.5, np.nan]), "pdms_v1")
    assert table["valid"].tolist() == [True, False, False, False]
    assert np.isnan(table["score"].iloc[-1])
    assert np.isnan(table["comfort"].iloc[-1])
    summary = summarise("mine", table)
    assert not summary.complete
    text = format_summary([summary], "pdms_v1", "small")
    assert "INCOMPLETE 1/3" in text
    assert "nan" in text


def test_the_printed_table_shows_four_digits_and_the_protocol() -> None:
    table = score_table(["t0"], _rows([0.84203]), "pdms_v1")
    text = format_summary(
        [summarise("human", table), summarise("reworld", table, fallbacks=1)], "pdms_v1", "toy"
    )
    lines = text.splitlines()
    assert lines[0].split() == ["agent", "NC", "DAC", "TTC", "Comf.", "EP", "PDMS", "scenes"]
    assert lines[1].split()[-2:] == ["0.8420", "1"]
    assert "1 planned by the agent's fallback" in lines[2]
    assert lines[-1].startswith("protocol pdms_v1 (PDM score of NAVSIM v1.1")


def test_a_table_of_both_protocols() -> None:
    rows = pd.DataFrame(1.0, index=range(2), columns=list(columns("both")))
    rows["token"], rows["reason"] = ["t0", "t1"], ""
    rows["epdms_v2_score"] = [0.5, np.nan]
    table = score_table(["t0", "t1"], rows, "both")
    assert table.columns.tolist() == ["token", "valid", *columns("both")]
    assert table["valid"].tolist() == [True, False, False]
    text = format_summary([summarise("mine", table)], "both", "small")
    assert [line.split()[-2] for line in text.splitlines() if line.startswith("agent")] == [
        "PDMS",
        "EPDMS",
    ]
    assert text.count("INCOMPLETE 1/2") == 2


def test_protocols_are_complete() -> None:
    assert list(columns("pdms_v1")) == COLUMNS[2:]


def test_provenance_names_weights_code_and_numerics() -> None:
    torch.manual_seed(0)
    agent = EgoStatusMLPAgent(hidden_size=4)
    origin = provenance("ego_status_mlp", agent, "small", 3, "pdms_v1")
    assert set(origin) == {
        *("protocol", "code_version", "agent", "weights_sha256"),
        *("split", "tokens", "numpy", "blas"),
    }
    assert len(origin["weights_sha256"]) == 64
    assert origin["tokens"] == 3
    layer = agent.mlp[0]
    assert isinstance(layer, torch.nn.Linear)
    with torch.no_grad():
        layer.bias[0] += 1e-3
    assert weights_hash(agent) != origin["weights_sha256"]
    assert weights_hash(HumanAgent()) == ""
    # the devkit's constant_velocity_agent is a module that never calls Module.__init__
    assert weights_hash(torch.nn.Module.__new__(torch.nn.Module)) == ""
    assert blas_name()
    assert code_version().startswith("0.")
