"""`serve_world`: the town listens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from reworld_agent.closed_loop.serving.address import Address, require_free
from reworld_agent.closed_loop.serving.server import listening
from reworld_agent.closed_loop.serving.settings import ServeWorldSettings
from reworld_agent.closed_loop.serving.town_scenes import TownScenes
from reworld_agent.closed_loop.serving.town_service import TownService
from reworld_agent.scenes.synthetic.drive import SPLITS


@contextmanager
def serve_world(settings: ServeWorldSettings) -> Iterator[Address]:
    """Answer AlpaSim's sensorsim calls for the duration of the block.

    Yields:
        Where it listens.

    Raises:
        UsageError: the address is taken.
    """
    require_free(settings.place())  # before a town is made
    count = settings.drives or SPLITS[settings.data_split].logs
    scenes = TownScenes(settings.data_split, count)
    scenes.scene(scenes.names[0]).prepare()
    service = TownService(scenes)
    with listening(service.add_to, settings.place(), settings.threads) as bound:
        yield bound
