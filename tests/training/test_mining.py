"""Mining: the same pool whatever the workers, and nothing lost when it is cut short."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from reworld_agent.config import load_model_config
from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.core.result_tables import read_provenance
from reworld_agent.evaluation.compose import MINE, compose
from reworld_agent.model import ReWorldModel
from reworld_agent.negatives import jobs, scored
from reworld_agent.negatives.pool import read_pool
from reworld_agent.scenes.roots import refuse_held_out
from reworld_agent.training.mining.run import run_mining
from reworld_agent.training.mining.settings import MiningRun
from tests.evaluation.fakes import FakeScorer
from tests.scenes.small_logs import SPLIT
from tests.training.test_data import small_loader

COUNT = 3  # candidates of each of 6 scenes, two scenes a batch


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Random weights that move, beside a small split that the environment names."""
    small_loader(tmp_path)
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(tmp_path))
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(tmp_path))
    torch.manual_seed(0)
    model = ReWorldModel(load_model_config("tiny"))
    torch.nn.init.normal_(model.codec.components, std=0.01)
    torch.nn.init.normal_(model.action_dit.proj_out.weight, std=0.3)
    model.save_pretrained(tmp_path / "weights")
    return tmp_path / "weights"


@pytest.fixture
def scorer(monkeypatch: pytest.MonkeyPatch) -> FakeScorer:
    return FakeScorer().install(monkeypatch)


def settings(weights: Path, name: str, *more: str) -> MiningRun:
    """Of a run into `<weights' parent>/<name>`."""
    root = weights.parent
    words = [
        f"train_test_split.data_split={SPLIT}",
        f"agent.checkpoint_path={weights}",
        "agent.device=cpu",
        f"output_dir={root / name}",
        f"cache_path={root / 'training'}",
        f"cache_dir={root / 'caches'}",
        f"candidates.count={COUNT}",
        "batch_size=2",
        *more,
    ]
    return MiningRun.from_config(compose(words, MINE))


def mine(weights: Path, name: str, *more: str) -> int:
    """Mine; how many candidates have no score."""
    return run_mining(settings(weights, name, *more)).statistics.failed


def table(weights: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(weights.parent / name / "pool.parquet")


def test_the_pool_has_every_candidate_in_the_order_of_the_scenes(
    weights: Path, scorer: FakeScorer
) -> None:
    pool = run_mining(settings(weights, "out"))
    rows = table(weights, "out")
    tokens = list(dict.fromkeys(rows["token"]))
    assert len(tokens) == 6 and rows["candidate"].tolist() == ["0", "1", "2"] * 6
    first = np.stack(list(rows["poses"]))[:, 0]
    np.testing.assert_allclose(rows["score"], first / 100)  # as the fake scorer has it
    assert "18 candidates of 6 scenes" in pool.statistics.text()
    file = weights.parent / "out" / "pool.parquet"
    assert read_provenance(file)["candidates"]["count"] == COUNT
    assert read_pool(file, SPLIT).poses[tokens[0]].shape == (COUNT, 8, 3)


@pytest.mark.slow  # two processes import torch and diffusers
def test_workers_do_not_change_a_bit(weights: Path) -> None:
    # the split has no map: the real scorer refuses every scene, and says so in its rows
    assert mine(weights, "one", "worker=sequential") == 6 * COUNT
    assert mine(weights, "two", "worker=processes", "workers=2") == 6 * COUNT
    one, two = (weights.parent / name / "pool.parquet" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    if importlib.util.find_spec("ray"):
        assert mine(weights, "three", "worker=ray", "workers=2") == 6 * COUNT
        assert (weights.parent / "three" / "pool.parquet").read_bytes() == one.read_bytes()
    assert (table(weights, "one")["reason"] != "").all()


def test_candidates_drawn_here_and_scored_elsewhere_are_the_same(
    weights: Path, scorer: FakeScorer
) -> None:
    mine(weights, "one", "worker=sequential")
    mine(weights, "apart", "agent.device=cpu:0", "worker=sequential")  # as on a GPU
    poses = [np.stack(list(table(weights, name)["poses"])) for name in ("one", "apart")]
    assert np.isfinite(poses[0]).all()
    np.testing.assert_allclose(poses[1], poses[0], atol=1e-4)


def test_a_run_that_was_cut_short_goes_on(
    weights: Path, scorer: FakeScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mine(weights, "straight") == 0
    drawn: list[int] = []
    draw = jobs.draw_candidates

    def watched(job: jobs.BatchJob) -> scored.Candidates:
        drawn.append(job.number)
        if len(drawn) == 3:
            raise KeyboardInterrupt
        return draw(job)

    monkeypatch.setattr(jobs, "draw_candidates", watched)
    with pytest.raises(KeyboardInterrupt):
        mine(weights, "broken")
    assert not (weights.parent / "broken" / "pool.parquet").exists()
    with pytest.raises(ConfigError, match="another batch_size"):
        mine(weights, "broken", "batch_size=3")
    damaged = weights.parent / "broken" / "batches" / "batch-000001.parquet"
    damaged.write_bytes(damaged.read_bytes()[:50])
    with pytest.warns(UserWarning, match="batch-000001.*unreadable"):
        assert mine(weights, "broken") == 0
    assert drawn == [0, 1, 2, 1, 2]
    straight, broken = (weights.parent / name / "pool.parquet" for name in ("straight", "broken"))
    assert straight.read_bytes() == broken.read_bytes()
    assert mine(weights, "broken") == 0 and len(drawn) == 5
    assert mine(weights, "broken", "resume=false") == 0 and drawn[5:] == [0, 1, 2]


def test_scenes_without_a_score_are_tried_again(weights: Path, scorer: FakeScorer) -> None:
    mine(weights, "out")
    token = table(weights, "out")["token"].iloc[0]
    scorer.bad = {token}
    for cache in (weights.parent / "caches").rglob("*.npz"):
        cache.unlink()
    assert mine(weights, "out", "resume=false") == COUNT
    rows = table(weights, "out").set_index("token")
    assert (rows.loc[token, "reason"] == f"scene {token} has no route").all()
    assert rows["score"].isna().sum() == COUNT
    scorer.bad = set()
    assert mine(weights, "out") == 0
    assert table(weights, "out")["score"].notna().all()


def test_candidates_that_are_not_finite_end_the_run(weights: Path, scorer: FakeScorer) -> None:
    model = ReWorldModel.from_pretrained(weights)
    torch.nn.init.constant_(model.action_dit.proj_out.bias, float("nan"))
    model.save_pretrained(weights)
    jobs.load_model.cache_clear()
    with pytest.raises(DataError, match="are not finite"):
        mine(weights, "out")


def test_mistakes_are_named(weights: Path, scorer: FakeScorer) -> None:
    with pytest.raises(ConfigError, match="batch_size=0"):
        mine(weights, "out", "batch_size=0")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="no CUDA device is here"):
            mine(weights, "out", "agent.device=cuda")


@pytest.mark.parametrize(
    "name",
    [
        "test",
        "town_test",
        "town_val",
        "town6_evidence",
        "town6_test_wide",
        "navtest",
        "navhard_two_stage",
        "private_test_hard",
        "val",
    ],
)
def test_held_out_splits_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="held out"):
        refuse_held_out("trainval", name)


def test_training_splits_pass() -> None:
    refuse_held_out("trainval", "navtrain", "town_train", "mini", "")
