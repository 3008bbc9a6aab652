"""What gymnasium calls when it is imported; nothing of ours is imported by it."""

from __future__ import annotations

import gymnasium

NAME = "TownDrive-v0"  # in the namespace of the entry point: reworld/TownDrive-v0
PLACE = "reworld_agent.closed_loop.gym_env.env:TownDrive"


def register() -> None:
    """Put the environment into gymnasium's registry, in the namespace of the entry point."""
    # an episode ends itself; the wrapper that counts steps would only say so once more
    gymnasium.register(id=NAME, entry_point=PLACE)
