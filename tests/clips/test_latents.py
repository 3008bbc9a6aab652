"""The latent cache: forecast, going on, damage, two processes, a full disk."""

from __future__ import annotations

import errno
import multiprocessing
from pathlib import Path

import pytest
import torch

from reworld_agent.clips.build import build_index
from reworld_agent.clips.index import ClipIndex, read_index, write_index
from reworld_agent.clips.sources import Options
from reworld_agent.clips.splits import split_rule
from reworld_agent.clips.windows import ClipShape
from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.model import ReWorldModel
from reworld_agent.model.shipped import shipped_folder
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
    return LatentCache(tmp_path / "latents", model, model.config.world_clip, index)


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


def test_goes_on_where_it_stopped(cache: LatentCache) -> None:
    cache.fill(progress=False)
    stamp = cache.path(0).stat().st_mtime_ns
    cache.path(2).unlink()
    data = bytearray(cache.path(4).read_bytes())
    data[-5] ^= 1
    cache.path(4).write_bytes(data)
    with pytest.raises(DataError, match="damaged, or of other frames"):
        cache.read(4)
    with pytest.raises(DataError, match="cannot be read"):
        cache.read(2)
    assert cache.missing() == [2, 4]
    assert cache.fill(progress=False) == 2
    assert cache.path(0).stat().st_mtime_ns == stamp and not cache.missing()


def test_full_disk_loses_nothing(cache: LatentCache, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []
    real = Path.write_bytes

    def write(path: Path, data: bytes) -> int:
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(DataError, match="the disk is full; what was written before is intact"):
        cache.fill(progress=False)
    monkeypatch.undo()
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


def test_another_codec_or_rate(cache: LatentCache, index: ClipIndex, model: ReWorldModel) -> None:
    other = ReWorldModel(model.config).eval()
    with pytest.raises(ConfigError, match="results with another codec_sha256"):
        LatentCache(cache.folder, other, cache.clip, index)
    rows = index.rows.assign(fps=8.0)
    with pytest.raises(ConfigError, match="the clips have 8 fps, the model's 2"):
        LatentCache(cache.folder, model, cache.clip, ClipIndex.of_rows(rows, index.root, {}))
