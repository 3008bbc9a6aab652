"""Every stage, planning, scoring and mining over another backbone, and over three cameras."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from reworld_agent.cli.main import main
from reworld_agent.clips.decode import read_frames
from reworld_agent.config import FRONT, load_model_config
from reworld_agent.core.errors import WeightsError
from reworld_agent.evaluation.compose import FIT, compose
from reworld_agent.model import ReWorldModel
from reworld_agent.model.shipped import load_checkpoint
from reworld_agent.training import run
from reworld_agent.training.statistics.fit import run_statistics
from reworld_agent.training.statistics.settings import StatisticsRun
from tests.evaluation.fakes import FakeScorer
from tests.model.micro import micro_config
from tests.scenes.small_logs import SPLIT
from tests.training.test_run import config
from tests.training.test_run import words as words_of
from tests.training.variants import mine, model_file, scores, split_of_three

ROOT = Path(__file__).resolve().parents[2]
TERMS = ("loss", "action_flow", "gradient_norm", "gradient_norm_video_dit")


@pytest.fixture
def split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    split_of_three(tmp_path, monkeypatch)
    return tmp_path


def data(root: Path) -> list[str]:
    return [f"train_test_split.data_split={SPLIT}", f"cache_path={root / 'cache'}"]


# what is trained, how, and how it is used afterwards
HOW: dict[str, tuple[list[str], str]] = {
    "plain": ([], "float32"),
    "bf16-mixed": (["trainer.params.precision=bf16-mixed"], "bfloat16"),
    "bf16-true": (["trainer.params.precision=bf16-true"], "bfloat16"),
    "lora": (["lora.rank=2", "gradient_checkpointing=all"], "float32"),
}
SLOW = [
    pytest.param(*one, marks=pytest.mark.slow)
    for one in (
        *((name, "plain", "paper") for name in ("wan", "three", "world_action")),
        *((name, "plain", "release") for name in ("ltx", "wan", "three", "wan_three")),
        *((n, how, "paper") for n in ("ltx", "wan_three") for how in HOW if how != "plain"),
        *((n, how, "release") for n in ("ltx", "wan_three") for how in HOW if how != "plain"),
    )
]


@pytest.mark.parametrize(("name", "how", "recipe"), [("wan_three", "plain", "paper"), *SLOW])
def test_every_stage_then_mining_planning_and_scoring(
    name: str, how: str, recipe: str, split: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, (ways, dtype) = model_file(split, name), HOW[how]
    model = f"model={file}", f"recipe={recipe}"
    words = [*data(split), *model, f"output_dir={split / 'fit'}"]
    run_statistics(StatisticsRun.from_config(compose(words, FIT)))
    if name == "world_action":
        with_actions(split / "fit" / "weights")
    FakeScorer().install(monkeypatch)  # six scenes in the middle of nowhere: no map to score on
    last, more = "fit", [*model, "trainer.params.max_steps=1", "validation.every=0", *ways]
    if how == "bf16-true":
        more.append("+agent.overrides.ema_decay=null")  # no average of weights in bfloat16
    used = *model, f"agent.dtype={dtype}"
    for stage in ("1", "planner", "2", "3"):
        if stage == "3":
            more.append(f"hard_negatives.pool={mine(split, split / last / 'weights', *used)}")
        run(config(split, stage, f"agent.init_from={split / last / 'weights'}", *more))
        last = stage
    config_of = load_model_config(file, recipe)
    trained = ReWorldModel.from_pretrained(split / "3" / "weights", config_of)
    assert trained.history == ["statistics", "1", "planner", "2", "3"]
    moved = moved_between(split / "fit" / "weights", trained)
    blocks = "video_dit.blocks" if "wan" in name else "video_dit.transformer_blocks"
    assert f"{blocks}.0.attn1.to_q.weight" in moved
    if how == "lora":
        assert {one.split(".")[-2] for one in moved} <= {"to_q", "to_k", "to_v"}
    if recipe == "release" and how != "bf16-true":
        scores(split, split / "3" / "weights_ema", *used)
    table = scores(split, split / "3" / "weights", *used)
    if config_of.cameras != FRONT and how == "plain":
        imagine(split, str(table["token"][0]), split / "3" / "weights")


def moved_between(folder: Path, trained: ReWorldModel) -> set[str]:
    """Names of the weights that are not what they were."""
    start, learned = ReWorldModel.from_pretrained(folder).state_dict(), trained.state_dict()
    return {n for n, value in start.items() if not torch.equal(value.to(learned[n]), learned[n])}


def with_actions(folder: Path) -> None:
    """Note that latent actions are of the codec, as training them does."""
    model = ReWorldModel.from_pretrained(folder)
    assert model.latent_actions is not None
    model.latent_actions.take_codec(model.codec)
    model.save_pretrained(folder)


def imagine(split: Path, token: str, weights: Path) -> None:
    """The left camera of a scene's imagined future, and all of them, as videos."""
    words = [f"token={token}", f"data_split={SPLIT}", f"checkpoint_path={weights}", "steps=1"]
    for camera, height in (("cam_l0", 32), ("all", 96)):
        folder = split / camera
        given = [*words, f"camera={camera}", f"output_dir={folder}"]
        assert main(["video", "generate", *given]) == 0
        for kind in ("futures", "real"):
            frames = read_frames(folder / kind / f"{token}.mp4")
            assert frames.shape == (8, 3, height, 48)
        level = 60 if camera == "cam_l0" else 0  # as the split's images have it
        assert abs(int(frames[0, 0, 0, 0]) - level) <= 20
    assert main(["video", "generate", *words, "camera=cam_b0", f"output_dir={split / 'b'}"]) == 2
    assert main(["video", "generate", f"clip={split}", "camera=cam_l0"]) == 2  # a clip shows one


