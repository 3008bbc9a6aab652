"""Scene cache files: whole or refused."""

from __future__ import annotations

import dataclasses
import errno
import json
import multiprocessing
import random
import shutil
from pathlib import Path
from typing import IO, ClassVar

import numpy as np
import pytest

from reworld_agent import pdm
from reworld_agent.core.errors import DataError
from reworld_agent.pdm import scene_cache as cache_module
from reworld_agent.pdm.batch import ChunkTask, TokenTask, score_chunk
from reworld_agent.pdm.cache_io.digests import DigestList, digests_of
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.scene_cache import SceneCache
from tests.pdm.straight_road import scene, straight
from tests.scenes.mutations import mutate

BOXES = {"a": ("vehicle", 30.0, 0.0, 0.0, 5.0), "b": ("traffic_cone", 9.0, -3.0, 0.0, 0.0)}


def test_a_saved_cache_is_the_same_wherever_it_lies(tmp_path: Path) -> None:
    before = scene(BOXES)
    before.save(tmp_path / "new" / "one.npz")
    (tmp_path / "new").rename(tmp_path / "moved")
    after = pdm.load(tmp_path / "moved" / "one.npz")
    for field in dataclasses.fields(before):
        left, right = getattr(before, field.name), getattr(after, field.name)
        np.testing.assert_array_equal(left, right, err_msg=field.name)
        assert type(left) is type(right)
    poses = straight(5.0, 8.0)
    for left, right in zip(
        pdm.score(before, poses).values(), pdm.score(after, poses).values(), strict=True
    ):
        np.testing.assert_array_equal(left, right)


def test_no_tracks_and_no_polygons(tmp_path: Path) -> None:
    empty = scene(polygons=[])
    empty.save(tmp_path / "empty.npz")
    result = pdm.score(pdm.load(tmp_path / "empty.npz"), straight(8.0))
    assert result["drivable_area_compliance"][0] == 0.0


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.npz"):
        pdm.load(tmp_path / "nothing.npz")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 0.99])
def test_a_half_written_file(tmp_path: Path, share: float) -> None:
    path = tmp_path / "half.npz"
    scene(BOXES).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match=r"half\.npz"):
        pdm.load(path)


def test_damage_inside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    scene(BOXES).save(path)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    path.write_bytes(bytes(whole))
    with pytest.raises(DataError, match=r"bad\.npz"):
        pdm.load(path)


def test_another_format_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "old.npz"
    monkeypatch.setattr(cache_module, "FORMAT_VERSION", cache_module.FORMAT_VERSION - 1)
    scene().save(path)
    monkeypatch.undo()
    with pytest.raises(DataError, match="build it again"):
        pdm.load(path)


def _save_often(path: Path, name: str) -> None:
    """In a process of its own: save a scene over and over."""
    cache = dataclasses.replace(scene(BOXES), log_name=name)
    for _ in range(60):
        cache.save(path)


