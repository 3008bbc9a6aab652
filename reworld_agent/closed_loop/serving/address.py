"""Where a service listens: `host:port`, or a Unix socket, and whether somebody is there already."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reworld_agent.core.errors import UsageError

HOST, PORT = "ALPASIM_DRIVER_HOST", "ALPASIM_DRIVER_PORT"  # as AlpaSim's evaluator sets them
USUAL_HOST, USUAL_PORT = "127.0.0.1", 50051
_UNIX = "unix:"
_LONGEST_UNIX = 107  # bytes of a path, by Linux
_MOST_PORT = 65_535


@dataclass(frozen=True)
class Address:
    """Where a service listens.

    Attributes:
        host: of TCP; "" of a Unix socket.
        port: of TCP; 0 takes any that is free.
        socket_file: of a Unix socket; None of TCP.
    """

    host: str
    port: int = 0
    socket_file: Path | None = None

    def __str__(self) -> str:
        """As gRPC takes it."""
        if self.socket_file is not None:
            return f"{_UNIX}{self.socket_file}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def dialled(self) -> str:
        """What a client on this machine dials."""
        everywhere = self.host in ("0.0.0.0", "::")  # compared, nothing is bound
        return f"{USUAL_HOST}:{self.port}" if everywhere else str(self)


def read_address(text: str) -> Address:
    """An address of `host:port`, a port alone, or `unix:PATH`.

    Raises:
        UsageError: it is none of them, or no port or path that there can be.
    """
    usual = "address=127.0.0.1:50051, or address=unix:/tmp/driver.sock"
    if text.startswith(_UNIX):
        path = text.removeprefix(_UNIX)
        path = f"/{path.lstrip('/')}" if path.startswith("//") else path
        if not path or len(os.fsencode(str(Path(path).absolute()))) > _LONGEST_UNIX:
            message = f"address={text} must name a path of at most {_LONGEST_UNIX} bytes"
            raise UsageError(message, usual)
        return Address("", 0, Path(path).absolute())
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdecimal() or int(port) > _MOST_PORT:
        raise UsageError(f"address={text} must end in a port from 0 to {_MOST_PORT}", usual)
    return Address(host.strip("[]") or USUAL_HOST, int(port))


def usual_address(environment: Mapping[str, str]) -> str:
    """Where AlpaSim's evaluator wants its driver, else port 50051 of this machine alone."""
    host = environment.get(HOST) or USUAL_HOST
    return f"{host}:{environment.get(PORT) or USUAL_PORT}"


def require_free(address: Address) -> None:
    """Refuse an address where somebody listens already, or where nobody can.

    gRPC itself lets two services share a port, and takes a Unix socket away from its owner. The
    file of a socket that nobody listens to any longer is removed.

    Raises:
        UsageError: with the next command.
    """
    if address.socket_file is not None:
        _require_free_file(address.socket_file)
        return
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, place = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        taken = error.errno is not None and "in use" in os.strerror(error.errno)
        what = "is taken by another process" if taken else f"cannot be used: {error.strerror}"
        raise UsageError(
            f"address={address} {what}", f"choose another: address={address.host}:{_next(address)}"
        ) from error


def _next(address: Address) -> int:
    """Another port."""
    return address.port + 1 if address.port < _MOST_PORT else USUAL_PORT


def _require_free_file(file: Path) -> None:
    other = f"choose another: address=unix:{file.with_name('other.sock')}"
    if not file.parent.is_dir() or not os.access(file.parent, os.W_OK):
        raise UsageError(f"address=unix:{file}: nothing can be written in {file.parent}", other)
    if not file.exists():
        return
    if not file.is_socket():
        raise UsageError(f"address=unix:{file} is a file, not a socket", other)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(file))
        except ConnectionRefusedError:
            file.unlink()  # left behind by a service that was killed
            return
        except OSError as error:
            raise UsageError(
                f"address=unix:{file} cannot be used: {error.strerror}", other
            ) from error
    raise UsageError(f"address=unix:{file} is taken by another process", other)
