"""Weights of others as ours: LTX-Video, DriveLaW and the authors' ReWorld release.

Importing this face imports nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.checkpoints.convert import Converted, Request, convert_checkpoint
    from reworld_agent.checkpoints.folder import convert_to_folder
    from reworld_agent.checkpoints.settings import ConvertSettings

__all__ = [
    "ConvertSettings",
    "Converted",
    "Request",
    "convert_checkpoint",
    "convert_to_folder",
]
__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "convert": ["Converted", "Request", "convert_checkpoint"],
        "folder": ["convert_to_folder"],
        "settings": ["ConvertSettings"],
    },
)
