"""`Reward` behind HTTP: for trainers in other languages, environments or machines.

`POST /score` takes an `.npz` (application/octet-stream) of `tokens` [B], `poses` [B, N, L, 3] and,
where it is neither 0.5 nor 0.1, `interval_s`; it answers with an `.npz` of one array [B, N] for
each column. The same as JSON (application/json) is answered as JSON, NaN as null. `GET /` says what
is scored. What is refused is answered with a status of 4xx and {"error": …, "next": …}.

It speaks to whoever reaches its port, unencrypted, and has no passwords: by default that is this
machine alone.
"""

from __future__ import annotations

import io
import json
import logging
import math
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError, ReWorldError, UsageError
from reworld_agent.core.settings import did_you_mean
from reworld_agent.evaluation.reward_settings import ServeRewardRun
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.golden.finding import require_trust
from reworld_agent.pdm.poses import interval_of
from reworld_agent.pdm.reward import Reward
from reworld_agent.scenes.splits import resolve_split

logger = logging.getLogger(__name__)

_FIELDS = ("tokens", "poses", "interval_s")
_BYTES = 24 * 40 * 4  # of a plan of 40 poses as JSON writes it, at most
_PATIENCE_S = 60  # with a client that says nothing more
_JSON, _NPZ = "application/json", "application/octet-stream"
# of damaged archives, of text that is no number, of lists nested without end
_UNREADABLE = (
    DataError,
    ValueError,
    OSError,
    KeyError,
    EOFError,
    RecursionError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    zlib.error,
    BadZipFile,
)


@contextmanager
def serve_reward(settings: ServeRewardRun) -> Iterator[str]:
    """Answer in threads of this process for as long as the context lasts; gives the URL.

    Raises:
        UsageError: the port is taken, or there is no such split.
        ReWorldError: this machine would score wrongly.
    """
    server = _listening(settings)
    try:
        require_trust()
        with Reward(
            _scenes(settings), settings.protocol, settings.workers, settings.columns
        ) as reward:
            server.answers = Answers(reward, settings)
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            host, port = server.server_address[:2]
            yield f"http://{host!s}:{port}"
            server.shutdown()
            thread.join()
    finally:
        server.server_close()


def _listening(settings: ServeRewardRun) -> _Server:
    try:
        return _Server((settings.host, settings.port), _Handler)
    except OSError as error:
        message = f"port={settings.port} of {settings.host} cannot be listened on: {error.strerror}"
        raise UsageError(message, "name another, or port=0 for any that is free") from error


def _scenes(settings: ServeRewardRun) -> Path | SceneCaches:
    if settings.caches is not None:
        return settings.caches
    roots = resolve_split(settings.data_split)
    return SceneCaches(roots.data_root, roots.maps_root, roots.data_split)


class Refused(Exception):
    """A request that is not answered: its status, what is wrong, and what to do."""

    def __init__(self, status: HTTPStatus, message: str, hint: str) -> None:
        super().__init__(message)
        self.status, self.message, self.hint = status, message, hint


class Answers:
    """What requests get; one is scored at a time.

    Args:
        reward: scores.
        settings: limits.
    """

    def __init__(self, reward: Reward, settings: ServeRewardRun) -> None:
        self.reward, self.settings = reward, settings
        self._one = threading.Lock()

    @property
    def most_bytes(self) -> int:
        """What no allowed request is larger than, packed or not."""
        return self.settings.most_candidates * _BYTES

    def check_size(self, length: int) -> None:
        """Raise Refused for a body that no allowed request has, before it is read."""
        if length > self.most_bytes:
            raise self._too_many(f"{length:,} bytes")

    def score(self, asked: dict[str, Any]) -> tuple[dict[str, NDArray[Any]], list[dict[str, Any]]]:
        """Columns [B, N], and the plans without a score; Refused where there is none at all."""
        for name in ("tokens", "poses"):
            if name not in asked:
                raise Refused(HTTPStatus.BAD_REQUEST, f"{name} is missing", "send tokens and poses")
        for name in asked.keys() - set(_FIELDS):
            hint = did_you_mean(name, _FIELDS, f"send {', '.join(_FIELDS)}")
            raise Refused(HTTPStatus.BAD_REQUEST, f"{name} is unknown", hint)
        shape = np.shape(asked["poses"]) if isinstance(asked["poses"], np.ndarray) else None
        count = shape[0] * shape[1] if shape and len(shape) > 1 else _counted(asked["poses"])
        if count > self.settings.most_candidates:
            raise self._too_many(f"{count:,} candidates")
        interval = asked.get("interval_s")
        try:
            tokens = _texts(asked["tokens"])
            interval_s = None if interval is None else interval_of(1, interval)
            with self._one:
                found = self.reward(tokens, asked["poses"], interval_s)
                faults = [vars(fault) for fault in self.reward.faults]
        except (ReWorldError, TypeError, ValueError) as error:
            message = error.message if isinstance(error, ReWorldError) else str(error)
            hint = getattr(error, "hint", "") or "see docs/guides/reward.md"
            raise Refused(HTTPStatus.BAD_REQUEST, message, hint) from error
        return found if isinstance(found, dict) else {self.reward.columns[0]: found}, faults

    def _too_many(self, what: str) -> Refused:
        limit = self.settings.most_candidates
        return Refused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"{what} in one request: at most {limit:,} candidates",
            f"ask in parts, or start reworld serve reward most_candidates={2 * limit}",
        )


