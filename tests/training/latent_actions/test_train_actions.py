"""`reworld video train-actions`: pairs and motion of scenes, figures, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from reworld_agent.cli.main import main
from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.core.provenance import weights_hash
from reworld_agent.core.result_tables import read_provenance
from reworld_agent.generation.plans import require_rate
from reworld_agent.model import ReWorldModel
from reworld_agent.training.datasets.scene_arrays import SceneArrays
from reworld_agent.training.latent_actions import pairs, probe, run
from reworld_agent.training.latent_actions.pairs import scene_pairs
from reworld_agent.training.latent_actions.settings import ActionTrainSettings
from reworld_agent.video.latent_actions import load_latent_actions, plan_motion
from tests.model.micro import micro_model
from tests.model.world_action import world_action_model

SCENES = 24


def measured() -> ReWorldModel:
    model = micro_model()
    model.codec.latents_std.mul_(2.0)
    return model


def arrays(seed: int = 0) -> SceneArrays:
    """Scenes whose frames are noise, and whose ego drives ahead and turns."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 255, (SCENES * 12, 3, 32, 48), dtype=np.uint8)
    index = np.arange(SCENES * 12, dtype=np.int32).reshape(SCENES, 12)
    time = np.arange(1, 9) * 0.5
    speed, turn = rng.uniform(1, 9, (SCENES, 1)), rng.uniform(-0.2, 0.2, (SCENES, 1))
    poses = np.stack([speed * time, 0 * speed * time, turn * time], axis=-1).astype(np.float32)
    names = [f"scene{number}" for number in range(SCENES)]
    logs = [f"log{number % 6}" for number in range(SCENES)]
    return SceneArrays(frames, index, np.zeros((SCENES, 8), np.float32), poses, names, logs)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    measured().save_pretrained(tmp_path / "weights")

    def opened(settings: ActionTrainSettings, model: ReWorldModel) -> Any:
        return scene_pairs(model, arrays(0)), scene_pairs(model, arrays(1))

    monkeypatch.setattr(run, "open_pairs", opened)
    return tmp_path / "weights"


SHORT = ["steps=3", "seeds=2", "probe_steps=3", "hidden=8", "probe_hidden=8"]


def words(weights: Path, *more: str) -> list[str]:
    folders = [f"checkpoint_path={weights}", f"output_dir={weights.parent / 'out'}"]
    return ["video", "train-actions", *folders, *more]


def test_the_command_writes_actions_and_figures(
    weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(weights, *SHORT)) == 0
    said = capsys.readouterr().out
    assert "predicted / copy" in said and "share of the supervised" in said
    codec = ReWorldModel.from_pretrained(weights).codec
    found = load_latent_actions(weights.parent / "out" / "actions", codec)
    assert (found.tokens, found.channels) == (6, 12)
    table = pd.read_parquet(weights.parent / "out" / "actions.parquet")
    assert set(table["seed"]) == {0, 1}
    errors = table[table["target"] == ""]
    assert (
        set(errors["quantity"]) == {*run.ERRORS, "r2_adapter"}
        and np.isfinite(errors["value"]).all()
    )
    of_motion = table[table["target"] != ""]
    assert len(of_motion) == 2 * 3 * 6 and np.isfinite(of_motion["value"]).all()
    beyond = of_motion[of_motion["quantity"] == "r2_increment"]
    assert len(beyond) == 6 and (beyond["low"] <= beyond["high"]).all()
    origin = read_provenance(weights.parent / "out" / "actions.parquet")
    assert origin["codec_sha256"] == weights_hash(codec) and origin["pairs"] == [48, 48]
    assert origin["weights_sha256"] == weights_hash(found)


