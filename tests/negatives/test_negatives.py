"""Candidates, the nearest unsafe one, the pool and its two formats."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from reworld_agent.cli.main import main
from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.negatives.beyonddrive import MATRIX, export_pool, import_pool
from reworld_agent.negatives.generator import generate
from reworld_agent.negatives.pool import read_pool, write_pool
from reworld_agent.negatives.selection import nearest_unsafe
from reworld_agent.negatives.settings import CandidateSettings, NegativeSettings
from reworld_agent.negatives.targets import NegativeTargets
from reworld_agent.planner.sampler import sample_plan
from tests.model.micro import batch, micro_model
from tests.model.test_model import moving_model

TOKENS = ["a", "b", "c"]


def test_candidates_depend_on_their_token_alone() -> None:
    model, (features, _) = moving_model(), batch(3)
    settings = CandidateSettings(count=5)
    together = generate(model, features, TOKENS, settings)
    assert together.shape == (3, 5, 8, 3)
    one = {key: value[1:2] for key, value in features.items()}
    alone = generate(model, one, ["b"], settings)
    torch.testing.assert_close(alone[0], together[1], rtol=1e-4, atol=1e-4)
    other = generate(model, one, ["z"], settings)
    assert (other - alone).abs().max() > 0.1


def test_more_noise_spreads_candidates() -> None:
    model, (features, _) = moving_model(), batch(3)
    spread = [
        float(generate(model, features, TOKENS, CandidateSettings(noise_scale=s)).std(1).mean())
        for s in (0.1, 0.2, 0.4)
    ]
    assert spread[0] < spread[1] < spread[2]


def test_without_guidance_and_extra_noise_candidates_are_plans() -> None:
    model, (features, _) = moving_model(), batch(2)
    settings = CandidateSettings(count=1, cfg=1.0, noise_scale=0.2)
    found = generate(model, features, TOKENS[:2], settings)
    history = model.encode(features["images"])
    memory = model.action_dit.cache(model.video_states(history, model.future_noise(2)))
    from reworld_agent.negatives.generator import token_noise

    noise = torch.cat([token_noise(token, settings, 8) for token in TOKENS[:2]])
    config = type(model.config.planner)(
        **{**vars(model.config.planner), "sigmas": "uniform", "steps": 5}
    )
    expected = sample_plan(model.action_dit, memory, features["ego"], noise, config)
    torch.testing.assert_close(found[:, 0], model.normaliser.denormalise(expected))


def test_zero_guidance_forgets_the_scene() -> None:
    model, (features, _) = micro_model().eval(), batch(2)
    torch.nn.init.normal_(model.action_dit.proj_out.weight, std=0.3)
    settings = CandidateSettings(count=3, cfg=0.0)
    same = generate(model, features, ["a", "a"], settings)
    torch.testing.assert_close(same[0], same[1])


EXPERT = np.zeros((8, 3))


def shifted(x: float, y: float, heading: float) -> np.ndarray:
    """The expert, every pose moved."""
    return EXPERT + np.array([x, y, heading])


def test_nearest_of_the_unsafe_in_both_spaces() -> None:
    candidates = np.stack(
        [shifted(0.1, 0, 0), shifted(3, 0, 0), shifted(0, 2.5, 0), shifted(9, 0, 0)]
    )
    scores = np.array([0.9, 0.1, 0.59, 0.0])
    # 3 m ahead is 0.09 of DriveLaW's half range, 2.5 m aside 0.12 of its
    assert nearest_unsafe(candidates, scores, EXPERT, NegativeSettings()) == 1
    assert nearest_unsafe(candidates, scores, EXPERT, NegativeSettings(space="raw")) == 2
    assert nearest_unsafe(candidates, scores, EXPERT, NegativeSettings(delta=0.05)) == 3


def test_no_unsafe_candidate_and_unscored_ones() -> None:
    candidates = np.stack([shifted(1, 0, 0), shifted(2, 0, 0)])
    safe = np.array([0.6, np.nan])
    assert nearest_unsafe(candidates, safe, EXPERT, NegativeSettings()) is None
    with pytest.raises(DataError, match="candidates of 1 poses, the expert has"):
        nearest_unsafe(candidates[:, :1], np.zeros(2), EXPERT, NegativeSettings())


@pytest.mark.parametrize("bad", [{"delta": 0.0}, {"delta": 2.0}, {"space": "polar"}])
def test_selection_mistakes_are_named(bad: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        NegativeSettings(**bad)


@pytest.mark.parametrize("bad", [{"count": 0}, {"noise_scale": -1.0}, {"steps": 0}])
def test_candidate_mistakes_are_named(bad: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        CandidateSettings(**bad)


def rows() -> pd.DataFrame:
    """A pool of two scenes with three candidates."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.random((6, len(MATRIX))), columns=list(MATRIX))
    table["score"] = [0.9, 0.2, 0.3, 0.7, 0.8, 1.0]
    table.insert(0, "token", ["a"] * 3 + ["b"] * 3)
    table.insert(1, "candidate", ["0", "1", "2"] * 2)
    table.insert(2, "poses", list(rng.normal(size=(6, 24))))
    return table


