"""The town as a gymnasium environment: `reworld/TownDrive-v0`.

    import gymnasium
    env = gymnasium.make("reworld/TownDrive-v0", observations="state", actions="controls")

gymnasium finds it by an entry point of this package (`gymnasium.envs`), which calls `register`.
Needs the extra `loop`.
"""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.closed_loop.gym_env.env import TownDrive
    from reworld_agent.closed_loop.gym_env.registering import register

__all__ = ["TownDrive", "register"]

__getattr__, __dir__ = lazy_face(__name__, {"env": ["TownDrive"], "registering": ["register"]})
