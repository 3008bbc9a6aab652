"""A stage from its Hydra config to its weights folder, and the chain of stages."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from reworld_agent.core.errors import ConfigError, DataError, UsageError, WeightsError
from reworld_agent.evaluation.compose import FIT, TRAIN, compose
from reworld_agent.model import ReWorldModel
from reworld_agent.negatives.pool import write_pool
from reworld_agent.planner.heads import PlannerHead
from reworld_agent.training import TrainRun, run, stage_run
from reworld_agent.training.datasets.loading import SampleStream
from reworld_agent.training.loop import module
from reworld_agent.training.loop.callbacks import SpikeWatch
from reworld_agent.training.loop.ema import AverageWeights
from reworld_agent.training.loop.module import StageModule
from reworld_agent.training.loop.records import CHECKPOINT
from reworld_agent.training.loop.resume import STOPPED
from reworld_agent.training.losses import stage_loss
from reworld_agent.training.stages import load_stage
from reworld_agent.training.statistics.fit import run_statistics
from reworld_agent.training.statistics.settings import StatisticsRun
from reworld_agent.video.backbones import VideoBackbone
from reworld_agent.video.codecs import Codec
from tests.model.micro import batch, micro_model
from tests.scenes.small_logs import SPLIT
from tests.training.stops import cut_short
from tests.training.test_data import small_loader

Part = torch.nn.Module | Codec | VideoBackbone | PlannerHead


@pytest.fixture(autouse=True)
def small_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small split as the user's own data."""
    torch.set_num_threads(1)
    small_loader(tmp_path)
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(tmp_path))
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(tmp_path))


def words(tmp_path: Path, stage: str, *more: str) -> list[str]:
    """Arguments of `run_training.py`: two steps of two scenes."""
    return [
        "agent=reworld",
        f"stage={stage}",
        f"train_test_split.data_split={SPLIT}",
        f"output_dir={tmp_path / stage}",
        f"cache_path={tmp_path / 'cache'}",
        "trainer.params.max_steps=2",
        "trainer.params.accelerator=cpu",
        "+trainer.params.enable_progress_bar=false",
        "dataloader.params.batch_size=2",
        "+agent.overrides.batch_size=4",
        *more,
    ]


def config(tmp_path: Path, stage: str, *more: str) -> TrainRun:
    """The run of these arguments."""
    return TrainRun.from_config(compose(words(tmp_path, stage, *more), TRAIN))


def fit(tmp_path: Path) -> None:
    """Statistics in `fit`, which Stage 1 starts from."""
    given = [f"train_test_split.data_split={SPLIT}", f"cache_path={tmp_path / 'cache'}"]
    given.append(f"output_dir={tmp_path / 'fit'}")
    run_statistics(StatisticsRun.from_config(compose(given, FIT)))


def pool(tmp_path: Path) -> str:
    """Override that names a pool, made here, with a negative for every scene."""
    file = tmp_path / "pool.parquet"
    tokens = small_loader(tmp_path).tokens
    poses = [np.full(24, 3.0)] * len(tokens)
    rows = {"token": tokens, "candidate": "0", "score": 0.1, "poses": poses}
    write_pool(file, pd.DataFrame(rows), {"split": SPLIT})
    return f"hard_negatives.pool={file}"


def init(tmp_path: Path, stage: str) -> str:
    """Override that starts from the weights of a stage."""
    return f"agent.init_from={tmp_path / stage / 'weights'}"


def test_chain_of_stages(tmp_path: Path) -> None:
    fit(tmp_path)
    last, more = "fit", [pool(tmp_path)]
    for stage in ("1", "planner", "2", "3"):
        run(config(tmp_path, stage, init(tmp_path, last), *more))
        last = stage
    first = ReWorldModel.from_pretrained(tmp_path / "1" / "weights")
    planner = ReWorldModel.from_pretrained(tmp_path / "planner" / "weights")
    second = ReWorldModel.from_pretrained(tmp_path / "2" / "weights")
    third = ReWorldModel.from_pretrained(tmp_path / "3" / "weights")
    assert third.history == ["statistics", "1", "planner", "2", "3"]
    assert differ(first.action_dit, planner.action_dit) and not differ(first.codec, third.codec)
    assert not differ(first.video_dit, planner.video_dit)  # frozen at the tiny size
    assert not differ(planner.video_dit, second.video_dit)
    assert differ(planner.action_dit, second.action_dit)
    assert differ(second.video_dit, third.video_dit)


