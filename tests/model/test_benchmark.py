"""The benchmark of the model, at tiny size: it runs, and measures what it says."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from reworld_agent.benchmarks.model import measure as model_benchmark
from reworld_agent.benchmarks.model import precision
from reworld_agent.cli.main import main
from reworld_agent.config import load_model_config
from reworld_agent.core.errors import ConfigError
from reworld_agent.training.memory.step import made_up_batch


def test_every_part_has_its_rows(tmp_path: Path) -> None:
    output = tmp_path / "figures"
    words = [
        "benchmark",
        "model",
        "model=tiny",
        "dtype=float32",
        "size=32x32",
        "repeats=1",
        f"output={output}",
    ]
    assert main(words) == 0
    table = pd.read_csv(f"{output}.csv")
    assert list(table["part"]) == [
        "encode",
        "video forward",
        "planner forward",
        "together forward",
        "5 steps, K/V once",
        "5 steps, K/V each step",
        "stage 1 step",
        "stage planner step",
        "stage 2 step",
        "stage 3 step",
    ]
    assert (table["seconds"] > 0).all() and (table["peak_gib"] > 0).all()
    assert set(table["tokens"]) == {6 * 2 * 2}
    assert pd.read_parquet(f"{output}.parquet").equals(table)


def test_random_models_are_finite_and_of_the_dtype() -> None:
    config = load_model_config("tiny", "release")
    model = model_benchmark.random_model(config, "cpu", torch.bfloat16)
    assert {p.dtype for p in model.video_dit.parameters()} == {torch.bfloat16}
    features, _, _ = made_up_batch(config, config.clip, 2)
    assert torch.isfinite(model.plan(features)).all()


def test_wrong_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    for word, said in (
        ("parts=warp", "one of encode, forward, plan, stages, memory"),
        ("parts=memory,plan", "memory has columns of its own"),
        ("gradient_checkpointing=some", "must be none, all, auto or a number"),
        ("size=big", "height x width"),
        ("colour=red", "colour= is unknown"),
        ("repeats=0", "at least 1"),
        ("output=file/x", "cannot be written"),
    ):
        assert main(["benchmark", "model", word]) == 2
        assert said in capsys.readouterr().err
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="no GPU can be used"):
            model_benchmark.Bench(load_model_config("tiny"), device="cuda")


@pytest.mark.parametrize("computes", [True, False])
def test_bfloat16_is_timed_where_the_device_computes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, computes: bool
) -> None:
    """Where it would be emulated, its steps are counted alone, and the others are in float32."""
    monkeypatch.setattr(precision, "computes_bfloat16", lambda device: computes)
    words = ["model=tiny", "parts=measures", "size=32x64", "repeats=1", "warm_up=false"]
    output = tmp_path / "measures"
    assert main(["benchmark", "model", *words, f"output={output}"]) == 0
    table = pd.read_parquet(f"{output}.parquet").set_index("measure")
    usual = "bf16-mixed" if computes else "float32"
    assert table.loc[usual, "share"] == 1
    assert {f"{usual}, gradient_checkpointing=all", "float32", "bf16-true"} <= set(table.index)
    untimed = set(table.index[table["seconds"].isna()])
    assert untimed == (set() if computes else {"bf16-mixed", "bf16-true"})
    steps = table[~table.index.str.startswith("data")]
    assert (steps["total_gb"] > 0).all()
    weights = steps["weights_gb"].to_dict()
    assert weights["bf16-true"] < weights["float32"]


def test_a_type_that_is_asked_for_is_taken() -> None:
    assert precision.chosen_dtype("bfloat16", "cpu") == torch.bfloat16
    assert precision.chosen_dtype("float32", "cuda") == torch.float32
    usual = torch.bfloat16 if precision.computes_bfloat16("cpu") else torch.float32
    assert precision.chosen_dtype(None, "cpu") == usual
