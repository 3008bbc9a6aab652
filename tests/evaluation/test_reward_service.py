"""Rewards over HTTP: the digits, and every request and client that cannot be served."""

from __future__ import annotations

import io
import json
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest

from reworld_agent import pdm
from reworld_agent.cli.main import main
from reworld_agent.evaluation import ServeRewardRun, serve_reward
from tests.pdm.reward.test_reward import plans, scenes


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A server of three scenes, at most 100 candidates a request."""
    for cache in scenes():
        cache.save(tmp_path / f"{cache.token}.npz")
    settings = ServeRewardRun(
        caches=tmp_path, port=0, most_candidates=100, columns=("score", "comfort")
    )
    with serve_reward(settings) as address:
        yield address


def ask(url: str, body: bytes, kind: str = "application/octet-stream", path: str = "/score") -> Any:
    """The answer of a request, or the refusal."""
    request = Request(url + path, body, {"Content-Type": kind})
    try:
        with urlopen(request, timeout=20) as answer:
            return answer.read()
    except HTTPError as error:
        return {"status": error.code, **json.loads(error.read())}


def packed(**arrays: Any) -> bytes:
    """An .npz."""
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def test_answers_are_the_digits_of_the_scorer(url: str) -> None:
    tokens, poses = ["s1", "s0"], plans(2)
    poses[0, 1] = np.nan
    expected = pdm.Reward(scenes(), columns=("score", "comfort"))(tokens, poses)
    found = np.load(io.BytesIO(ask(url, packed(tokens=tokens, poses=poses))))
    assert set(found.files) == set(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
    asked = {"tokens": tokens, "poses": np.where(np.isnan(poses), 1e9, poses).tolist()}
    asked["poses"][0][1][0][0] = float("nan")
    text = json.loads(ask(url, json.dumps(asked).encode(), "application/json"))
    assert text["score"][0][1] is None and text["score"][1] == expected["score"][1].tolist()
    assert text["faults"] == [{"token": "s1", "candidate": 1, "reason": "poses are not finite"}]
    with urlopen(url) as told:
        assert json.loads(told.read())["most_candidates"] == 100


def _bomb(shape: tuple[int, ...], size: int) -> bytes:
    """A small archive of an array that says it is large, or is."""
    packed, array = io.BytesIO(), io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(array, header)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("poses.npy", array.getvalue() + bytes(size))
    return packed.getvalue()


def test_what_cannot_be_answered_is_refused_and_the_server_goes_on(url: str) -> None:
    many = ask(url, packed(tokens=["s0"], poses=np.zeros((1, 101, 8, 3), np.float32)))
    assert many["status"] == 413 and many["error"] == (
        "101 candidates in one request: at most 100 candidates"
    )
    assert many["next"].endswith("start reworld serve reward most_candidates=200")
    lists = json.dumps({"tokens": ["s0"], "poses": [[[[0, 0, 0]]] * 101]}).encode()
    assert ask(url, lists, "application/json")["status"] == 413
    one_array = io.BytesIO()
    np.save(one_array, plans(1))
    refused = [
        (packed(tokens=["s9"], poses=plans(1)), "1 scenes have no cache: s9"),
        (packed(tokens=["s0"], poses=np.zeros((1, 2, 7, 3))), "poses hold 21 numbers"),
        (packed(poses=plans(1)), "tokens is missing"),
        (packed(tokens=["s0"], poses=np.array([{}])), "cannot be read"),  # a pickle
        (b"nothing", "cannot be read"),
        (packed(tokens=["s0"], poses=plans(1))[:-30], "cannot be read"),
        (b"PK\x03\x04" + bytes(60), "cannot be read"),
        (one_array.getvalue(), "cannot be read"),
        (packed(tokens=np.array(0), poses=plans(1)), "0-d array"),
        (packed(tokens=["s0"], poses=plans(1), interval_s=np.zeros(2)), "is no number"),
        (packed(tokens=["s0"], poses=plans(1), interval_s=np.array(True)), "is no number"),
        (packed(tokens=["s0"], poses=plans(1), interval_s=np.array("0.5")), "is no number"),
        (packed(tokens=["s0"], poses=plans(1) + 1j), "of type complex"),
        (packed(tokens=["s0"], poses=plans(1).astype(str)), "of type <U"),
        (packed(tokens=["s0"], poses=plans(1), interval=0.25), "interval is unknown"),
        (packed(tokens=[7], poses=plans(1)), "no list of texts"),
        (packed(tokens=[b"s0"], poses=plans(1)), "no list of texts"),
        (packed(tokens=np.array([], str), poses=np.zeros((0, 1, 8, 3))), "no list of texts"),
        (_bomb((1, 10**9, 8, 3), 10), "not of the shape"),
        (_bomb((1, 1, 8, 3), 10**7), "unpacked it has 10,000"),
    ]
    for body, said in refused:
        answer = ask(url, body)
        assert answer["status"] == 400 and said in answer["error"] and answer["next"], answer
    huge = json.dumps({"tokens": ["s0"], "poses": [[[[10**400, 0, 0]]]]})
    for text in (huge, '{"tokens": 5, "poses": []}', "[" * 100_000, '"text"'):
        answer = ask(url, text.encode(), "application/json")
        assert answer["status"] == 400 and answer["next"], answer
    assert ask(url, b"{}", path="/scores")["status"] == 404
    assert len(ask(url, packed(tokens=["s0"], poses=plans(1)))) > 0


def test_a_million_candidates_are_refused_before_they_are_read(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        size = 10**6 * 8 * 3 * 8
        client.sendall(f"POST /score HTTP/1.0\r\nContent-Length: {size}\r\n\r\n".encode())
        answer = client.makefile("rb").read()
    assert b" 413 " in answer and b"at most 100 candidates" in answer


def test_a_client_that_is_gone_ends_its_own_request(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    body = packed(tokens=["s0"], poses=plans(1))
    for sent in (10, len(body)):  # gone while it asks, and before it is answered
        client = socket.create_connection((host, int(port)), timeout=20)
        head = f"POST /score HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body[:sent])
        client.close()
    assert len(ask(url, body)) > 0


def test_a_port_that_is_taken_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", "reward", f"caches={tmp_path}", f"port={port}"]) == 2
    said = capsys.readouterr().err
    assert f"error: port={port} of 127.0.0.1 cannot be listened on" in said
    assert "next: name another, or port=0" in said