def test_two_processes_save_one_scene(tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_save_often, args=(path, name)) for name in ("a", "b")]
    for process in processes:
        process.start()
    seen = set()
    while any(process.is_alive() for process in processes):
        if path.exists():
            seen.add(pdm.load(path).log_name)
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert seen | {pdm.load(path).log_name} <= {"a", "b"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["one.npz"]


def test_a_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one.npz"
    scene().save(path)
    before = path.read_bytes()

    def full(stream: IO[bytes], **arrays: object) -> None:
        stream.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(DataError, match=r"one\.npz.*No space left"):
        scene(BOXES).save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["one.npz"]


def test_nothing_in_the_file_is_a_pickle(tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    scene(BOXES).save(path)
    with np.load(path, allow_pickle=False) as archive:
        assert all(archive[name].dtype == np.uint8 for name in archive.files)


def _caches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> SceneCaches:
    """Caches of a split without data, in which every scene is the same road."""
    caches = SceneCaches(folder, folder, "../split", folder / "caches")
    vars(caches)["data_digest"] = "data"
    monkeypatch.setattr(
        SceneCaches, "build", lambda self, token: dataclasses.replace(scene(BOXES), token=token)
    )
    return caches


def test_whatever_a_token_says_its_cache_lies_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caches = _caches(tmp_path, monkeypatch)
    tokens = ["a", "../../x", "/abs", "a\0b", "", "x" * 300, "CON", "grün"]
    for _ in range(2):  # built, then read
        assert [caches.get(token).token for token in tokens] == tokens
    assert [path.name for path in tmp_path.iterdir()] == ["caches"]
    (split,) = (tmp_path / "caches").iterdir()
    assert len(list(split.glob("*.npz"))) == len(tokens) and (split / "a.npz").is_file()


def test_a_full_disk_costs_speed_and_no_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise DataError("the disk is full")

    monkeypatch.setattr(SceneCache, "save", full)
    monkeypatch.setattr("reworld_agent.pdm.cache_io.folder.write_record", full)
    caches = _caches(tmp_path, monkeypatch)
    task = TokenTask("a", ("0",), ("",), (straight(5.0)[0].ravel(),), (None,))
    for _ in range(2):
        (row,) = score_chunk(ChunkTask(caches, "pdms_v1", False, (task,)))
        assert row["reason"] == "" and row["score"] > 0.0
    caches.write_manifest()
    assert caplog.text.count("scene caches are not kept") == 1


def test_a_mutated_file_is_refused(tmp_path: Path) -> None:
    """150 mutations: refused, or the same content (a byte that the archive does not use)."""
    path, draw = tmp_path / "a.npz", random.Random(1)
    digest = scene(BOXES).save(path)
    whole = path.read_bytes()
    refused = 0
    for _ in range(150):
        path.write_bytes(mutate(whole, draw, b"PK\x01\x02\x03\x04{}[],:0"))
        try:
            _, found = SceneCache.read(path)
            assert found == digest
        except DataError:
            refused += 1
    assert refused > 100


HEADERS: dict[str, dict[str, object]] = {
    "pickled objects": {"track_token": ["|O", [1], 0]},
    "no text": {"token": ["<f8", [1], 0]},
    "more than there is": {"track_size": ["<f8", [1 << 40], 0]},
    "a negative size": {"track_size": ["<f8", [-1, 2], 0]},
}


@pytest.mark.parametrize("kind", HEADERS)
def test_a_header_that_lies(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.npz"
    scene(BOXES).save(path)
    with np.load(path) as archive:
        header, data = json.loads(archive["header"].tobytes()), archive["data"]
    header["arrays"] |= HEADERS[kind]
    lying = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with path.open("wb") as stream:
        np.savez(stream, header=lying, data=data)
    with pytest.raises(DataError, match="not a whole scene cache"):
        pdm.load(path)


class _Straight(SceneCaches):
    """A folder of caches of the straight road, which it counts as it builds them."""

    built: ClassVar[list[str]] = []

    def build(self, token: str) -> SceneCache:
        self.built.append(token)
        return dataclasses.replace(scene(BOXES), token=token)


def test_a_folder_answers_with_what_it_has_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(SceneCaches, "data_digest", "data")
    caches = _Straight(tmp_path, tmp_path, "toy", tmp_path / "caches")
    built = caches.built
    first = caches.get("a")
    caches.get("b")
    assert built == ["a", "b"]
    path = caches.folder / "a.npz"
    for _ in range(2):
        assert caches.get("a").track_token.tolist() == ["a", "b"]
    assert built == ["a", "b"]

    def without_traffic() -> None:
        kept = dataclasses.replace(first, track_token=np.array(["a", "c"]))
        kept.save(path)

    def of_another_token() -> None:
        shutil.copy(caches.folder / "b.npz", path)

    def of_other_data() -> None:
        digest = dataclasses.replace(first, origin="other").save(path)
        digests_of(caches.folder).add("a", digest)

    def half() -> None:
        path.write_bytes(path.read_bytes()[:500])

    for change, said in (
        (without_traffic, "is not what a run has written"),
        (of_another_token, "holds the scene b"),
        (of_other_data, "built from other data"),
        (half, ""),
    ):
        caplog.clear()
        change()
        built.clear()
        assert caches.get("a").track_token.tolist() == ["a", "b"]
        assert built == ["a"] and said in caplog.text
        assert caches.get("a").origin == caches.digest
        assert built == ["a"]


def test_two_processes_share_a_list(tmp_path: Path) -> None:
    one, two = DigestList(tmp_path), DigestList(tmp_path)
    one.add("a", "1")
    assert two.get("a") == "1" and two.get("b") is None
    two.add("b", "2")
    assert one.get("b") == "2"
    (tmp_path / "digests.txt").write_bytes(b"a 1\nb 2\n\xff\nc 3")
    assert DigestList(tmp_path).get("c") is None  # a line that is not whole
