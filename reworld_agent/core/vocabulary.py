"""Names that settings offer, known without the code that they stand for."""

from __future__ import annotations

PROTOCOL_NAMES = ("pdms_v1", "epdms_v2")
BOTH = "both"  # the two protocols from one simulation; every column named <protocol>_<column>
PROTOCOL_CHOICES = (*PROTOCOL_NAMES, BOTH)

LOG_REPLAY, REACTIVE = TRAFFIC = ("log_replay", "reactive")
"""How other road users drive beside a plan: as logged, or answering to it."""
