"""What every package uses: errors, settings, files, tables, workers. No torch, no Hydra.

Public are the errors, which a caller may want to catch; the rest serves the packages above.
"""

from reworld_agent.core.errors import (
    ConfigError,
    DataError,
    ReWorldError,
    SceneError,
    UsageError,
    WeightsError,
)

__all__ = [
    "ConfigError",
    "DataError",
    "ReWorldError",
    "SceneError",
    "UsageError",
    "WeightsError",
]