def _texts(tokens: Any) -> list[str]:
    """Tokens as they are; raises DataError where one is no text, or there is none."""
    found = [tokens] if isinstance(tokens, str) else list(tokens)
    if isinstance(tokens, str) or not found or not all(isinstance(one, str) for one in found):
        hint = "send [B] texts: as numbers they lose leading zeros and digits"
        raise DataError("tokens are no list of texts, of one scene or more", hint)
    return [str(one) for one in found]


def _counted(poses: Any) -> int:
    """Candidates of nested lists."""
    try:
        return sum(len(own) for own in poses)
    except TypeError:
        return 0  # no plans: `Reward` says what they should be


class _Server(ThreadingHTTPServer):
    """Threads that end with the process."""

    daemon_threads = True
    allow_reuse_address = False  # a port that another process has is refused
    answers: Answers

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone ends its own request."""
        logger.info("request of %s ended early", client_address[0], exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: _Server
    timeout = _PATIENCE_S

    def do_GET(self) -> None:
        """What is scored."""
        settings = self.server.answers.settings
        known = {
            "protocol": settings.protocol,
            "columns": list(self.server.answers.reward.columns),
            "most_candidates": settings.most_candidates,
        }
        self._reply(HTTPStatus.OK, _JSON, json.dumps(known).encode())

    def do_POST(self) -> None:
        """Scores."""
        try:
            kind, content = self._asked()
            columns, faults = self.server.answers.score(content)
        except Refused as refused:
            body = json.dumps({"error": refused.message, "next": refused.hint}).encode()
            self.close_connection = True  # what it still sends is not read
            self._reply(refused.status, _JSON, body)
            return
        if kind == _JSON:
            text = {name: _plain(values) for name, values in columns.items()}
            self._reply(HTTPStatus.OK, _JSON, json.dumps({**text, "faults": faults}).encode())
            return
        packed, arrays = io.BytesIO(), dict[str, Any](columns)
        np.savez(packed, **arrays)
        self._reply(HTTPStatus.OK, _NPZ, packed.getvalue())

    def log_message(self, format: str, *args: Any) -> None:
        """Into the log, not to stderr."""
        logger.debug(format, *args)

    def _asked(self) -> tuple[str, dict[str, Any]]:
        """The kind and the content of a request; raises Refused."""
        if self.path != "/score":
            raise Refused(HTTPStatus.NOT_FOUND, f"{self.path} is nothing here", "POST to /score")
        text = self.headers.get("Content-Length", "")
        if not text.isdecimal():
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "no Content-Length", "say how long it is")
        self.server.answers.check_size(int(text))
        body = self.rfile.read(int(text))
        if len(body) < int(text):
            raise Refused(HTTPStatus.BAD_REQUEST, "the request broke off", "send it again")
        kind = _JSON if _JSON in self.headers.get("Content-Type", "") else _NPZ
        try:
            return kind, _read(body, kind, self.server.answers.most_bytes)
        except _UNREADABLE as error:
            hint = f"send {_JSON}, or an .npz as {_NPZ}"
            raise Refused(HTTPStatus.BAD_REQUEST, f"it cannot be read: {error}", hint) from error

    def _reply(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _read(body: bytes, kind: str, most: int) -> dict[str, Any]:
    if kind == _JSON:
        content = json.loads(body)
        if not isinstance(content, dict):
            raise DataError("the JSON is no object")
        return content
    with ZipFile(io.BytesIO(body)) as archive:
        whole = sum(info.file_size for info in archive.infolist())
        if whole > most:
            raise DataError(f"unpacked it has {whole:,} bytes: at most {most:,}")
        names = archive.namelist()
        return {name.removesuffix(".npy"): _array(archive.read(name)) for name in names}


def _array(content: bytes) -> NDArray[Any]:
    """An array of numbers or text; no more memory is asked for than its file is long."""
    stream = io.BytesIO(content)
    version = npy.read_magic(stream)
    header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = header(stream)
    if dtype.hasobject:
        raise DataError("it holds a pickle")
    if math.prod(shape) * dtype.itemsize != len(content) - stream.tell():
        raise DataError(f"an array is not of the shape {list(shape)} that it names")
    stream.seek(0)
    array: NDArray[Any] = npy.read_array(stream, allow_pickle=False)
    return array


def _plain(values: NDArray[Any]) -> list[Any]:
    """Nested lists, with None for NaN, which JSON does not have."""
    found = values.astype(object)
    found[~np.isfinite(values)] = None
    plain: list[Any] = found.tolist()
    return plain
