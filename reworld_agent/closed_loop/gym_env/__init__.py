"""The town as a gymnasium environment: `reworld/TownDrive-v0`.

    import gymnasium
    import reworld_agent.closed_loop.gym_env  # registers it

    env = gymnasium.make("reworld/TownDrive-v0", observations="state", actions="controls")

Or, in one line and in other processes too,
`gymnasium.make("reworld_agent.closed_loop.gym_env:reworld/TownDrive-v0")`. Needs the extra `loop`.
Nothing heavy is imported until an environment is made.
"""

from typing import TYPE_CHECKING

import gymnasium

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.closed_loop.gym_env.env import TownDrive

__all__ = ["TownDrive"]

__getattr__, __dir__ = lazy_face(__name__, {"env": ["TownDrive"]})

# an episode ends itself: no wrapper counts its steps
gymnasium.register(
    id="reworld/TownDrive-v0", entry_point="reworld_agent.closed_loop.gym_env.env:TownDrive"
)
