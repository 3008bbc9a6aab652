"""Which samples come, and in what order: whoever loads them, and wherever a run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from reworld_agent.cli.main import main
from reworld_agent.core.errors import UsageError
from reworld_agent.training.datasets.loading import BatchPlan, Loading, StageData
from reworld_agent.training.loop import parallel
from reworld_agent.training.settings import LightningSettings, LoaderSettings


class Numbers:
    """Samples that are their own numbers."""

    def __len__(self) -> int:
        return 7

    def __getitem__(self, number: int) -> Any:
        return {"n": torch.tensor(number)}, {}, f"clip {number}"


class Rank:
    """What the data ask of a trainer."""

    def __init__(self, rank: int, world: int) -> None:
        self.global_rank, self.world_size = rank, world


def batches(workers: int, done: int = 0, rank: int = 0, world: int = 1) -> list[list[int]]:
    data = StageData(Numbers(), BatchPlan(2, 2, 6, done), 3, Loading(workers))
    data.trainer = Rank(rank, world)  # type: ignore[assignment]
    return [batch[0]["n"].tolist() for batch in data.train_dataloader()]


def test_the_order_does_not_depend_on_who_loads() -> None:
    alone = batches(0)
    assert len(alone) == 12 and batches(2) == alone
    assert batches(2, done=4) == alone[8:]  # steps of two forwards


def test_two_processes_load_what_one_does() -> None:
    one, other = (batches(rank, rank=rank, world=2) for rank in (0, 1))
    together = [
        [n for pair in zip(a, b, strict=True) for n in pair]
        for a, b in zip(one, other, strict=True)
    ]
    plan = BatchPlan(4, 2, 6)
    whole = StageData(Numbers(), plan, 3).train_dataloader()
    assert together == [batch[0]["n"].tolist() for batch in whole]
    assert batches(1, done=2, rank=1, world=2) == other[4:]


def test_workers_and_pinned_memory_are_for_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(**words: Any) -> Loading:
        return parallel.loading(LoaderSettings(**words), LightningSettings(devices=2))

    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(12)))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert chosen() == Loading(0, False) and chosen(num_workers=3) == Loading(3, False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert chosen() == Loading(6, True)
    assert chosen(num_workers=0, pin_memory=False) == Loading(0, False)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(96)))
    assert chosen() == Loading(8, True)


def test_the_benchmark_of_the_data(tmp_path: Path) -> None:
    words = ["clips=30", "frames=9", "repeats=1", f"output={tmp_path / 'b'}", "steps_per_s=2"]
    assert main(["benchmark", "data", "parts=pictures,latents,shards", *words]) == 0
    table = pd.read_csv(tmp_path / "b.csv").set_index("what")
    decoding = next(name for name in table.index if name.startswith("JPEG to pixels"))
    derived = table[table["unit"] == "cores"]
    assert (table["value"] > 0).all() and len(derived) == 4
    of_it = next(name for name in derived.index if name.endswith(decoding))
    assert of_it.startswith("derived: cores for 8 GPUs at 2 steps/s (assumed)")
    batch = int(of_it.split(" of ")[1].split()[0])
    assert derived["value"][of_it] == pytest.approx(2 * batch / table["value"][decoding], rel=1e-3)


def test_groups_that_share_weights() -> None:
    def group(strategy: str, processes: int, nodes: int = 1) -> int:
        return LightningSettings(strategy=strategy, num_nodes=nodes).shard_group(processes)

    assert [group("ddp", 8), group("fsdp2", 16, 2), group("hsdp", 16, 2)] == [1, 16, 8]
    assert group("hsdp:2", 8) == 2
    with pytest.raises(UsageError, match="needs an N that divides 8"):
        group("hsdp:3", 8)
    for wrong in ("hsdp:0", "hsdp:x", "hsdp2"):
        with pytest.raises(UsageError, match="must be hsdp or hsdp:N"):
            LightningSettings(strategy=wrong)
