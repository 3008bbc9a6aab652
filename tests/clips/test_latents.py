"""The latent cache: forecast, going on, damage, two processes, a full disk."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from reworld_agent.cli.main import main
from reworld_agent.clips.build import build_index
from reworld_agent.clips.index import ClipIndex, read_index, write_index
from reworld_agent.clips.sources import Options
from reworld_agent.clips.splits import split_rule
from reworld_agent.clips.windows import ClipShape
from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.core.extras import is_installed
from reworld_agent.core.records import read_record, write_record
from reworld_agent.model import ReWorldModel
from reworld_agent.model.shipped import shipped_folder
from reworld_agent.training.datasets.latent_shards import checksum
from reworld_agent.training.datasets.latents import LatentCache
from reworld_agent.video.encoding import encode_clip
from tests.clips.tables import write_openscene


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> ClipIndex:
    root = write_openscene(tmp_path_factory.mktemp("data"))
    shape = ClipShape(fps=2, frames=12, stride=2)
    return build_index("openscene", root, shape, split_rule(""), Options())[0]


@pytest.fixture(scope="module")
def model() -> ReWorldModel:
    return ReWorldModel.from_pretrained(shipped_folder("tiny"))


@pytest.fixture
def cache(tmp_path: Path, index: ClipIndex, model: ReWorldModel) -> LatentCache:
    clip = model.config.world_clip
    return LatentCache(tmp_path / "latents", model, clip, index, clips_per_shard=2)


def test_fill_and_read(cache: LatentCache, model: ReWorldModel) -> None:
    assert cache.fill(progress=False) == len(cache) == 5
    frames = cache.dataset[3]["frames"][None]
    expected = encode_clip(model.codec, cache.clip, frames[:, :4], frames[:, 4:])[0]
    assert torch.equal(cache.read(3), expected)
    assert cache.fill(progress=False) == 0


def test_forecast_is_what_is_written(cache: LatentCache) -> None:
    cache.fill(progress=False)
    written = sum(path.stat().st_size for path in cache.folder.rglob("*.safetensors"))
    assert written == pytest.approx(cache.forecast().total, rel=0.01)
    assert "5 clips x" in str(cache.forecast())


def again(cache: LatentCache) -> LatentCache:
    """The same folder, opened by another process."""
    return LatentCache(cache.folder, cache.model, cache.clip, cache.index, clips_per_shard=2)


def path_of(cache: LatentCache, number: int) -> Path:
    path = cache.path(number)
    assert path is not None
    return path


def test_goes_on_where_it_stopped(cache: LatentCache) -> None:
    cache.fill(progress=False)
    assert len({path_of(cache, k) for k in range(5)}) == 3  # 2 clips, 2 clips, 1 clip
    stamp = path_of(cache, 0).stat().st_mtime_ns
    data = bytearray(path_of(cache, 4).read_bytes())
    data[-5] ^= 1
    path_of(cache, 4).write_bytes(data)
    path_of(cache, 2).unlink()
    with pytest.raises(DataError, match="damaged, or of other frames"):
        cache.read(4)
    with pytest.raises(DataError, match="cannot be read"):
        cache.read(2)
    later = again(cache)
    assert later.missing() == [2, 3, 4]
    assert [name[-5:] for name in later.absent()] == ["00004", "00006"]
    assert later.fill(progress=False) == 3
    assert path_of(later, 0).stat().st_mtime_ns == stamp and not later.missing()


def test_a_cache_that_says_nothing_of_the_posterior_has_its_mode(cache: LatentCache) -> None:
    manifest = cache.folder / "latents.json"
    known = read_record(manifest, dict, "")
    write_record(manifest, {k: v for k, v in known.items() if k not in ("posterior", "tiled")})
    again(cache)
    config = cache.model.config
    release = replace(config, codec=replace(config.codec, posterior="sample"))
    model = ReWorldModel.from_pretrained(shipped_folder("tiny"), release)
    with pytest.raises(ConfigError, match=r"another posterior \(None, not 'sample'\)"):
        LatentCache(cache.folder, model, cache.clip, cache.index)
    made = LatentCache(cache.folder.with_name("made"), model, cache.clip, cache.index)
    with pytest.raises(ConfigError, match=r"another posterior \('sample', not 'mode'\)"):
        LatentCache(made.folder, cache.model, cache.clip, cache.index)


def test_a_shard_cut_short_is_named(cache: LatentCache) -> None:
    cache.fill(progress=False)
    shard = path_of(cache, 2)
    shard.write_bytes(shard.read_bytes()[:-7])
    later = again(cache)
    named = rf"{shard.name}: the shard is cut short or damaged \(it has \d+ bytes of \d+\)"
    with pytest.raises(DataError, match=named):
        later.absent()
    assert later.missing() == [2, 3] and later.fill(progress=False) == 2
    assert not later.absent() and torch.equal(later.read(2), again(cache).read(2))


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_what_is_no_file_in_a_shards_place_is_named(cache: LatentCache, kind: str) -> None:
    cache.fill(progress=False)
    shard = path_of(cache, 2)
    shard.unlink()
    if kind == "folder":
        shard.mkdir()
    else:
        shard.symlink_to(shard.with_name("nowhere"))
    with pytest.raises(DataError, match=rf"{shard.name}: .*\(it is no file: delete it\)"):
        again(cache).absent()
    if kind == "folder":
        shard.rmdir()
    assert again(cache).fill(progress=False) == 2 and not again(cache).missing()


def test_one_damaged_clip_of_a_shard_is_made_anew(cache: LatentCache) -> None:
    """It lies in a shard of its own then, also where a copy of the folder has lost its times."""
    cache.fill(progress=False)
    old, expected = path_of(cache, 3), cache.read(3).clone()  # not of the file
    data = bytearray(old.read_bytes())
    data[-5] ^= 1
    old.write_bytes(data)
    assert again(cache).fill(progress=False) == 1
    later = again(cache)
    assert not later.missing() and torch.equal(later.read(3), expected)
    assert path_of(later, 3) != old == path_of(later, 2)
    os.utime(old, ns=(0, path_of(later, 3).stat().st_mtime_ns + 1))
    assert again(cache).missing() == [3] and again(cache).fill(progress=False) == 0
    assert not again(cache).missing()


def test_a_short_shard_that_others_replace_is_in_nobodys_way(cache: LatentCache) -> None:
    cache.fill(progress=False)
    shard = path_of(cache, 2)
    shard.write_bytes(shard.read_bytes()[:-7])
    larger = LatentCache(cache.folder, cache.model, cache.clip, cache.index, clips_per_shard=3)
    assert larger.fill(progress=False) == 2 and shard.name in larger.catalogue.short
    assert larger.absent() == [] and not larger.missing()


def test_some_clips_of_a_folder(cache: LatentCache, index: ClipIndex) -> None:
    """Others are encoded beside them, and whoever reads finds a clip by its name."""
    some = LatentCache(cache.folder, cache.model, cache.clip, index.take([4, 1]))
    assert some.fill(progress=False) == 2
    assert cache.absent() and again(cache).fill(progress=False) == 3
    whole = again(cache)
    assert not whole.missing() and torch.equal(whole.read(4), some.read(0))
    assert not torch.equal(whole.read(4), some.read(1))


def test_a_clip_a_file_of_earlier_versions(cache: LatentCache) -> None:
    """Their folders are read; what they lack comes beside it, in shards."""
    cache.fill(progress=False)
    latents = [cache.read(k) for k in range(5)]
    for k in range(3):
        name = cache.index.value("clip_id", k)
        digest = hashlib.sha256(name.encode()).hexdigest()
        single = cache.folder / digest[:2] / f"{digest[:24]}.safetensors"
        single.parent.mkdir(exist_ok=True)
        about = {"sha256": checksum(latents[k]), "clip": cache.index.value("checksum", k)}
        single.write_bytes(save({"latents": latents[k]}, {**about, "clip_id": name}))
    shutil.rmtree(cache.folder / "shards")
    earlier = again(cache)
    assert torch.equal(earlier.read(1), latents[1]) and earlier.missing() == [3, 4]
    assert earlier.fill(progress=False) == 2 and not earlier.absent()


@pytest.mark.slow  # each process imports torch
@pytest.mark.parametrize("worker", ["processes", "ray"])
def test_workers_encode_what_one_process_does(
    worker: str, cache: LatentCache, tmp_path: Path
) -> None:
    if worker == "ray" and not is_installed("ray"):
        pytest.skip("pip install 'reworld-agent[ray]'")
    cache.fill(progress=False)
    write_index(tmp_path / "index.parquet", cache.index)
    words = [f"index={tmp_path / 'index.parquet'}", f"output_dir={tmp_path / 'other'}"]
    words += ["clips_per_shard=2", f"worker={worker}", "workers=2"]
    assert main(["video", "latents", *words]) == 0
    folders = (cache.folder / "shards", tmp_path / "other" / "shards")
    ours, theirs = (folder.glob("*.safetensors") for folder in folders)
    assert {p.name: p.read_bytes() for p in ours} == {p.name: p.read_bytes() for p in theirs}


def test_full_disk_loses_nothing(cache: LatentCache, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []
    real = Path.write_bytes

    def write(path: Path, data: bytes) -> int:
        if len(written) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(DataError, match="the disk is full; what was written before is intact"):
        cache.fill(progress=False)
    monkeypatch.undo()
    cache = again(cache)
    assert len(cache.missing()) == 3 and not list(cache.folder.rglob("*.partial"))
    assert cache.fill(progress=False) == 3


def test_too_small_a_disk_is_seen_first(
    cache: LatentCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(DataError, match="the disk has 1,000 left"):
        cache.fill(progress=False)


def _fill(folder: Path, table: Path, count: multiprocessing.Queue) -> None:
    torch.set_num_threads(1)
    model = ReWorldModel.from_pretrained(shipped_folder("tiny"))
    cache = LatentCache(folder, model, model.config.world_clip, read_index(table))
    count.put(cache.fill(progress=False))


def test_two_processes(tmp_path: Path, index: ClipIndex, model: ReWorldModel) -> None:
    write_index(tmp_path / "index.parquet", index)
    context = multiprocessing.get_context("fork")
    counts: multiprocessing.Queue = context.Queue()
    arguments = (tmp_path / "latents", tmp_path / "index.parquet", counts)
    fillers = [context.Process(target=_fill, args=arguments) for _ in range(2)]
    for process in fillers:
        process.start()
    for process in fillers:
        process.join()
        assert process.exitcode == 0
    assert counts.get() + counts.get() == len(index)  # none was encoded twice
    cache = LatentCache(tmp_path / "latents", model, model.config.world_clip, index)
    assert not cache.missing()


def test_a_disk_without_locks(cache: LatentCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.lockf", refuse)
    assert cache.fill(progress=False) == 5 and not cache.missing()


def test_another_codec_or_rate(cache: LatentCache, index: ClipIndex, model: ReWorldModel) -> None:
    other = ReWorldModel(model.config).eval()
    with pytest.raises(ConfigError, match="results with another codec_sha256"):
        LatentCache(cache.folder, other, cache.clip, index)
    rows = index.rows.assign(fps=8.0)
    with pytest.raises(ConfigError, match="the clips have 8 fps, the model's 2"):
        LatentCache(cache.folder, model, cache.clip, ClipIndex.of_rows(rows, index.root, {}))
