"""Latency of a plan, and planning that leaves the Video DiT early."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd
import pytest
import torch

from reworld_agent.benchmarks.model.loop import plan_by_fresh_memories
from reworld_agent.benchmarks.plan import PlanBenchmarkSettings, benchmark_plan
from reworld_agent.cli.main import main
from reworld_agent.core.errors import ConfigError, UsageError
from reworld_agent.model import ReWorldModel
from reworld_agent.planner.sampler import sample_plan, scene_noise
from reworld_agent.training.stages import load_stage
from tests.model.micro import batch, micro_model


def moving_model(read_blocks: int | None = None) -> ReWorldModel:
    """A random model whose planner moves, and reads so many blocks."""
    model = micro_model()
    torch.nn.init.normal_(model.action_dit.proj_out.weight, std=0.3)
    planner = dataclasses.replace(model.config.planner, read_blocks=read_blocks)
    model.config = dataclasses.replace(model.config, planner=planner)
    return model.eval()


def test_all_blocks_read_is_the_plan_of_always() -> None:
    features, _ = batch(2)
    assert torch.equal(moving_model(2).plan(features), moving_model().plan(features))


@torch.no_grad()
def test_blocks_above_read_nothing_and_are_not_run() -> None:
    model, (features, _) = moving_model(1), batch(2)
    calls: list[int] = []
    for number, block in enumerate(model.video_dit.transformer_blocks, 1):
        block.register_forward_hook(lambda *_, k=number: calls.append(k))
    plan = model.plan(features)
    assert calls == [1] and len(model.planning_states(features)) == 1
    # the output projection of a block that reads nothing is what would have been added: silence it
    whole = moving_model()
    for parameter in whole.action_dit.blocks[1].cross.to_out.parameters():
        parameter.zero_()
    torch.testing.assert_close(plan, whole.plan(features))
    assert not torch.allclose(plan, moving_model().plan(features), atol=1e-3)


def test_early_exits_are_for_planning_and_within_the_model() -> None:
    with pytest.raises(ConfigError, match="a stage learns to read all blocks"):
        load_stage("2", model_overrides={"planner": {"read_blocks": 2}})
    with pytest.raises(UsageError, match="read_blocks names block 5 of 4"):
        load_stage("1", model_overrides={"planner": {"read_blocks": 5}})
    with pytest.raises(UsageError, match="blocks=9 of a model of 4"):
        PlanBenchmarkSettings(blocks=(9,))


@torch.no_grad()
def test_fresh_memories_give_the_same_plan() -> None:
    model, (features, _) = moving_model(), batch(2)
    states, planner = model.planning_states(features), model.config.planner
    noise = scene_noise((8, 3), 2, 0, model.normaliser.centre)
    asked = (features["ego"], noise, planner)
    once = sample_plan(model.action_dit, model.action_dit.cache(states), *asked)
    assert torch.equal(plan_by_fresh_memories(model.action_dit, states, *asked), once)


def test_the_table_has_every_way_to_plan(tmp_path: Path) -> None:
    output = tmp_path / "t"
    settings = PlanBenchmarkSettings(
        steps=(1, 2), batch_sizes=(1, 2), dtypes=("float32",), repeats=2, output=output
    )
    table = benchmark_plan(settings)
    assert len(table) == 2 * 2 * 2 * 2 and set(table["blocks"]) == {2, 4}
    assert (table["p99_ms"] >= table["p50_ms"]).all() and (table["p50_ms"] > 0).all()
    parts = ["encode_ms", "video_ms", "kv_ms", "steps_ms"]
    assert (table[parts].sum(axis=1) / table["p50_ms"]).between(0.5, 1.5).all()
    assert (table[table["keys_values"] == "each step"]["kv_ms"] == 0).all()
    assert len(pd.read_csv(output.with_suffix(".csv"))) == len(table)


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "plan", "--help"]) == 0
    said = capsys.readouterr().out
    for word in ("steps=", "blocks=", "batch_sizes=", "dtypes=", "DriveLaW", "read_blocks"):
        assert word in said
