"""Weights of others as ours: LTX-Video, DriveLaW and the authors' ReWorld release.

Importing this face imports nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.checkpoints.convert import (
        ANCESTORS,
        TRUNKS,
        Converted,
        Request,
        convert_checkpoint,
    )

__all__ = ["ANCESTORS", "TRUNKS", "Converted", "Request", "convert_checkpoint"]
__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "convert": ["ANCESTORS", "TRUNKS", "Converted", "Request", "convert_checkpoint"],
    },
)
