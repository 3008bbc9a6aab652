"""`reworld video control`, and a plan of `reworld video generate`: imagined, read back, refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from reworld_agent.cli.main import main
from reworld_agent.core.errors import ConfigError, DataError, UsageError
from reworld_agent.core.result_tables import read_provenance
from reworld_agent.generation.futures import Conditions, Sampling, generate, imagined
from reworld_agent.generation.plans import plan_digest, planned_actions, read_plan
from reworld_agent.model import ReWorldModel
from reworld_agent.training.control import run
from reworld_agent.training.control.read import by_dynamics, by_video, read_futures, shares
from reworld_agent.training.datasets.scene_arrays import SceneArrays
from reworld_agent.video.encoding import encode_clip
from reworld_agent.video.latent_actions import plan_motion
from tests.model.micro import batch, micro_config, micro_model
from tests.model.world_action import world_action_config, world_action_model
from tests.training.latent_actions.test_train_actions import arrays

PLAIN = Sampling(gamma=1.0, steps=2)


def stirred(**changes: Any) -> ReWorldModel:
    """One whose layers all say something."""
    model = world_action_model(trained=True, **changes).eval()
    for parameter in model.video_dit.parameters():
        if not parameter.abs().sum():
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def test_a_plan_is_clean_tokens_of_its_motion() -> None:
    model, (_, targets) = stirred(), batch(3)
    found = planned_actions(model, targets["trajectory"], model.layout())
    assert model.latent_actions is not None and not found.times.any()
    motion = plan_motion(targets["trajectory"], 1, 8)
    torch.testing.assert_close(found.values, model.latent_actions.adapted(motion))
    real = stirred(actions={"numbers": 4, "hidden": 16, "layers": 2, "tokens": "real"})
    assert real.latent_actions is not None
    told = planned_actions(real, targets["trajectory"], real.layout())
    torch.testing.assert_close(told.values, real.latent_actions.standard_motion(motion))
    with pytest.raises(ConfigError, match="without actions"):
        planned_actions(micro_model(), targets["trajectory"], micro_model().layout())
    with pytest.raises(DataError, match="trajectories of 4 poses beside 8"):
        planned_actions(model, targets["trajectory"][:, :4], model.layout())


@pytest.mark.parametrize("chunked", [False, True])
def test_futures_follow_the_plan_and_only_their_own(chunked: bool) -> None:
    model, (features, targets) = stirred(), batch(2)
    clip, plans = model.config.clip, targets["trajectory"]
    how = Sampling(gamma=1.4, steps=2, chunked=chunked)
    past = model.encode(features["images"])
    free = imagined(model, past, clip, how)
    first = imagined(model, past, clip, how, conditions=Conditions(plans=plans))
    moved = Conditions(plans=torch.stack([plans[0], plans[1] + 5]))
    other = imagined(model, past, clip, how, conditions=moved)
    assert not torch.allclose(free, first)
    torch.testing.assert_close(first[0], other[0])
    assert not torch.allclose(first[1], other[1])
    frames = generate(model, features["images"], clip, how, conditions=Conditions(plans=plans))
    assert frames.shape == (2, 8, 3, 32, 48) and frames.dtype == torch.uint8


def test_chunks_of_a_model_without_them_are_refused() -> None:
    features, _ = batch(1)
    how = Sampling(gamma=1.0, steps=1, chunked=True)
    with pytest.raises(ConfigError, match="not of chunks"):
        generate(micro_model().eval(), features["images"], micro_config().clip, how)
    model = stirred(options={"action_ff": 8})
    with pytest.raises(ConfigError, match="not of chunks"):
        generate(model, features["images"], model.config.clip, how)


@torch.no_grad()
def test_dynamics_step_from_latent_to_latent() -> None:
    model, (features, targets) = stirred(), batch(2)
    actions = model.latent_actions
    assert actions is not None
    actions.scale.fill_(3.0)
    past = model.encode(features["images"])
    found = by_dynamics(model, actions)(past, targets["trajectory"], 0)
    assert found.shape == (2, 12, 12, 2, 3)
    torch.testing.assert_close(found[:, :, :4], past)
    motion = plan_motion(targets["trajectory"], 1, 8)
    present = 2 * past[:, :, 3].flatten(2).transpose(1, 2) / 3
    following = actions.predict(present, actions.raw(actions.adapted(motion[:, 0])))
    cells = 2 * found[:, :, 4].flatten(2).transpose(1, 2) / 3
    torch.testing.assert_close(cells, following, atol=1e-4, rtol=1e-4)


def test_what_is_read_is_the_sum_over_pairs() -> None:
    """A reader that says each latent's mean: sums of what it says of all pairs."""
    model, (features, targets) = stirred(), batch(2)
    assert model.latent_actions is not None
    clip = model.config.clip
    latents = encode_clip(model.codec, clip, features["images"], targets["future_images"])

    def reader(pairs: torch.Tensor) -> np.ndarray[Any, np.dtype[np.float64]]:
        half = pairs.size(1) // 2
        sides = pairs[:, :half].mean(dim=1), pairs[:, half:].mean(dim=1)
        return torch.stack([sides[0], sides[0] * 0, sides[1]], dim=1).double().numpy()

    found = read_futures(model, model.latent_actions, reader, latents)
    means = (2 * latents[:, :, 3:]).mean(dim=(1, 3, 4))
    np.testing.assert_allclose(found[:, 0], means[:, :-1].sum(dim=1), rtol=1e-4)
    np.testing.assert_allclose(found[:, 1], means[:, 1:].sum(dim=1), rtol=1e-4)


