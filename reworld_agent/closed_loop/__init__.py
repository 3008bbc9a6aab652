"""The closed loop: an agent drives in the town, step after step, and everybody reacts to it.

The contract, for adapters (other simulators' interfaces, a gymnasium environment):

    from reworld_agent.closed_loop import World, make, from_split

    scenario = make(seed=3, kind="cut_in", difficulty=2, town="test-fan")
    world = World(scenario, cameras=("CAM_F0",))   # () for none; or an agent's SensorConfig
    seen = world.reset()                           # NAVSIM's AgentInput: 4 frames at 2 Hz
    seen, events = world.step(action, duration=0.5, latency=0.0)
    world.done, world.reason                       # "over" or "off_map"; "" while it goes on
    world.time, world.tick                         # s, and ticks of 0.1 s
    world.state, world.states                      # [11], [T, 11] rear axle, global frame
    world.picture("CAM_B0")                        # RGB, now
    world.scene()                                  # privileged: boxes, lights, route, map

`action` is a `Trajectory`, poses [L, 3] in the ego frame (8 at 2 Hz or 40 at 10 Hz), or
(acceleration in m/s², steering angle in rad); None goes on with the one before. A bad one raises
DataError, and nothing has moved. `events` are `Event(time, kind, detail)` that began in this step:
collision (at fault or not), off_road, off_map, over. The same scenario and the same actions give
the same states, boxes and pictures, to the last bit.
"""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.closed_loop.contacts import Event
    from reworld_agent.closed_loop.ego import Control
    from reworld_agent.closed_loop.kinds import KINDS
    from reworld_agent.closed_loop.scenarios import Scenario, from_split, make, of_split
    from reworld_agent.closed_loop.world import World

__all__ = ["KINDS", "Control", "Event", "Scenario", "World", "from_split", "make", "of_split"]

__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "contacts": ["Event"],
        "ego": ["Control"],
        "kinds": ["KINDS"],
        "scenarios": ["Scenario", "from_split", "make", "of_split"],
        "world": ["World"],
    },
)