@pytest.mark.slow  # two processes import torch and Lightning, twice
@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_two_processes_train_another_backbone_as_one_does(strategy: str, split: Path) -> None:
    file = model_file(split, "wan_three")
    torch.manual_seed(0)
    model = ReWorldModel(load_model_config(file))
    torch.nn.init.normal_(model.codec.components, std=0.01)
    torch.nn.init.normal_(model.action_dit.proj_out.weight, std=0.1)
    model.history = ["statistics", "1"]
    model.save_pretrained(split / "start" / "weights")
    more = [f"model={file}", f"agent.init_from={split / 'start' / 'weights'}", "validation.every=0"]
    more += ["trainer.params.max_steps=1", "+agent.overrides.trainable=[video_dit,action_dit]"]
    more += ["+agent.overrides.cache_states=false"]
    more += ["+trainer.params.log_every_n_steps=1"]
    run(config(split, "planner", *more, "dataloader.params.batch_size=4"))
    more += [f"output_dir={split / 'two'}", "trainer.params.devices=2"]
    more += [f"trainer.params.strategy={strategy}"]
    given = {word.partition("=")[0]: word for word in words_of(split, "planner", *more)}
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    script = [*launch, str(ROOT / "run_training.py"), *given.values()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *script], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[:3000]
    found = []
    for name in ("planner", "two"):
        events = EventAccumulator(str(split / name / "tensorboard"))
        events.Reload()
        found.append([events.Scalars(f"train/{term}")[0].value for term in TERMS])
    assert found[1] == pytest.approx(found[0], rel=1e-4)
    trained = ReWorldModel.from_pretrained(split / "two" / "weights").state_dict()
    start = model.state_dict()
    moved = {name for name, value in trained.items() if not torch.equal(value, start[name])}
    assert {"video_dit.blocks.0.ffn.net.2.weight", "video_dit.view_embed.table.weight"} <= moved


def test_weights_of_another_backbone_are_refused_by_name(tmp_path: Path) -> None:
    torch.manual_seed(0)
    ours = load_model_config(model_file(tmp_path, "wan"))
    ReWorldModel(micro_config()).save_pretrained(tmp_path / "weights")
    with pytest.raises(WeightsError, match=r"video.backbone=ltx, and the model has wan"):
        load_checkpoint(tmp_path / "weights", ours)
    state = ReWorldModel(micro_config()).state_dict()
    torch.save(state, tmp_path / "model.pt")
    with pytest.raises(WeightsError, match=r"video.backbone=ltx, and the model has wan"):
        load_checkpoint(tmp_path / "model.pt", ours)
    back = ReWorldModel(ours)
    back.save_pretrained(tmp_path / "back")
    found = load_checkpoint(tmp_path / "back", ours).state_dict()
    assert all(torch.equal(found[name], value) for name, value in back.state_dict().items())