def test_shares_count_scenes_whose_plans_lie_apart() -> None:
    own = np.array([[10.0, 0.0], [20.0, 0.3], [5.0, 0.0], [30.0, 0.0]])
    other = np.array([[20.0, 0.0], [10.0, 0.0], [6.0, 0.3], [20.0, 0.01]])
    read = {"own_plan": own + 1, "other_plan": other, "recorded": np.flip(own, axis=0)}
    rows = shares(read, own, other, np.array(["a", "b", "a", "b"]))
    table = pd.DataFrame(rows).set_index(["source", "quantity"])
    assert table.loc[("own_plan", "distance"), "scenes"] == 3  # 5 and 6 m are not told apart
    assert table.loc[("own_plan", "yaw"), "scenes"] == 2
    assert table.loc[("own_plan", "distance"), "value"] == 1
    assert table.loc[("other_plan", "distance"), "value"] == 1
    assert table.loc[("other_plan", "yaw"), "error"] == 0
    recorded = table.to_dict("index")["recorded", "distance"]
    assert recorded["value"] == 0  # 30 of (10, 20), 5 of (20, 10), 10 of (30, 20)
    assert recorded["low"] <= recorded["high"]


def opened(model: ReWorldModel) -> tuple[SceneArrays, SceneArrays]:
    return arrays(0), arrays(1)


def words(folder: Path, *more: str) -> list[str]:
    start = [f"checkpoint_path={folder / 'weights'}", f"output_dir={folder / 'out'}"]
    return ["video", "control", *start, "reader_steps=3", "judged=6", "steps=1", *more]


@pytest.mark.parametrize("by", ["video", "dynamics"])
def test_the_command_writes_shares_and_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], by: str
) -> None:
    stirred().save_pretrained(tmp_path / "weights")
    monkeypatch.setattr(run, "_scenes", lambda settings, model: opened(model))
    assert main(words(tmp_path, f"by={by}", "pictures=1")) == 0
    assert "own_plan" in capsys.readouterr().out
    table = pd.read_parquet(tmp_path / "out" / "control.parquet")
    assert set(table["source"]) == {"own_plan", "other_plan", "recorded"}
    distance = table[table["quantity"] == "distance"]
    assert (distance["scenes"] > 5).all() and distance["value"].between(0, 1).all()
    assert read_provenance(tmp_path / "out" / "control.parquet")["by"] == by
    assert len(list((tmp_path / "out" / "pictures").glob("*.png"))) == 1


def test_models_that_cannot_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    micro_model().save_pretrained(tmp_path / "weights")
    assert main(words(tmp_path)) == 1
    assert "has no actions" in capsys.readouterr().err
    world_action_model().save_pretrained(tmp_path / "weights")
    assert main(words(tmp_path)) == 1
    assert "latent actions are not trained" in capsys.readouterr().err
    assert main(words(tmp_path, "held_out=town_train")) == 2
    assert "nothing is held out" in capsys.readouterr().err


def trajectories(folder: Path, poses: Any) -> Path:
    table = pd.DataFrame({"token": ["a"], "poses": [poses]})
    table.to_parquet(folder / "trajectories.parquet")
    return folder / "trajectories.parquet"


def test_plans_are_read_at_their_own_rate(tmp_path: Path) -> None:
    config = world_action_config()
    coarse = np.arange(24, dtype=np.float32)
    found = read_plan(trajectories(tmp_path, coarse), "a", config, 2.0)
    assert found.tolist() == coarse.reshape(8, 3).tolist()
    fine = np.arange(120, dtype=np.float32).reshape(40, 3)
    assert read_plan(trajectories(tmp_path, fine.ravel()), "a", config, 2.0)[:, 0].tolist() == [
        fine[4 + 5 * k, 0] for k in range(8)
    ]
    assert plan_digest(found) != plan_digest(found + 1)
    with pytest.raises(DataError, match="has no scene b"):
        read_plan(tmp_path / "trajectories.parquet", "b", config, 2.0)
    bad = trajectories(tmp_path, np.full(24, np.nan, dtype=np.float32))
    with pytest.raises(DataError, match="no x, y, heading"):
        read_plan(bad, "a", config, 2.0)
    with pytest.raises(UsageError, match="has no actions"):
        read_plan(bad, "a", micro_config(), 2.0)
    with pytest.raises(UsageError, match=r"frames lie 0.125 s apart, poses 0.5 s"):
        read_plan(bad, "a", config, 8.0)


def test_a_plan_is_of_a_scene(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = trajectories(tmp_path, np.zeros(24, dtype=np.float32))
    clip = tmp_path / "clip.npy"
    np.save(clip, np.zeros((12, 3, 8, 8), dtype=np.uint8))
    assert main(["video", "generate", f"clip={clip}", f"plan={plan}"]) == 2
    assert "plan= is of token=" in capsys.readouterr().err


def test_noise_is_of_the_scene_whatever_the_batch() -> None:
    model, (features, targets) = stirred(), batch(3)
    past, plans = model.encode(features["images"]), targets["trajectory"]
    whole = by_video(model, PLAIN)(past, plans, 0)
    last = by_video(model, PLAIN)(past[2:], plans[2:], 2)
    torch.testing.assert_close(whole[2:], last, atol=1e-5, rtol=1e-5)
