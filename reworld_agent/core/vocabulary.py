"""Names that settings offer, known without the code that they stand for."""

from __future__ import annotations

from reworld_agent.core.errors import UsageError

PDMS_V1, EPDMS_V2 = PROTOCOL_NAMES = ("pdms_v1", "epdms_v2")
DRIVE_V1 = "drive_v1"  # of closed loops; their tables are read, and no single plan is scored so
TABLE_PROTOCOLS = (*PROTOCOL_NAMES, DRIVE_V1)
BOTH = "both"  # the two protocols from one simulation; every column named <protocol>_<column>
PROTOCOL_CHOICES = (*PROTOCOL_NAMES, BOTH)

LOG_REPLAY, REACTIVE = TRAFFIC = ("log_replay", "reactive")
"""How other road users drive beside a plan: as logged, or answering to it."""

SCORES_FILE, DRIVE_SCORES_FILE = "pdm_scores.parquet", "drive_scores.parquet"
RUN_TABLES = {SCORES_FILE: "reworld score", DRIVE_SCORES_FILE: "reworld drive"}
"""The table that a run's folder is known by, and the command that writes it."""

DEVICES = ("cpu", "cuda")
GROUP_SCORES = "group_scores"  # in the provenance of two-stage tables: by present frame


def check_traffic(traffic: str, protocol: str) -> None:
    """Raise UsageError where there is no such traffic in this protocol."""
    if traffic not in TRAFFIC:
        raise UsageError(f"traffic={traffic} is unknown", f"use traffic={' | '.join(TRAFFIC)}")
    if traffic == REACTIVE and protocol != EPDMS_V2:
        raise UsageError(
            f"traffic=reactive is of NAVSIM v2; protocol={protocol} replays the log",
            f"set protocol={EPDMS_V2}, or traffic=log_replay",
        )
