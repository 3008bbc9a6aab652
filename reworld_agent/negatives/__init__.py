"""Hard negatives: candidates near the expert that the simulator calls unsafe (paper, 3.5)."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.negatives.convert import convert_pool
    from reworld_agent.negatives.convert_settings import ConvertPoolSettings

__all__ = ["ConvertPoolSettings", "convert_pool"]

__getattr__, __dir__ = lazy_face(
    __name__,
    {"convert": ["convert_pool"], "convert_settings": ["ConvertPoolSettings"]},
)
