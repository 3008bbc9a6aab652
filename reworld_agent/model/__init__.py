"""The whole model, its folder of weights, and the weights that are shipped.

Importing this face imports nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.model.reworld_model import ReWorldModel
    from reworld_agent.model.shipped import load_checkpoint, shipped_folder

__all__ = ["ReWorldModel", "load_checkpoint", "shipped_folder"]
__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "reworld_model": ["ReWorldModel"],
        "shipped": ["load_checkpoint", "shipped_folder"],
    },
)
