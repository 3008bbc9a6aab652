"""`reworld video gate`: verdicts, the record beside the weights, the tables that show it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from reworld_agent.cli.main import main
from reworld_agent.core.errors import DataError, WeightsError
from reworld_agent.core.provenance import provenance
from reworld_agent.core.result_tables import read_provenance
from reworld_agent.model import ReWorldModel
from reworld_agent.model.gate_record import NOT_JUDGED, read_verdict, write_verdict
from reworld_agent.training.datasets.scene_arrays import SceneArrays, SceneDataset
from reworld_agent.training.gate import planner, run
from reworld_agent.training.gate.planner import PlanQuality, mean_states, partners
from reworld_agent.training.gate.velocity import Velocity, VelocityError
from reworld_agent.training.gate.verdict import Gate, rows_of, verdict_of
from tests.model.micro import micro_model

SCENES = 6


def scenes(model: ReWorldModel, seed: int) -> SceneDataset:
    """Scenes of three logs, of smooth random frames."""
    clip, rng = model.config.clip, np.random.default_rng(seed)
    count = clip.history_frames + clip.future_frames
    coarse = rng.integers(0, 255, (SCENES, count, 3, 2, 2))
    scale = (1, 1, 1, clip.height // 2, clip.width // 2)
    frames = np.kron(coarse, np.ones(scale)).astype(np.uint8)
    return SceneDataset(
        SceneArrays(
            frames.reshape(-1, *frames.shape[2:]),
            np.arange(SCENES * count, dtype=np.int32).reshape(SCENES, count),
            rng.normal(size=(SCENES, 8)).astype(np.float32),
            rng.normal(size=(SCENES, 8, 3)).astype(np.float32),
            tokens=[f"s{k}" for k in range(SCENES)],
            logs=["a", "a", "b", "b", "c", "c"],
        ),
        clip.history_frames,
    )


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of random weights that say they have passed all stages; scenes of random frames."""
    model = micro_model()
    model.history = ["statistics", "1", "planner"]
    model.save_pretrained(tmp_path / "run" / "weights")
    splits = {"town_train": 0, "town_val": 1}
    monkeypatch.setattr(
        run, "_scenes", lambda settings, config, split, count: scenes(model, splits[split])
    )
    return tmp_path / "run" / "weights"


def gate(weights: Path, *more: str) -> int:
    output = f"output={weights.parents[1] / 'gate'}"
    return main(["video", "gate", f"checkpoint_path={weights}", output, *more])


