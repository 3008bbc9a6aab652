"""Records: what lies beside results and says what they are; written sealed, read by type."""

from __future__ import annotations

from reworld_agent.core.records.reader import (
    SEAL,
    VERSION,
    parse_json,
    read_record,
    read_yaml,
    record_bytes,
    write_record,
)
from reworld_agent.core.records.typed import Mistyped, as_shown

__all__ = [
    "SEAL",
    "VERSION",
    "Mistyped",
    "as_shown",
    "parse_json",
    "read_record",
    "read_yaml",
    "record_bytes",
    "write_record",
]
