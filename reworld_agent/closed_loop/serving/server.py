"""Listening: a gRPC server for as long as it is wanted."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
from carla_driver_interface.protocol import channel_options

from reworld_agent.closed_loop.serving.address import Address, require_free
from reworld_agent.core.errors import UsageError
from reworld_agent.core.text import one_line

logger = logging.getLogger(__name__)

_GRACE_S = 1.0  # for calls that are being answered when the server stops
_LONGEST = 300  # characters of a reason; gRPC drops calls whose metadata are longer than 8 KiB
Register = Callable[[grpc.Server], None]


def detail(text: str) -> str:
    """A reason as gRPC can carry it beside an answer: one line of ASCII, not long."""
    return one_line(text, _LONGEST).encode("ascii", "replace").decode()


@contextmanager
def listening(register: Register, address: Address, threads: int) -> Iterator[Address]:
    """Answer calls for the duration of the block.

    Args:
        register: adds its services to a server.
        address: where; port 0 takes one that is free.
        threads: calls that are answered at once.

    Yields:
        The address, with the port that was taken.

    Raises:
        UsageError: somebody listens there already, or nobody can.
    """
    require_free(address)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="serve")
    # gRPC would share the port with another server, which then gets some of our calls
    options = [*channel_options(), ("grpc.so_reuseport", 0)]
    server = grpc.server(pool, options=options)
    register(server)
    try:
        port = server.add_insecure_port(str(address))
    except RuntimeError as error:  # taken since it was looked at
        raise UsageError(f"address={address} cannot be used", "choose another address=") from error
    server.start()
    bound = address if address.socket_file else dataclasses.replace(address, port=port)
    logger.info("listening on %s", bound)
    try:
        yield bound
    finally:
        server.stop(_GRACE_S).wait()
        pool.shutdown(wait=False, cancel_futures=True)
