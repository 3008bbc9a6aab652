"""Where services listen: what is read, what is taken, what another process left behind."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from reworld_agent.closed_loop.serving.address import (
    Address,
    read_address,
    require_free,
    usual_address,
)
from reworld_agent.core.errors import UsageError


def test_addresses_are_read() -> None:
    assert read_address("127.0.0.1:50051") == Address("127.0.0.1", 50051)
    assert str(read_address("6789")) == "127.0.0.1:6789"
    assert str(read_address("[::1]:80")) == "[::1]:80"
    assert read_address("0.0.0.0:7").dialled() == "127.0.0.1:7"
    assert str(read_address("unix:///run/a.sock")) == "unix:/run/a.sock"
    assert read_address("unix:a.sock").socket_file == Path("a.sock").absolute()


@pytest.mark.parametrize("text", ["here", "a:b", "a:65536", "a:-1", "unix:", f"unix:/{'a' * 200}"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="address="):
        read_address(text)


def test_the_evaluators_variables_are_taken() -> None:
    assert usual_address({}) == "127.0.0.1:50051"
    given = {"ALPASIM_DRIVER_HOST": "0.0.0.0", "ALPASIM_DRIVER_PORT": "6789"}
    assert usual_address(given) == "0.0.0.0:6789"


def test_a_port_that_is_taken_is_refused_with_the_next_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"taken(.|\n)*next.*:{port + 1}"):
            require_free(Address("127.0.0.1", port))
    require_free(Address("127.0.0.1", port))


def test_a_host_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be used"):
        require_free(Address("203.0.113.7", 50051))


def test_sockets_files_and_what_was_left_behind(tmp_path: Path) -> None:
    file = tmp_path / "s"
    address = Address("", 0, file)
    require_free(address)
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(file))
        taken.listen()
        with pytest.raises(UsageError, match="taken by another process"):
            require_free(address)
    assert file.is_socket()
    require_free(address)  # nobody listens any longer
    assert not file.exists()
    file.touch()
    with pytest.raises(UsageError, match="a file, not a socket"):
        require_free(address)
    assert file.is_file()
    with pytest.raises(UsageError, match="nothing can be written"):
        require_free(Address("", 0, tmp_path / "absent" / "s"))
