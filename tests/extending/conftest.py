"""A small split of scenes, and clips, for the commands of the pages."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reworld_agent.cli.main import main
from tests.clips.tables import write_openscene
from tests.scenes.small_logs import SPLIT
from tests.training.test_data import small_loader


@pytest.fixture
def scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Settings by which a training command takes one step on six scenes."""
    torch.set_num_threads(1)
    root = tmp_path / "data"
    small_loader(root)
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(root))
    maps = root / "maps" / "us-ma-boston" / "1"
    maps.mkdir(parents=True)
    (maps / "map.gpkg").touch()
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(root / "maps"))
    return [f"train_test_split.data_split={SPLIT}", f"cache_path={tmp_path / 'cache'}"]


STEP = (
    *("trainer.params.max_steps=1", "trainer.params.accelerator=cpu"),
    *("+trainer.params.enable_progress_bar=false", "dataloader.params.batch_size=2"),
    "+agent.overrides.batch_size=2",
)


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of clips of 12 frames at 2 Hz."""
    folder = tmp_path_factory.mktemp("clips")
    data, path = write_openscene(folder / "data"), folder / "clips.parquet"
    words = [f"root={data}", f"output={path}", "split=train", "frames=12", "stride=2"]
    assert main(["video", "index", "source=openscene", *words]) == 0
    return path