def test_random_weights_fail_and_are_told_by_line(
    weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate(weights, "planner=false") == 1
    said = capsys.readouterr().out
    assert "gate, raw weights: failed: velocity at t = 0.1" in said
    assert "slope at t = 1 (" in said and "planner: not judged" in said
    table = pd.read_parquet(weights.parents[1] / "gate.parquet")
    errors = table[table["quantity"] == "velocity_error"]
    assert list(errors["of"]) == ["0.1", "0.3", "0.5", "0.7", "0.9", "1"]
    assert (errors["bound"] == errors["last_latent"]).all()
    origin = read_provenance(weights.parents[1] / "gate.parquet")
    assert origin["gate"].startswith("failed: ") and len(origin["weights_sha256"]) == 64
    assert (weights.parents[1] / "gate.csv").is_file()


def test_verdict_lies_with_the_weights_and_in_their_tables(weights: Path) -> None:
    assert ReWorldModel.from_pretrained(weights).gate == NOT_JUDGED
    gate(weights, "planner=false")
    loaded = ReWorldModel.from_pretrained(weights)
    assert loaded.gate == read_verdict(weights) and loaded.gate.startswith("failed: ")
    agent = SimpleNamespace(gate=loaded.gate)
    assert provenance("ours", agent, "town_val", 2, "pdms_v1")["gate"] == loaded.gate
    assert "gate" not in provenance("human", SimpleNamespace(), "town_val", 2, "pdms_v1")
    card = (weights / "README.md").read_text().splitlines()
    assert sum(line.startswith("Gate: failed") for line in card) == 1
    gate(weights, "planner=false")
    assert (weights / "README.md").read_text().splitlines() == card


def test_verdict_stands_for_these_very_weights_alone(weights: Path) -> None:
    write_verdict(weights, "passed", "town_val", 3, "0")
    assert read_verdict(weights) == "passed"
    other = micro_model()
    other.history = ["statistics"]
    other.save_pretrained(weights)
    assert read_verdict(weights) == NOT_JUDGED
    (weights / "gate.json").write_text(json.dumps({"verdict": 3}))
    with pytest.raises(WeightsError, match=r"gate\.json"):
        read_verdict(weights)


def test_nothing_is_recorded_where_that_is_not_wanted(weights: Path) -> None:
    gate(weights, "planner=false", "record=false")
    assert not (weights / "gate.json").exists()


def test_averaged_weights_beside_are_judged_too(weights: Path) -> None:
    model = ReWorldModel.from_pretrained(weights)
    with torch.no_grad():
        for parameter in model.video_dit.parameters():
            parameter.mul_(0.5)
    model.save_pretrained(weights.parent / "weights_ema")
    gate(weights, "planner=false")
    table = pd.read_parquet(weights.parents[1] / "gate.parquet")
    assert list(table["weights"].unique()) == ["raw", "ema"]
    raw, ema = (table[table["weights"] == name]["value"].to_numpy() for name in ("raw", "ema"))
    assert not np.allclose(raw, ema)
    assert (weights.parent / "weights_ema" / "gate.json").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["split=town_train"], "nothing is held out"),
        (["split=nowhere"], "the split 'nowhere' is not embedded"),
        (["clips=1"], "clips=1 must be an integer of at least 2"),
    ],
)
def test_bad_words_end_with_two_lines(
    weights: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate(weights, *words) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert message in lines[0] and lines[1].strip().startswith("next: ")


def test_untrained_planner_is_not_judged_unasked(
    weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ReWorldModel.from_pretrained(weights)
    model.history = ["statistics", "1"]
    model.save_pretrained(weights)
    assert gate(weights) == 1
    assert "planner=false" in capsys.readouterr().err


def test_every_scene_gets_another_logs_states() -> None:
    logs = ["a", "a", "a", "b", "c", "c"]
    found = partners(logs)
    assert all(logs[k] != logs[other] for k, other in enumerate(found))
    with pytest.raises(DataError, match="of one log"):
        partners(["a", "a"])


def test_plans_are_made_from_the_states_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    model = micro_model().eval()
    data = scenes(model, 3)
    mean = mean_states(model, data)
    found: dict[str, Any] = {}

    def keep(plans: pd.DataFrame, losses: Any, *rest: Any) -> list[PlanQuality]:
        found.update(plans=plans, losses=losses)
        return []

    monkeypatch.setattr(planner, "_qualities", keep)
    planner.judge_planner(model, data, mean, SimpleNamespace(), seed=1)  # type: ignore[arg-type]
    plans = found["plans"].set_index(["token", "candidate"])["poses"]
    others = partners(data.arrays.logs)

    def planned(states: torch.Tensor, number: int) -> np.ndarray:
        ego = torch.from_numpy(data.arrays.ego[number])[None]
        return model.plan({"states": states, "ego": ego})[0].numpy().ravel()

    for number in range(SCENES):
        own, other = (
            torch.stack(model.planning_states({"images": data[k][0]["images"][None]}), dim=1)
            for k in (number, others[number])
        )
        wanted = {"own": own, "other": other, "mean": mean[None], "blank": torch.zeros_like(own)}
        for kind, states in wanted.items():
            got = plans[(f"s{number}", kind)]
            np.testing.assert_allclose(got, planned(states, number), rtol=1e-4, atol=1e-4)
    assert {kind: len(values) for kind, values in found["losses"].items()} == dict.fromkeys(
        ("own", "other", "mean", "blank"), SCENES
    )


def _velocity(model: float = 1.0, slope: float = 0.97) -> Velocity:
    return Velocity((VelocityError(1.0, model, 2.0, 1.3, 1.1),), slope)


def _plans(other: float) -> list[PlanQuality]:
    scores = {"own": 0.9, "other": other, "mean": 0.8, "blank": 0.5}
    return [PlanQuality(kind, pdms, 1.0, 0.1) for kind, pdms in scores.items()]


@pytest.mark.parametrize(
    ("velocity", "plans", "verdict"),
    [
        (_velocity(), _plans(0.74), "passed"),
        (_velocity(), None, "video half passed"),
        (_velocity(1.2), _plans(0.74), "failed: velocity at t = 1 (1.200, floor 1.100)"),
        (_velocity(slope=0.9), None, "failed: slope at t = 1 (0.900, least 0.950)"),
        (
            _velocity(),
            _plans(0.76),
            "failed: PDMS that another scene's states cost beside the mean state's "
            "(0.040, least 0.050)",
        ),
    ],
)
def test_each_line_can_fail(
    velocity: Velocity, plans: list[PlanQuality] | None, verdict: str
) -> None:
    rows = rows_of("raw", velocity, plans)
    assert verdict_of(rows) == verdict
    told = Gate(pd.DataFrame(rows), {"raw": verdict}, {})
    assert verdict in told.text() and told.passed == (not verdict.startswith("failed"))


@pytest.mark.slow  # plans and scores scenes of the town
def test_shipped_weights_are_judged_on_the_town(tmp_path: Path) -> None:
    settings = run.GateSettings(clips=8, fit_clips=8, output=tmp_path / "gate")
    table = run.judge(settings).table.set_index(["quantity", "of"])["value"]
    assert 0 <= table["pdms", "other"] <= 1 and table["slope", "1"] < 0.95


def test_a_card_of_other_bytes_keeps_what_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(b"# A card\xff\nGate: of before\n")
    (tmp_path / "checksums.json").write_text("{}")
    write_verdict(tmp_path, "passed", "town_val", 9, "0")
    lines = (tmp_path / "README.md").read_text(encoding="utf-8").splitlines()
    assert lines == ["# A card\N{REPLACEMENT CHARACTER}", "Gate: passed (town_val, 9 scenes)"]