def test_a_model_with_actions_gets_them(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = world_action_model()
    model.save_pretrained(weights)
    assert main(words(weights, "actions=3", *SHORT)) == 2
    assert "the model has actions.numbers = 4, not 3" in capsys.readouterr().err
    assert main(words(weights, *SHORT[:3])) == 0
    made = ReWorldModel.from_pretrained(weights.parent / "out" / "weights")
    assert made.latent_actions is not None
    made.latent_actions.require_codec(made.codec)
    alone = load_latent_actions(weights.parent / "out" / "actions", made.codec)
    assert weights_hash(alone) == weights_hash(made.latent_actions)
    assert not torch.equal(alone.adapter, torch.zeros_like(alone.adapter))


def test_pairs_are_the_latents_of_one_causal_clip() -> None:
    model, scenes = measured(), arrays()
    found = scene_pairs(model, scenes)
    pixels = torch.from_numpy(scenes.frames[scenes.frame_index[5, 3:]]).float() / 127.5 - 1
    latents = model.codec.encode(pixels.transpose(0, 1)[None]).latent_dist.mode()
    assert found.first.shape == (2 * SCENES, 6, 12)
    torch.testing.assert_close(found.first[10], latents[0, :, 0].flatten(1).T)
    torch.testing.assert_close(found.second[10], latents[0, :, 1].flatten(1).T)
    torch.testing.assert_close(found.first[11], found.second[10])
    assert found.groups[10] == found.groups[11] == "log5"


def test_motion_is_seen_from_the_first_of_both_latents() -> None:
    """Poses as complex numbers on a circle: each step is the same, wherever it begins."""
    turn = 0.1 * np.arange(1, 9)
    place = 10 * (np.exp(1j * turn) - 1) / 1j
    poses = torch.tensor(np.stack([place.real, place.imag, turn], axis=-1)[None])
    found = plan_motion(poses, 2, 4)
    step = 10 * (np.exp(0.2j) - 1) / 1j
    np.testing.assert_allclose(found[0], [[step.real, step.imag, 0.2]] * 4, atol=1e-12)
    wrapped = torch.tensor([[[0, 0, 3.1], [0, 0, -3.1]]])
    assert float(plan_motion(wrapped, 1, 2)[0, 1, 2]) == pytest.approx(2 * np.pi - 6.2, abs=1e-5)
    with pytest.raises(DataError, match="trajectories of 8 poses beside 12"):
        plan_motion(poses, 4, 3)


def test_other_rates_are_refused() -> None:
    require_rate(0.5, 0.5)
    with pytest.raises(ConfigError, match=r"frames lie 0.125 s apart, poses 0.5 s"):
        require_rate(0.125, 0.5)


def test_an_untrained_codec_is_refused(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    micro_model().save_pretrained(tmp_path / "plain")
    assert main(words(tmp_path / "plain")) == 1
    assert "codec.kind=patch_pca) is not trained" in capsys.readouterr().err
    assert main(words(tmp_path / "nowhere")) == 2
    assert "no such folder" in capsys.readouterr().err
    assert main(words(weights, "held_out=town_train")) == 2
    assert "nothing is held out" in capsys.readouterr().err


def test_increment_is_a_difference_of_r_squared() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(200, 1))
    better, worse = truth + 0.1 * rng.normal(size=(200, 1)), 0 * truth + truth.mean()
    both = np.concatenate([better, worse], axis=1)
    assert probe.increment(truth, both) == pytest.approx(0.99, abs=0.01)


def test_the_verdict_is_of_means_over_seeds(tmp_path: Path) -> None:
    rows = []
    for seed, predicted in ((0, 0.5), (1, 0.7)):
        values = {"copy": 1.0, "predicted": predicted, "shuffled": 0.95, "zero": 0.7}
        values |= {"transport": 0.8, "residual": 0.9}
        rows += [(seed, name, "", value, None, None) for name, value in values.items()]
        for target in pairs.TARGETS:
            more = {"r2_increment": 0.2 * seed, "r2_supervised": 0.5, "r2_latent_action": 0.25}
            rows += [(seed, name, target, value, None, None) for name, value in more.items()]
    columns = ["seed", "quantity", "target", "value", "low", "high"]
    found = run.TrainedActions(tmp_path, pd.DataFrame(rows, columns=columns))
    assert [passed for _, passed in found.verdict()] == [True, True, False, True, True, True]
    assert "predicted / copy = 0.600, at most 0.65" in found.text()
    assert "share of the supervised R² of dx: 0.50" in found.text()