def test_pool_file_gives_back_candidates_and_provenance(tmp_path: Path) -> None:
    table = rows()
    write_pool(tmp_path / "pool.parquet", table, {"split": "town_train", "agent": "reworld"})
    pool = read_pool(tmp_path / "pool.parquet", "town_train")
    assert pool.provenance["agent"] == "reworld"
    assert pool.poses["b"].shape == (3, 8, 3) and pool.scores["a"].tolist() == [0.9, 0.2, 0.3]
    targets = NegativeTargets(pool, NegativeSettings())
    found = {token: targets.nearest(token, EXPERT) for token in ("a", "b", "absent")}
    assert found["b"] is None and found["absent"] is None and found["a"] is not None
    near = min((1, 2), key=lambda i: nearness(table["poses"][i]))
    np.testing.assert_allclose(found["a"].ravel(), table["poses"][near], rtol=1e-6)
    assert targets.summary() == "1 of 3 scenes have a hard negative, 1 are not in the pool"
    empty = targets.targets("b", EXPERT)
    assert not empty["hard_negative_valid"] and empty["hard_negative"].shape == (8, 3)


def nearness(poses: np.ndarray) -> float:
    """Distance to the expert at the origin, as the paper's second version measures it."""
    scaled = poses.reshape(8, 3) / np.array([33.37, 21.0, 1.765])
    return float((scaled**2).sum())


def test_pools_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "pool.parquet"
    with pytest.raises(DataError, match="missing"):
        read_pool(file)
    write_pool(file, rows(), {"split": "town_train"})
    with pytest.raises(DataError, match="a pool of the split town_train, not of trainval"):
        read_pool(file, "trainval")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(DataError, match="cannot be read as a table"):
        read_pool(file)
    write_pool(file, rows().drop(columns="score"), {})
    with pytest.raises(DataError, match="no column score"):
        read_pool(file)


def test_no_pool_is_said_and_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = NegativeSettings(space="raw")
    assert NegativeTargets.open(settings, "town_train").nearest("a", EXPERT) is None
    absent = settings.replaced(pool=tmp_path / "nowhere.parquet")
    assert NegativeTargets.open(absent, "town_train").nearest("a", EXPERT) is None
    assert "no pool of hard negatives" in caplog.text and "nowhere.parquet" in caplog.text


def test_another_pool_or_selection_is_another_cache_of_targets(tmp_path: Path) -> None:
    write_pool(tmp_path / "pool.parquet", rows(), {"split": "town_train"})
    settings = NegativeSettings(pool=tmp_path / "pool.parquet", space="raw")
    first = NegativeTargets.open(settings, "town_train").identity
    assert first == NegativeTargets.open(settings, None).identity
    assert first != NegativeTargets.open(settings.replaced(delta=0.5), None).identity
    write_pool(tmp_path / "pool.parquet", rows().iloc[:3], {"split": "town_train"})
    assert first != NegativeTargets.open(settings, None).identity
    with pytest.raises(DataError, match="not of trainval"):
        NegativeTargets.open(settings, "trainval")


