"""Every kind of record, damaged in hundreds of ways: refused with one error, or made again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reworld_agent.clips.index import ClipIndex, read_index, write_index
from reworld_agent.clips.splits import split_rule
from reworld_agent.config import load_model_config
from reworld_agent.core.errors import DataError, ReWorldError
from reworld_agent.core.records import (
    SEAL,
    read_record,
    read_yaml,
    record_bytes,
    write_record,
)
from reworld_agent.core.result_tables import (
    keep_settings,
    read_frame,
    read_provenance,
    write_parquet,
)
from reworld_agent.core.shards import PartStore, check_identity
from reworld_agent.doctor.caches import check_caches
from reworld_agent.evaluation.two_stage import read_mapping
from reworld_agent.generation.manifest import DONE, Manifest
from reworld_agent.negatives.pool import read_pool, write_pool
from reworld_agent.scenes.log_index import LogIndex, rules
from reworld_agent.scenes.logs import KINDS as CHECKS
from reworld_agent.scenes.maps.city import city_map_path
from reworld_agent.scenes.synthetic import splits as town
from reworld_agent.submission.expected import _of_config
from reworld_agent.training.chain import RECORD, Command, run_chain
from reworld_agent.training.loop.resume import finish, resume_state
from tests.core.records.mutations import of_bytes, of_values

SOURCE = {"clip": "/a/b.mp4", "bytes": 12, "start": 0}
SETTINGS = {"model": "tiny", "height": 64, "sampling": {"gamma": 1.5, "steps": 5}, "stages": ["1"]}


@dataclass(frozen=True)
class Kind:
    """A kind of record.

    Attributes:
        file: below the folder.
        make: writes it.
        use: what a command does with it; what comes out where the record is whole.
        again: what may come out of a damaged one of ours, beside an error: it is made again.
        ours: it carries its own hash, or lost it: nothing else comes out of it.
    """

    file: str
    make: Callable[[Path], object]
    use: Callable[[Path], Any]
    again: tuple[Any, ...] = ()
    ours: bool = True


def _identity(folder: Path) -> str:
    check_identity(folder, {"agent": "a", "weights_sha256": "12", "split": "s"}, folder)
    return "kept"


def _settings(folder: Path) -> str:
    keep_settings(folder / "latents.json", SETTINGS)
    return "kept"


def _make_run(folder: Path) -> None:
    resume_state(folder, SETTINGS)
    (folder / "weights").mkdir(exist_ok=True)
    finish(folder, "weights")


def _use_run(folder: Path) -> Any:
    return resume_state(folder, SETTINGS).finished


def _chain(folder: Path) -> Any:
    done: list[str] = []

    def note(command: Command) -> int:
        done.append(command.name)
        return 0

    run_chain([Command("a", "train", ("stage=1",))], folder, note)
    return done or read_record(folder / RECORD, list[Any], "")


def _town(folder: Path) -> Any:
    wanted = town._wanted(town.SPLITS["town_test"], ("CAM_F0",), True, 12)
    return town._is_made(folder / "town.json", wanted)


def _make_town(folder: Path) -> None:
    wanted = town._wanted(town.SPLITS["town_test"], ("CAM_F0",), True, 12)
    (folder / "town.json").write_bytes(record_bytes(wanted))


def _make_log_index(folder: Path) -> None:
    (folder / "log.pkl").write_bytes(b"x")
    reading = {"sha256": "0", "plain": True, "unfit": dict.fromkeys(CHECKS, ())}
    row = {"stamp": [1, 2, 3], "tokens": ["a", "b"], "routed": [True, False], "cities": ["c"]}
    row |= {"blocks": ["1"], "corners": [[0.0, 1.0], [2.0, 3.0]]}
    rows = {"log.pkl": {**row, "reading": reading}}
    write_record(folder / "logs.json", {"rules": rules(), "logs": rows})


def _use_log_index(folder: Path) -> Any:
    found = LogIndex(folder, folder / "logs.json")._entries
    return {name: (entry.tokens, entry.routed, entry.stamp) for name, entry in found.items()}


def _make_maps(folder: Path) -> None:
    (folder / "nuplan-maps-v1.0.json").write_text(json.dumps({"city": {"version": "1.2"}}))


def _caches(folder: Path) -> Any:
    (folder / "caches" / "s-1").mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").replace(folder / "caches" / "s-1" / "manifest.json")
    return [one.status for one in check_caches(folder / "caches")]


def _make_caches(folder: Path) -> None:
    about = {"data_split": "s", "tokens": 0, "digest": "1", "code_version": "1", "numpy": "2"}
    write_record(folder / "manifest.json", about)


KINDS = {
    "identity": Kind("identity.json", _identity, _identity),
    "settings": Kind("latents.json", _settings, _settings),
    "run": Kind("run.json", _make_run, _use_run, (None,)),
    "chain": Kind("chain.json", _chain, _chain, (["a"],), ours=False),
    "town": Kind("town.json", _make_town, _town, (False,)),
    "source": Kind(
        "sources/a.json",
        lambda folder: Manifest(folder, None).note("a", SOURCE),
        lambda folder: Manifest(folder, None).state("a", SOURCE) == DONE,
        (False,),
    ),
    "logs": Kind("logs.json", _make_log_index, _use_log_index, ({},)),
    "maps": Kind(
        "nuplan-maps-v1.0.json",
        _make_maps,
        lambda folder: city_map_path(folder, "city").parent.name,
        ours=False,
    ),
    "caches": Kind("manifest.json", _make_caches, _caches, (["warn"], ["fail"])),
    "splits": Kind(
        "splits.json",
        lambda folder: (folder / "splits.json").write_text('{"train": ["a", "b"], "test": ["c"]}'),
        lambda folder: split_rule(str(folder / "splits.json"))("c", ""),
        ours=False,
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_record_is_refused_or_made_again(name: str, tmp_path: Path) -> None:
    kind, file = KINDS[name], tmp_path / KINDS[name].file
    kind.make(tmp_path)
    whole = file.read_bytes()
    good = kind.use(tmp_path)
    assert good not in kind.again or name == "chain"
    refused = 0
    strict = [*of_bytes(whole, 60), *of_values(whole, 60, 1, True)] if kind.ours else []
    bare = [*of_values(whole, 60), *([] if kind.ours else of_bytes(whole, 60))]
    for data in [*strict, *bare]:
        file.write_bytes(data)
        try:
            found = kind.use(tmp_path)
        except ReWorldError as error:
            refused += 1
            assert error.hint and str(error).isprintable() is False  # two lines
            assert len(str(error)) < 1500
        else:
            assert data in bare or found == good or found in kind.again, data
    assert refused > 40 or name in ("logs", "caches")


def test_a_record_of_an_earlier_version_is_read_by_its_types(tmp_path: Path) -> None:
    file = tmp_path / "identity.json"
    file.write_text(json.dumps({"agent": "a", "weights_sha256": "12", "split": "s"}))
    assert _identity(tmp_path) == "kept"
    file.write_text(json.dumps(["agent"]))
    with pytest.raises(DataError, match=r"identity\.json is damaged.*table\n.*resume=false"):
        _identity(tmp_path)


def test_a_change_by_hand_is_found(tmp_path: Path) -> None:
    write_record(tmp_path / "a.json", {"count": 12})
    text = (tmp_path / "a.json").read_text()
    (tmp_path / "a.json").write_text(text.replace("12", "13"))
    with pytest.raises(DataError, match=r"a\.json is damaged .*its own hash\)\n  next: delete it"):
        read_record(tmp_path / "a.json", dict[str, int], "delete it")
    bare = {key: value for key, value in json.loads(text).items() if key != SEAL}
    (tmp_path / "a.json").write_text(json.dumps({**bare, "count": 13}))
    with pytest.raises(DataError, match=r"its hash, record_sha256, was taken away"):
        read_record(tmp_path / "a.json", dict[str, int], "delete it")
    (tmp_path / "a.json").write_text('{"count": 13}')  # as a version before 0.2.0 wrote it
    assert read_record(tmp_path / "a.json", dict[str, int], "delete it") == {"count": 13}


BOMB = b"a0: &a0 [x, x]\n" + b"".join(
    b"a%d: &a%d [*a%d, *a%d]\n" % (k, k, k - 1, k - 1) for k in range(1, 40)
)
ODD_YAML = (
    *(b"[" * 900 + b"]" * 900, b"{a: " * 300 + b"1" + b"}" * 300, b"a: 2026-13-45"),
    *(
        BOMB,
        b"a: &x [*x]",
        b"? [a]\n: 1",
        b"!!python/object/apply:os.system [ls]",
        b"!!timestamp z",
    ),
    *(b"a: 1\n---\nb: 2", b"!!int x", b"!!binary '*'", b"\xff\xfe\x00"),
    b"base: tiny\nbase: tiny\nreactive_all_mapping: []\n",
)
RUN = (
    b"train_test_split:\n  data_split: none\n  scene_filter:\n    num_history_frames: 4\n"
    b"    num_future_frames: 10\n    tokens: [a]\n    log_names: null\n    frame_interval: 1\n"
)
YAML: dict[str, tuple[bytes, Callable[[Path], object]]] = {
    "model": (b"base: tiny\nvideo: {num_layers: 3}\nsampling: {steps: 4}\n", load_model_config),
    "mapping": (b"reactive_all_mapping: [[a, b, [[c, d], [e, f]]]]\n", read_mapping),
    "run": (RUN, _of_config),
}


def test_a_key_of_yaml_that_stands_twice_is_named(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("a: &a {x: 1}\nb: {<<: *a, x: 2}\nc: {<<: [*a, *a]}\n")
    assert read_yaml(file) == {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 1}}
    file.write_text("a: {x: 1}\nb:\n  y: 1\n  z: 1\n  y: 1\n")
    with pytest.raises(ValueError, match=r"the key y stands twice.*line 5"):
        read_yaml(file)


@pytest.mark.parametrize("name", YAML)
def test_damaged_yaml_is_refused(name: str, tmp_path: Path) -> None:
    whole, use = YAML[name]
    file = tmp_path / "a.yaml"
    file.write_bytes(whole)
    use(file)
    refused = 0
    for data in [*of_bytes(whole, 60), *ODD_YAML]:
        file.write_bytes(data)
        try:
            use(file)
        except ReWorldError as error:
            refused += 1
            assert error.hint and len(str(error)) < 3000
    assert refused > 30


def _index(folder: Path) -> Any:
    found = read_index(folder / "table.parquet")
    return found.rows.to_json(), str(found.root)


def _make_index(folder: Path) -> None:
    texts = dict.fromkeys(("source", "kind", "scene", "camera", "split", "licence"), "x")
    row = {"clip_id": "a_0", **texts, "start_s": 0.0, "fps": 8.0, "frames": 2, "video": ""}
    row |= {"files": ["a.png", "b.png"], "indices": np.arange(2), "timestamps": np.arange(2)}
    row |= dict.fromkeys(("x", "y", "heading", "speed", "yaw_rate", "acceleration", "command"))
    rows = pd.DataFrame([{**row, "checksum": "sizes:1"}, {**row, "clip_id": "b", "checksum": "x"}])
    write_index(folder / "table.parquet", ClipIndex.of_rows(rows, folder, {}))


def _make_pool(folder: Path) -> None:
    poses = [list(np.arange(24.0)), list(np.arange(24.0) + 1)]
    rows = {"token": ["a", "a"], "candidate": ["0", "1"], "poses": poses, "score": [0.0, 1.0]}
    write_pool(folder / "table.parquet", pd.DataFrame(rows), {"split": "s"})


def _pool(folder: Path) -> Any:
    pool = read_pool(folder / "table.parquet", "s")
    poses = {token: values.tolist() for token, values in pool.poses.items()}
    return poses, {token: values.tolist() for token, values in pool.scores.items()}


def _make_part(folder: Path) -> None:
    store = PartStore(folder, ("token",), {})
    store.add([{"token": "a", "value": 1.0}, {"token": "b", "value": 2.0}])
    store.flush()
    (folder / "part-000000.parquet").rename(folder / "table.parquet")


def _part(folder: Path) -> Any:
    (folder / "table.parquet").replace(folder / "part-000000.parquet")
    rows = PartStore(folder, ("token",), {}).rows()
    return None if rows.empty else rows.to_dict("records")


def _make_table(folder: Path) -> None:
    frame = pd.DataFrame({"token": ["a", "b"], "score": [0.25, 0.5]})
    write_parquet(folder / "table.parquet", frame, {"protocol": "pdms_v1"})


TABLES = {
    "index": Kind("table.parquet", _make_index, _index),
    "pool": Kind("table.parquet", _make_pool, _pool),
    "part": Kind("table.parquet", _make_part, _part, (None,)),
    "table": Kind(
        "table.parquet", _make_table, lambda f: read_frame(f / "table.parquet").to_dict("records")
    ),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_table_is_refused_or_made_again(name: str, tmp_path: Path) -> None:
    kind, file = TABLES[name], tmp_path / "table.parquet"
    kind.make(tmp_path)
    whole = file.read_bytes()
    end = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")  # of the pages' own bytes
    refused = 0
    for damaged in of_bytes(whole, 100):
        file.write_bytes(damaged)
        with contextlib.suppress(ReWorldError):
            kind.use(tmp_path)
            continue
        refused += 1
    assert refused > 50 or name == "part"
    good = _whole(kind, file, whole, tmp_path)
    for place in range(4, end, 7):  # what is changed of the pages is found by their checksums
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with contextlib.suppress(ReWorldError):
            assert kind.use(tmp_path) in (good, *kind.again), place


def _whole(kind: Kind, file: Path, whole: bytes, folder: Path) -> Any:
    file.write_bytes(whole)
    return kind.use(folder)


def test_provenance_may_hold_what_is_not_finite(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", pd.DataFrame({"a": [1]}), {"limit": float("inf")})
    assert read_provenance(tmp_path / "a.parquet") == {"limit": float("inf")}