def differ(one: Part, other: Part) -> bool:
    """True where two modules have other parameters."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return any(not torch.equal(a, b) for a, b in pairs)


def test_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    fit(tmp_path)
    models = []
    for _ in range(2):
        run(config(tmp_path, "1", init(tmp_path, "fit"), "resume=false"))
        models.append(ReWorldModel.from_pretrained(tmp_path / "1" / "weights"))
    assert not differ(*models)
    written = (tmp_path / "1" / "weights" / "config.json").stat().st_mtime_ns
    assert run(config(tmp_path, "1", init(tmp_path, "fit"))).earlier
    with pytest.raises(ConfigError, match=r"a finished run .*steps: it has 2, config has 3"):
        run(config(tmp_path, "1", init(tmp_path, "fit"), "trainer.params.max_steps=3"))
    assert (tmp_path / "1" / "weights" / "config.json").stat().st_mtime_ns == written


def test_a_resumed_run_ends_in_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(tmp_path)
    more = [init(tmp_path, "fit"), "trainer.params.max_steps=5", "checkpoint_steps=2"]
    more.append("+agent.overrides.ema_decay=0.9")
    straight, broken = f"output_dir={tmp_path / 'straight'}", f"output_dir={tmp_path / 'broken'}"
    run(config(tmp_path, "1", *more, straight))
    cut_short(config(tmp_path, "1", *more, broken), steps=3)
    with monkeypatch.context() as unread:
        unread.setattr(stage_run, "run_samples", None)  # it is refused before data are read
        with pytest.raises(ConfigError, match=r"other settings: seed: it has 42, config has 43"):
            run(config(tmp_path, "1", *more, broken, "seed=43"))
    run(config(tmp_path, "1", *more, broken))
    assert not (tmp_path / "broken" / CHECKPOINT).exists()
    for kind in ("weights", "weights_ema"):
        folders = [tmp_path / name / kind for name in ("straight", "broken")]
        assert not differ(*(ReWorldModel.from_pretrained(folder) for folder in folders))
    last = ReWorldModel.from_pretrained(tmp_path / "straight" / "weights")
    average = ReWorldModel.from_pretrained(tmp_path / "straight" / "weights_ema")
    assert differ(last.video_dit, average.video_dit) and average.history == last.history


def test_an_interruption_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning makes an exit with code 1 of it, without a word."""
    fit(tmp_path)

    def press(self: object, batch: object, batch_idx: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(StageModule, "training_step", press)
    handler = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(config(tmp_path, "1", init(tmp_path, "fit")))
    finally:
        signal.signal(signal.SIGINT, handler)  # Lightning ignores further ones


def test_averaged_weights_are_the_mean_that_they_should_be() -> None:
    model = micro_model()
    model.requires_grad_(False)
    weight = model.action_dit.proj_out.weight.requires_grad_(True)
    average, trainer = AverageWeights(model, decay=0.6), SimpleNamespace(global_step=0)
    average.on_train_start(trainer, SimpleNamespace(device="cpu"))
    expected = weight.detach().clone()
    for step in range(1, 6):
        with torch.no_grad():
            weight += step
        for _ in range(2):  # two batches a step
            average.on_train_batch_end(trainer, None, None, None, 0)
            trainer.global_step = step
        average.on_train_batch_end(trainer, None, None, None, 0)
        decay = min(0.6, 1 - step**-0.75 if step > 1 else 0.0)
        expected = decay * expected + (1 - decay) * weight.detach()
    assert average.average is not None
    torch.testing.assert_close(average.average.shadow_params[0], expected)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(tmp_path)
    calls = iter(range(100))

    def broken(*arguments: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        loss, logs = stage_loss(*arguments)
        return (loss * float("nan") if next(calls) == 3 else loss), logs

    monkeypatch.setattr(module, "stage_loss", broken)
    with pytest.raises(DataError, match="the loss is nan at step 1; the batch's scenes: "):
        run(config(tmp_path, "1", init(tmp_path, "fit"), "checkpoint_steps=1"))
    stopped = torch.load(tmp_path / "1" / STOPPED, weights_only=True)
    assert stopped["global_step"] == 1
    assert all(torch.isfinite(value).all() for value in stopped["state_dict"].values())
    run(config(tmp_path, "1", init(tmp_path, "fit")))  # goes on from the last one


def test_a_leap_of_the_loss_is_logged_with_its_scenes(caplog: pytest.LogCaptureFixture) -> None:
    watch = SpikeWatch(window=20)
    trainer = SimpleNamespace(accumulate_grad_batches=1, global_step=7)
    course = [1.0 + 0.01 * (n % 5) for n in range(20)]
    for number, loss in enumerate([*course, 1.03, 0.2, 3.0, 1.01]):
        batch: tuple[Any, Any, list[str]] = ({}, {}, [f"token-{number}"])
        watch.on_train_batch_end(trainer, None, {"loss": torch.tensor(loss)}, batch, number)
    assert watch.spikes == 1 and "token-22" in caplog.text and "token-21" not in caplog.text


def test_the_curriculum_changes_the_clip_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(tmp_path)
    seen = []

    def watched(*arguments: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        seen.append((arguments[5].height, arguments[5].future_frames))
        return stage_loss(*arguments)

    monkeypatch.setattr(module, "stage_loss", watched)
    phases = "[{share: 0.5, clip: {height: 32, width: 48}}, {share: 0.5, clip: {future_frames: 4}}]"
    more = [init(tmp_path, "fit"), f"+agent.overrides.phases={phases}"]
    run(config(tmp_path, "1", *more))
    assert seen == [(32, 8)] * 2 + [(64, 4)] * 2
    longer = "+agent.overrides.phases=[{share: 1.0, clip: {future_frames: 24}}]"
    with pytest.raises(ConfigError, match=r"phase 1 .* needs 4 \+ 24 frames"):
        run(config(tmp_path, "1", init(tmp_path, "fit"), longer))


def test_sample_stream_shuffles_each_pass_and_shares_it_out() -> None:
    whole = list(SampleStream(5, 15, seed=1))
    assert [sorted(whole[i : i + 5]) for i in (0, 5, 10)] == [[0, 1, 2, 3, 4]] * 3
    assert whole[:5] != whole[5:10]
    assert list(SampleStream(5, 15, seed=1, start=7)) == whole[7:]
    shares = [list(SampleStream(5, 14, seed=1, rank=rank, world=2)) for rank in (0, 1)]
    assert [x for pair in zip(*shares, strict=True) for x in pair] == whole[:14]


def test_missing_predecessor_is_one_clear_line(tmp_path: Path) -> None:
    nowhere = f"agent.init_from={tmp_path / 'nowhere'}"
    message = r"stage 2 starts from the weights of stage planner.*nowhere"
    with pytest.raises(UsageError, match=message):
        config(tmp_path, "2", nowhere)
    fit(tmp_path)
    with pytest.raises(WeightsError, match="have passed statistics") as caught:
        run(config(tmp_path, "planner", init(tmp_path, "fit")))
    assert caught.value.hint is not None and "stage=1" in caught.value.hint


def test_weights_of_another_configuration_are_refused(tmp_path: Path) -> None:
    tiny = micro_model()
    tiny.save_pretrained(tmp_path / "other")
    message = "belong to another configuration"
    with pytest.raises(WeightsError, match=message):
        run(config(tmp_path, "planner", f"agent.init_from={tmp_path / 'other'}"))


def test_mistakes_end_before_the_first_step(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="stage=9 must be one of 1, planner, 2, 3"):
        config(tmp_path, "9")
    with pytest.raises(ConfigError, match=r"agent.overrides.pace= is unknown\n.*phases="):
        config(tmp_path, "1", "+agent.overrides.pace=3")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("trainer.params.precision=abc", "trainer.params: Precision 'abc' is invalid"),
        ("+trainer.params.logger=x", "trainer.params: .*multiple values.*'logger'"),
        ("trainer.params.strategy=foo", "trainer.params: .*strategy='foo'"),
    ],
)
def test_what_lightning_refuses_ends_before_any_data_is_read(
    word: str, message: str, tmp_path: Path
) -> None:
    settings = config(tmp_path, "1", word)
    shutil.rmtree(tmp_path / "navsim_logs")
    with pytest.raises(UsageError, match=message):
        run(settings)


def test_a_loss_that_is_not_finite_names_its_scenes() -> None:
    model, (features, targets) = micro_model(), batch(2)
    trained = StageModule(model, load_stage("planner"))
    targets["trajectory"][0] = torch.nan
    arguments: Any = (features, targets, ["token-a", "token-b"])
    with pytest.raises(DataError, match="token-a, token-b"):
        trained.training_step(arguments, 0)


def test_a_split_smaller_than_a_batch_is_refused(tmp_path: Path) -> None:
    fit(tmp_path)
    with pytest.raises(ConfigError, match="has 6 scenes, a batch has 7"):
        run(config(tmp_path, "1", init(tmp_path, "fit"), "dataloader.params.batch_size=7"))
