"""Driving an agent through many scenarios: settings, processes, tables, records."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.closed_loop.driving.loop import Driven, Pace, drive_scenario
    from reworld_agent.closed_loop.driving.run import drive
    from reworld_agent.closed_loop.driving.settings import DriveRun
    from reworld_agent.closed_loop.driving.tables import Driving

__all__ = ["DriveRun", "Driven", "Driving", "Pace", "drive", "drive_scenario"]

__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "loop": ["Driven", "Pace", "drive_scenario"],
        "run": ["drive"],
        "settings": ["DriveRun"],
        "tables": ["Driving"],
    },
)
