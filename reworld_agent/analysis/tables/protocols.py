"""The columns of PDMS (NAVSIM v1) and EPDMS (NAVSIM v2), their short names, and the formulas."""

from __future__ import annotations

from reworld_agent.pdm.metrics import SCORE, Protocol, metrics, protocol, protocols
from reworld_agent.pdm.metrics import table as rows

NC, DAC, DDC, TLC = (row.name for row in (rows.NC, rows.DAC, rows.DDC, rows.TLC))
EP, TTC, COMFORT, HISTORY_COMFORT = (r.name for r in (rows.EP, rows.TTC, rows.COMFORT, rows.HC))
LANE_KEEPING, EXTENDED_COMFORT = rows.LK.name, rows.EC.name
SHORT = {**{row.name: row.short for row in metrics()}, SCORE: SCORE}
VALUES = {row.name: row.values for row in metrics() if row.values}
"""The only values a metric takes; EP and the score take any from 0 to 1."""

PDMS_V1, EPDMS_V2 = protocol("pdms_v1"), protocol("epdms_v2")
PROTOCOLS = {rules.name: rules for rules in protocols()}
__all__ = ["SCORE", "Protocol"]
