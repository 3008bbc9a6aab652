"""Pickles written to harm: refused, in little memory, and nothing of this process changes."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from reworld_agent.core.errors import DataError
from reworld_agent.core.guards.process_memory import peak_memory
from reworld_agent.core.unpickle import Record, load_pickle

_MEGABYTES = 400  # the largest of these files may use, of what 8 GB are asked for


def _text(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


def _name(module: str, name: str) -> bytes:
    return _text(module) + _text(name) + b"\x93"


def _call(module: str, name: str, arguments: bytes) -> bytes:
    return _name(module, name) + b"(" + arguments + b"tR"


def _bytes(content: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(content)) + content


def _int(value: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", value)


def _dtype(name: str, order: str = "<", fields: bytes = b"NNN", flags: int = 0) -> bytes:
    state = (
        b"K\x03" + _text(order) + fields + b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK" + bytes([flags])
    )
    return _call("numpy", "dtype", _text(name) + b"\x89\x88") + b"(" + state + b"tb"


def _array(dtype: bytes, count: int, content: bytes) -> bytes:
    start = _call(
        "numpy.core.multiarray", "_reconstruct", _name("numpy", "ndarray") + b"K\x00\x85C\x01b"
    )
    return start + b"(K\x01" + _int(count) + b"\x85" + dtype + b"\x89" + _bytes(content) + b"tb"


_POINTERS = struct.pack("<QQ", 0x4141414141414141, 0x4242424242424242)
_STRUCT = b"N(" + _text("a") + b"t}" + _text("a") + b"(" + _dtype("O8", "|", flags=63) + b"K\x00ts"
_LAUGHS = b"]" + b"".join(
    (b"\x94" + b"](" + (b"h" + bytes([level])) * 10 + b"e") for level in range(12)
)
_GIGABYTES = 8 << 30
HOSTILE: dict[str, bytes] = {
    "objects whose dtype hides them": _array(_dtype("O8", "|"), 2, _POINTERS),
    "objects in a field": _array(_dtype("V8", "|", _STRUCT), 2, _POINTERS),
    "an array over a buffer": _call(
        "numpy", "ndarray", b"K\x02\x85" + _dtype("O8", "|") + _bytes(_POINTERS)
    ),
    "a scalar that is a pointer": _call(
        "numpy.core.multiarray", "scalar", _dtype("O8", "|") + _bytes(_POINTERS[:8])
    ),
    "times": _array(_dtype("M8"), 1, bytes(8)),
    "an array of fewer bytes": _array(_dtype("f8"), 1 << 40, bytes(8)),
    "letters beyond Unicode": _array(_dtype("U1"), 1, b"\xff\xff\xff\x7f"),
    "a truth of 7": _array(_dtype("b1", "|"), 1, b"\x07"),
    "bytearray of 8 GB": _call("builtins", "bytearray", _int(_GIGABYTES)),
    "bytes of 8 GB": _call("builtins", "bytes", _int(_GIGABYTES)),
    "8 GB promised": b"\x96" + struct.pack("<Q", _GIGABYTES) + b"ab",
    "a list of a range": _call(
        "builtins", "list", _call("builtins", "range", _int(1 << 30))
    ),
    "an array of 8 GB": _call("numpy", "ndarray", _int(_GIGABYTES) + b"\x85"),
    "the last place of the memo": b"Nr\xff\xff\xff\x7f",
    "the last place of the memo, as text": b"Np4294967295\n",
    "copies of one text": _bytes(bytes(1 << 20))[:-1] + b"a\x94](" + (
        _call("builtins", "bytearray", b"h\x00") * 4000
    ) + b"e",
    "lists of lists of lists": _LAUGHS,
    "a deep list": b"]" * 200_000 + b"a" * 199_999,
    "a deep tuple as a key": b"})" + b"\x85" * 300_000 + b"Ns",
    "a list in itself": b"]\x94h\x00a",
    "a function filled": _name("numpy", "dtype") + b"}" + _text("x") + b"K\x01sb",
    "a function's attribute": _name("_codecs", "encode")
    + b"N}" + _text("__defaults__") + b"K\x01\x85s\x86b",
    "a class filled": _name("nuplan", "Box") + b"N}" + _text("fields") + b"K\x01s\x86b",
    "a function as a value": _name("builtins", "set"),
    "a dtype as a key": b"}" + _dtype("f8") + b"K\x01s",
    "a dtype in a set": b"\x8f(" + _dtype("f8") + b"\x90",
    "an extension": b"\x82\x01",
    "a persistent name": b"Pabc\n",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def little_memory() -> Iterator[None]:
    """The largest memory of the process grows little over all of them."""
    before = peak_memory()
    yield
    grown = peak_memory() - before
    assert grown < _MEGABYTES * 2**20


@pytest.mark.parametrize("kind", HOSTILE)
def test_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bad.pkl"
    path.write_bytes(b"\x80\x04" + HOSTILE[kind] + b".")
    before = dict(vars(Record))
    with pytest.raises(DataError, match=r"bad\.pkl"):
        load_pickle(path, ("nuplan",))
    assert dict(vars(Record)) == before


@pytest.mark.parametrize("protocol", range(6))
def test_every_plain_kind_of_every_protocol(tmp_path: Path, protocol: int) -> None:
    plain = ("?", "i1", ">i2", "i4", "<i8", "u1", "u8", "f2", "f4", ">f8", "c8", "c16", "S3", "U5")
    value = [np.array([[1, 0], [2, 3], [4, 5]]).astype(kind) for kind in plain]
    value += [np.zeros((0, 7)), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.array("x")]
    value += [np.array([None, "a", [1, 2.0], {"b": ()}], dtype=object)]
    scalars = [np.float32(1.5), np.bool_(True), np.str_("x"), np.str_(""), np.int64(3), 1 + 2j]
    keyed = {(1, 2): (np.ones(2),), ((1, 2), (3,)): 4}
    others = [keyed, {1, 2}, frozenset(), bytearray(b"ab"), b"", "", 1 << 70, 0.1]
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps([value, scalars, others], protocol))
    arrays, numbers, rest = load_pickle(path)
    for ours, theirs in zip(arrays, value, strict=True):
        assert type(ours) is np.ndarray and ours.dtype == theirs.dtype
        np.testing.assert_equal(ours, theirs)
    assert numbers == scalars and [*map(type, numbers)] == [*map(type, scalars)]
    assert rest[1:] == others[1:]
    np.testing.assert_equal(rest[0][1, 2][0], np.ones(2))
    arrays[4][0] = 1  # arrays may be written to, as those of numpy's own reader


def test_shared_parts_are_read_once_and_records_hold_arrays(tmp_path: Path) -> None:
    part = {"a": np.ones(3)}
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps([part, part], 2))
    first, second = load_pickle(path)
    assert first is second
    record = _name("nuplan", "Box") + b")\x81}" + _text("x") + _array(_dtype("f8"), 1, bytes(8))
    path.write_bytes(b"\x80\x04" + record + b"sb.")
    box = load_pickle(path, ("nuplan",))
    assert isinstance(box, Record) and box.fields["x"].tolist() == [0.0]
