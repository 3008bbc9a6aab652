"""Imagined futures: from clips and scenes to videos, and what tells a folder of them apart."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.generation.futures import Conditions, Sampling, generate
    from reworld_agent.generation.run import Futures, generate_futures
    from reworld_agent.generation.settings import GenerateSettings

__all__ = [
    "Conditions",
    "Futures",
    "GenerateSettings",
    "Sampling",
    "generate",
    "generate_futures",
]

__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "futures": ["Conditions", "Sampling", "generate"],
        "run": ["Futures", "generate_futures"],
        "settings": ["GenerateSettings"],
    },
)
