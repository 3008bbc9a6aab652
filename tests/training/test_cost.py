"""What the paper's extra terms cost, in floating-point operations at its size (meta device)."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import bootstrap

from reworld_agent.benchmarks.stages import measure as benchmark
from reworld_agent.benchmarks.stages import report as benchmark_report
from reworld_agent.benchmarks.stages.measure import (
    action_operations,
    count_operations,
    video_operations,
)
from reworld_agent.cli.main import main
from reworld_agent.config import load_model_config
from reworld_agent.config.sigmas import SCHEDULES
from reworld_agent.model import ReWorldModel
from reworld_agent.planner.heads.action_dit import ActionDiT
from reworld_agent.planner.sampler import sample_plan
from reworld_agent.training.stages import TrainingStage, load_stage
from reworld_agent.video.conditioning import Grid
from tests.model.micro import micro_model

PAPER = load_model_config("paper")
# Eight of its 28 layers: a term of one block is a larger share of these than of all.
SHALLOW = replace(PAPER, video=replace(PAPER.video, num_layers=8))
TOKENS = 196  # 25 frames of 224 x 224, the paper's Table 2: longer clips make the terms cheaper


def test_intermediate_supervision_is_nearly_free() -> None:
    ratio = video_operations(SHALLOW, TOKENS, True) / video_operations(SHALLOW, TOKENS, False)
    assert 1 < ratio <= 1.001


def test_alignment_is_nearly_free() -> None:
    with_term = action_operations(SHALLOW, TOKENS, (8,))
    assert with_term / action_operations(SHALLOW, TOKENS, ()) <= 1.001


def test_keys_and_values_once_save_most_of_a_plan() -> None:
    planner, video = SHALLOW.planner, SHALLOW.video
    with torch.device("meta"), torch.no_grad():
        dit = ActionDiT.build(planner, video)
        states = [torch.zeros(1, TOKENS, video.width) for _ in range(video.num_layers)]
        noise, ego, t = torch.zeros(1, 8, 3), torch.zeros(1, 8), torch.zeros(1)
        once = count_operations(lambda: sample_plan(dit, dit.cache(states), ego, noise, planner))
        steps = SCHEDULES[planner.sigmas](planner.steps)
        again = count_operations(lambda: [dit(noise, t, ego, dit.cache(states)) for _ in steps])
    assert once / again < 0.3


def test_steps_are_timed_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    loss = benchmark.stage_loss

    def watched(model: ReWorldModel, stage: TrainingStage, *batch: Any) -> Any:
        seen.append(stage.weights.alignment)
        time.sleep(0.002 if stage.weights.alignment else 0.0)
        return loss(model, stage, *batch)

    monkeypatch.setattr(benchmark, "stage_loss", watched)
    stage = load_stage("2", overrides={"noise_draws": 1})
    stages = {"with": stage, "without": benchmark.without(stage, "alignment")}
    times = benchmark.time_steps(micro_model(), stages, scenes=2, steps=3, warmup=1)
    assert seen == [0.05, 0.0, 0.0, 0.05] * 2
    assert list(times) == ["with", "without"]
    for series in times.values():
        assert len(series.wall) == len(series.processor) == 3
        assert min(series.wall) > 0 and min(series.processor) > 0


def test_the_ratio_is_that_of_the_pairs_within_its_interval() -> None:
    rng = np.random.default_rng(3)
    load = rng.lognormal(sigma=0.5, size=60)  # what else the machine does: alike for both of a pair
    ratio = benchmark.paired_ratio(load * rng.normal(1.02, 0.01, 60), load)
    assert ratio.low < 1.02 < ratio.high and ratio.low <= ratio.median <= ratio.high
    pairs = rng.normal(1.0, 0.1, 60)
    found = benchmark.paired_ratio(pairs, np.ones(60))
    reference = bootstrap((pairs,), np.median, method="percentile", rng=1).confidence_interval
    np.testing.assert_allclose([found.low, found.high], reference, atol=0.005)
    exact = benchmark.paired_ratio([2.0] * 20, [1.0] * 20)
    assert exact == benchmark.Ratio(2.0, 2.0, 2.0)


def test_operations_of_a_real_step_are_those_of_its_transformers() -> None:
    model, stage = micro_model(), load_stage("1", overrides={"phases": []})
    pair = [
        benchmark.step_operations(model, s, 1)
        for s in (stage, benchmark.without(stage, "intermediate"))
    ]
    tokens, config = model.grid.tokens, model.config
    extra = [video_operations(config, tokens, heads) for heads in (True, False)]
    assert pair[0] - pair[1] == extra[0] - extra[1] > 0


def test_the_command_writes_its_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        benchmark_report, "operation_table", lambda: pd.DataFrame({"ratio": [1.0003]})
    )
    assert (
        main(
            [
                "benchmark",
                "stages",
                "model=tiny",
                "batch_size=1",
                "steps=2",
                f"output_dir={tmp_path}",
            ]
        )
        == 0
    )
    steps = pd.read_parquet(tmp_path / "steps.parquet")
    assert steps["term"].tolist() == ["L_intermediate"] * 2 + ["L_alignment"] * 2
    assert steps["clock"].tolist() == ["wall", "processor"] * 2
    assert (steps["low"] <= steps["ratio"]).all() and (steps["ratio"] <= steps["high"]).all()
    assert (steps["expected"] >= 1).all() and set(steps["met"]) <= {"yes", "no", "open"}
    assert "1.0003" in capsys.readouterr().out


def test_the_slice_has_the_width_of_the_paper() -> None:
    config = benchmark_report.sliced_config()
    assert config.video.width == PAPER.video.width and config.planner == PAPER.planner
    assert Grid.of(config.clip, config.codec).tokens == 48


def test_mistakes_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "stages", "modle=tiny"]) == 2
    assert "did you mean model=?" in capsys.readouterr().err
    if not torch.cuda.is_available():
        assert main(["benchmark", "stages", "device=cuda"]) == 2
        assert "no CUDA device" in capsys.readouterr().err
