"""AlpaSim's services: an agent as its driver, the town as its renderer.

    with serve_driver(ServeDriverRun(agent=agent, address="unix:/tmp/driver.sock")) as address:
        ...

Needs the extra `loop`, whose package carla-driver-interface brings the messages of the contract.
"""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.closed_loop.serving.preflight import examine_driver
    from reworld_agent.closed_loop.serving.run import serve_driver
    from reworld_agent.closed_loop.serving.settings import ServeDriverRun, ServeWorldSettings
    from reworld_agent.closed_loop.serving.world import serve_world

__all__ = [
    "ServeDriverRun",
    "ServeWorldSettings",
    "examine_driver",
    "serve_driver",
    "serve_world",
]

__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "preflight": ["examine_driver"],
        "run": ["serve_driver"],
        "settings": ["ServeDriverRun", "ServeWorldSettings"],
        "world": ["serve_world"],
    },
)