def test_beyonddrive_round_trip(tmp_path: Path) -> None:
    table = rows()
    assert export_pool(table, tmp_path / "bd") == 2
    scene = pickle.loads((tmp_path / "bd" / "a.pkl").read_bytes())
    assert scene["pred_trajectorys"].shape == (3, 8, 3)
    assert scene["pdm_score_matrix"].shape == (3, 7)
    np.testing.assert_allclose(scene["pdm_score_matrix"][:, -1], [0.9, 0.2, 0.3], rtol=1e-6)
    again = import_pool(tmp_path / "bd")
    np.testing.assert_allclose(
        np.stack(again["poses"].tolist()), np.stack(table["poses"].tolist()), rtol=1e-6
    )
    np.testing.assert_allclose(again[list(MATRIX)], table[list(MATRIX)], rtol=1e-6)


def test_tokens_choose_no_path(tmp_path: Path) -> None:
    tokens = ["../x", "/abs", "a\0b", "", "A", "a"]
    table = pd.concat([rows().assign(token=token) for token in tokens], ignore_index=True)
    assert export_pool(table, tmp_path / "deep" / "bd") == len(tokens)
    assert {path.parent.name for path in tmp_path.rglob("*.pkl")} == {"bd"}
    assert {str(token) for token in import_pool(tmp_path / "deep" / "bd")["token"]} == set(tokens)


class Hostile:
    """Runs a command when unpickled."""

    def __reduce__(self) -> tuple:
        return os.mkdir, ("harm",)


def test_a_folder_of_pickles_serves_training_and_converts_both_ways(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, folder, again = (tmp_path / name for name in ("pool.parquet", "pkl", "again.parquet"))
    write_pool(file, rows(), {"split": "town_train", "agent": "reworld"})
    assert main(["pool", "convert", f"input={file}", f"output={folder}"]) == 0
    assert main(["pool", "convert", f"input={folder}", f"output={again}", "split=town_train"]) == 0
    assert "2 scenes" in capsys.readouterr().out
    found = []
    for pool in (file, folder, again):
        targets = NegativeTargets.open(NegativeSettings(pool=pool, space="raw"), None)
        negative = targets.nearest("a", EXPERT)
        assert negative is not None
        found.append(negative)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-6)
    assert read_pool(again, "town_train").provenance["source"] == str(folder)
    capsys.readouterr()
    for words, said in (
        ([f"input={folder}", f"output={tmp_path / 'x.parquet'}"], "add data_split=NAME"),
        ([f"input={tmp_path / 'none'}", f"output={folder}"], "no such file or folder"),
        ([f"input={file}", f"output={file}"], "would overwrite the input"),
        ([f"input={folder}", f"output={folder}", "data_split=x"], "would overwrite the input"),
        ([f"input={file}", f"output={again}"], "is a file, not a folder"),
    ):
        assert main(["pool", "convert", *words]) == 2
        error = capsys.readouterr().err.splitlines()
        assert len(error) == 2 and said in error[0] + error[1]


def test_beyonddrive_bad_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="holds no pickle"):
        import_pool(tmp_path)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"pred_trajectorys": Hostile()}))
    with pytest.raises(DataError, match=r"a\.pkl"):
        import_pool(tmp_path)
    assert not (tmp_path / "harm").exists()
    wrong = {"token": "a", "pred_trajectorys": np.zeros((3, 8, 2)), "pdm_score_matrix": np.zeros(3)}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(wrong))
    with pytest.raises(DataError, match="another shape"):
        import_pool(tmp_path)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"token": "a"}))
    with pytest.raises(DataError, match="no scene of a pool"):
        import_pool(tmp_path)
