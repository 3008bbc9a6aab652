"""How a run fits its devices: blocks computed twice, adapters, checkpoints, accounting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from reworld_agent.config import ModelConfig, load_model_config
from reworld_agent.core.errors import ConfigError, UsageError, WeightsError
from reworld_agent.core.provenance import weights_hash
from reworld_agent.model import ReWorldModel
from reworld_agent.objectives.repulsion import repulsion_loss
from reworld_agent.training.datasets.loading import StepBatches
from reworld_agent.training.fit_settings import FitSettings, LoraSettings
from reworld_agent.training.loop import callbacks
from reworld_agent.training.loop.callbacks import SameCode
from reworld_agent.training.loop.device_values import Later
from reworld_agent.training.loop.export import save_weights
from reworld_agent.training.loop.fitted import stage_module
from reworld_agent.training.loop.module import FROZEN, StageModule
from reworld_agent.training.losses import NotFiniteError, stage_loss
from reworld_agent.training.memory.account import StepMemory, run_counted, step_memory
from reworld_agent.training.memory.choose import USABLE, fit_step
from reworld_agent.training.memory.step import StepPlan
from reworld_agent.training.memory.tracker import MemoryTracker
from reworld_agent.training.prepare import set_trainable, start_model
from reworld_agent.training.stages import load_stage
from tests.model.micro import batch, micro_config, micro_model

ALONE = LoraSettings()


def prepared(name: str, fit: FitSettings | None = None, lora: LoraSettings = ALONE) -> StageModule:
    """The module of a stage of the micro model."""
    torch.set_num_threads(1)
    model, stage = micro_model(), replace(load_stage(name), align_blocks=(2,))
    torch.nn.init.normal_(model.action_dit.proj_out.weight, std=0.1)
    set_trainable(model, stage)
    return stage_module(model, stage, fit or FitSettings(), lora, start="abc")


def loss_of(module: StageModule) -> Tensor:
    features, targets = batch(2)
    generator = torch.Generator().manual_seed(0)
    return stage_loss(module.model, module.stage, features, targets, generator)[0]


@pytest.mark.parametrize("name", ["1", "3"])
def test_blocks_that_are_computed_twice_change_no_digit_and_keep_less(name: str) -> None:
    found, saved = [], []
    for word in ("none", "2", "all"):
        module = prepared(name, FitSettings(gradient_checkpointing=word))
        with MemoryTracker() as tracker:
            loss = loss_of(module)
            saved.append(tracker.live)
            loss.backward()
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        found.append([loss.detach(), *gradients])
    for other in found[1:]:
        assert len(other) == len(found[0]) > 50
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))
    assert saved[0] > 1.2 * saved[1] > 1.4 * saved[2]


def test_numbers_come_later_and_all_of_them() -> None:
    seen: list[tuple[float, str]] = []
    later = Later(lambda value, name: seen.append((float(value), name)), lag=1)
    for number, name in enumerate("abc"):
        later.put(torch.tensor(float(number)), name)
        assert len(seen) == number
    later.flush()
    assert seen == [(0.0, "a"), (1.0, "b"), (2.0, "c")]


def test_no_checkpoint_is_written_of_a_loss_that_is_not_finite() -> None:
    module = prepared("2")
    module.finite.lag = 1
    module.finite.put(torch.tensor([float("nan"), 1.0]), 7, ["scene a", "scene b"])
    with pytest.raises(NotFiniteError, match=r"the loss is nan at step 7; .*scene a, scene b"):
        module.on_save_checkpoint({"state_dict": module.state_dict()})
    module.finite.put(torch.tensor([1.0, 2.0]), 8, ["scene c"])
    with pytest.raises(NotFiniteError, match="loss of another process is not finite at step 8"):
        module.on_train_epoch_end()


def test_checkpoints_hold_what_learns_and_the_hash_of_the_rest() -> None:
    module = prepared("2")
    checkpoint: dict[str, Any] = {"state_dict": module.state_dict()}
    module.on_save_checkpoint(checkpoint)
    names = set(checkpoint["state_dict"])
    assert names == {f"model.action_dit.{n}" for n, _ in module.model.action_dit.named_parameters()}
    assert checkpoint[FROZEN] == "abc"
    module.on_load_checkpoint(checkpoint)
    with pytest.raises(WeightsError, match="made on other weights"):
        module.on_load_checkpoint({**checkpoint, FROZEN: "other"})
    assert not module.strict_loading


def test_a_stage_starts_from_mapped_weights_and_draws_none(tmp_path: Path) -> None:
    model = micro_model()
    model.history = ["statistics", "1"]
    model.save_pretrained(tmp_path / "weights")
    before = torch.random.get_rng_state()
    started = start_model(micro_config(), load_stage("planner"), tmp_path / "weights")
    assert torch.equal(torch.random.get_rng_state(), before)
    pairs = zip(model.state_dict().items(), started.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for (_, one), other in pairs)
    assert started.history == ["statistics", "1"] and started.config == micro_config()
    assert {p.dtype for p in started.parameters()} == {torch.float32}


def test_the_divisor_of_repulsion_counts_the_whole_batch() -> None:
    torch.manual_seed(0)
    plan, negative = torch.randn(2, 8, 8, 3)
    valid = torch.tensor([True, False, False, False, True, True, True, False])
    whole = repulsion_loss(plan, negative, valid)
    batches: list[Any] = [({}, {"hard_negative_valid": part}, []) for part in valid.split(2)]
    counted = list(StepBatches(batches, accumulate=4))  # type: ignore[arg-type]
    parts = [
        repulsion_loss(p, n, one[1]["hard_negative_valid"], count=one[1]["hard_negative_count"])
        for p, n, one in zip(plan.split(2), negative.split(2), counted, strict=True)
    ]
    assert torch.stack(parts).mean() == pytest.approx(float(whole), rel=1e-6)
    plain: list[Any] = [({}, {"trajectory": plan}, [])] * 3
    assert list(StepBatches(plain, accumulate=2)) == plain  # type: ignore[arg-type]


def test_processes_of_different_code_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Trainer:
        world_size = 2

    def gather(found: list[str], mine: str) -> None:
        found[:] = [mine, answer]

    monkeypatch.setattr(torch.distributed, "all_gather_object", gather)
    answer = callbacks.code_hash()
    SameCode().setup(Trainer(), None, "fit")
    answer = "other"
    with pytest.raises(ConfigError, match="process 1 has other code of ReWorld than process 0"):
        SameCode().setup(Trainer(), None, "fit")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (lambda: FitSettings(gradient_checkpointing="some"), "must be none, all, auto or a number"),
        (lambda: FitSettings(gradient_checkpointing="1"), "must be none, all, auto or a number"),
        (lambda: FitSettings(memory_gb=0), "memory_gb"),
        (lambda: FitSettings(optimizer="sgd"), "optimizer"),  # type: ignore[arg-type]
        (lambda: LoraSettings(alpha=8), r"lora\.alpha=8 without lora\.rank="),
        (lambda: LoraSettings(rank=4, targets=()), "names no layer"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        settings()


def test_adapters_alone_learn_and_are_merged(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    lora = LoraSettings(rank=3, alpha=6, targets=("to_q", "to_v", "to_out.0"))
    module = prepared("3", lora=lora)
    model, plain = module.model, micro_model()
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    assert names and all(".lora_" in name for name in names)
    assert {name.split(".")[0] for name in names} == {"video_dit", "action_dit"}
    loss_of(module).backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == (".lora_" in name and "norm" not in name), name
        if ".lora_B." in name:
            torch.nn.init.normal_(parameter, std=0.2)
    features, _ = batch(2)
    expected = model.plan(features)
    assert not torch.allclose(expected, plain.plan(features), atol=1e-3)
    save_weights(model, tmp_path / "weights", [])
    merged = ReWorldModel.from_pretrained(tmp_path / "weights")
    torch.testing.assert_close(merged.plan(features), expected, rtol=1e-4, atol=1e-4)
    adapter = load_file(tmp_path / "adapter" / "video_dit" / "adapter_model.safetensors")
    assert len(adapter) == 2 * 2 * 2 * 3  # A and B, two blocks, two attentions, three layers
    assert (tmp_path / "adapter" / "action_dit" / "adapter_config.json").is_file()


def test_adapters_on_a_missing_layer_are_refused_by_name() -> None:
    pytest.importorskip("peft")
    with pytest.raises(ConfigError, match=r"no linear layer of action_dit is named to_qq") as error:
        prepared("2", lora=LoraSettings(rank=2, targets=("to_q", "to_qq")))
    assert "to_out" in str(error.value.hint)


def test_a_step_on_fake_tensors_keeps_what_a_real_one_keeps() -> None:
    plan = StepPlan(micro_config(), load_stage("planner"), scenes=3)
    found = run_counted(plan)
    module = prepared("planner")
    weights = sum(p.numel() * 4 for p in module.parameters())
    moments = sum(p.numel() * 12 for p in module.parameters() if p.requires_grad)
    buffers = sum(b.numel() * b.element_size() for b in module.buffers())
    assert found.weights == pytest.approx(weights + moments + buffers, rel=0.02)
    assert found.total > found.weights + found.saved > found.weights


@pytest.mark.parametrize(("precision", "size"), [("32-true", 4), ("bf16-true", 2)])
def test_a_step_of_adapters_is_counted(precision: str, size: int) -> None:
    pytest.importorskip("peft")
    plan = StepPlan(micro_config(), load_stage("3"), precision=precision)
    plan = plan.replaced(lora=LoraSettings(rank=2))
    module = prepared("3", lora=plan.lora)
    kept = sum(p.numel() * size for p in module.parameters())
    learned = sum(p.numel() * 3 * size for p in module.parameters() if p.requires_grad)
    found = run_counted(plan)
    assert found.weights == pytest.approx(kept + learned, rel=0.1)
    shared = run_counted(plan.replaced(strategy="fsdp2", processes=2))
    assert shared.weights < 0.8 * found.weights  # the codec is whole


def test_the_smallest_memory_that_fits_is_said_and_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(plan: StepPlan) -> StepMemory:
        kept = {"none": 40e9, "2": 25e9, "all": 10e9}[plan.fit.gradient_checkpointing]
        return StepMemory(20e9, kept, {"backward": 20e9 + kept * plan.scenes})

    monkeypatch.setattr("reworld_agent.training.memory.choose.step_memory", counted)
    plan = StepPlan(micro_config(), load_stage("planner"))
    with pytest.raises(ConfigError, match=r"needs 32\.7 GB a device with 1 scene") as error:
        fit_step(plan, 30e9, 24)
    assert "memory_gb=32.7" in str(error.value.hint)
    least = fit_step(plan, 32.7e9, 24)
    assert (least.checkpointing, least.scenes) == ("all", 1)
    found = fit_step(plan, 60e9, 24)
    assert (found.checkpointing, found.scenes) == ("2", 1)
    found = fit_step(plan.replaced(fit=FitSettings(gradient_checkpointing="all")), 80e9, 24)
    assert found.scenes == 4 and found.memory.total <= USABLE * 80e9
    assert fit_step(plan, 280e9, 24).scenes == 4 and fit_step(plan, 280e9, 5).scenes == 5


def test_the_chosen_number_of_scenes_is_counted_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def counted(plan: StepPlan) -> StepMemory:
        seen.append(plan.scenes)
        return StepMemory(0, 0, {"backward": 1e9 * plan.scenes + 5e9 * (plan.scenes > 8)})

    monkeypatch.setattr("reworld_agent.training.memory.choose.step_memory", counted)
    plan = StepPlan(micro_config(), load_stage("planner"))
    found = fit_step(plan, 14e9, 24)  # usable: 12.88 GB; the straight line says 12 scenes
    assert (found.scenes, found.memory.total) == (8, 8e9)
    assert seen == [1, 2, 12, 8]


def test_random_weights_of_several_processes_are_drawn_by_one_and_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def built(config: ModelConfig) -> ReWorldModel:
        made.append(torch.get_default_device().type)
        return ReWorldModel(config)

    monkeypatch.setattr("reworld_agent.training.prepare.ReWorldModel", built)
    stage, config, before = load_stage("1"), load_model_config("tiny"), torch.random.get_rng_state()
    alone = start_model(config, stage).state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    folder, kept = tmp_path / "initial" / "abc", set()
    for _ in range(2):
        started = start_model(config, stage, shared=folder)
        kept.add((folder / "config.json").stat().st_mtime_ns)
        assert all(torch.equal(v, alone[name]) for name, v in started.state_dict().items())
        assert started.history == ["statistics"] and weights_hash(started)
        assert any(p.requires_grad for p in started.video_dit.parameters())
    assert made == ["meta", "cpu", "meta", "meta", "cpu", "meta"] and len(kept) == 1
    assert sorted(p.name for p in folder.parent.iterdir()) == ["abc", "abc.lock"]


def test_weights_that_are_not_shipped_are_missed_before_any_are_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def built(config: ModelConfig) -> ReWorldModel:
        assert torch.get_default_device().type == "meta"
        return ReWorldModel(config)

    monkeypatch.setattr("reworld_agent.training.prepare.ReWorldModel", built)
    with pytest.raises(WeightsError, match=r"stage 1 starts from .* no weights are shipped"):
        start_model(micro_config(), load_stage("1"))


@pytest.mark.slow  # eighteen blocks, a hundred operations each, on fake tensors
def test_deep_models_are_counted_by_shallow_ones() -> None:
    config, stage = micro_config(), load_stage("planner")
    deep = replace(config, video=replace(config.video, num_layers=6, mid_blocks=(5,)))
    plan = StepPlan(deep, stage)
    exact, straight = run_counted(plan), step_memory(plan)
    assert straight.total == pytest.approx(exact.total, rel=0.01)
    assert straight.weights == pytest.approx(exact.weights, rel=0.005)
