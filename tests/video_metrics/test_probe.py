"""Linear probes against closed forms, torchmetrics and scenes drawn by hand."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pandas as pd
import pytest
import torch
from torchmetrics.functional import r2_score
from torchmetrics.functional.classification import binary_auroc

import reworld_agent
from reworld_agent.cli.main import main
from reworld_agent.core.errors import DataError
from reworld_agent.core.result_tables import read_provenance
from reworld_agent.model import ReWorldModel
from reworld_agent.video_metrics.probe import Probe, fit
from reworld_agent.video_metrics.probe.attributes import (
    acceleration,
    curvature,
    lead_distance,
)
from reworld_agent.video_metrics.probe.linear import (
    area_under_curve,
    choose,
    interval,
    logistic,
    one_hot,
    r_squared,
    ridge,
)
from reworld_agent.video_metrics.probe.samples import Samples, scene_samples, ucf_samples
from reworld_agent.video_metrics.records import Records

TINY = Path(reworld_agent.__file__).parent / "weights" / "tiny"


def _data(n: int = 300, d: int = 7, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * np.arange(1, d + 1) + 5
    return x, x @ rng.normal(size=(d, 2)) + rng.normal(size=(n, 2)) + 3


def test_ridge_is_least_squares_with_extra_rows() -> None:
    x, y = _data()
    z, centred = (x - x.mean(axis=0)) / x.std(axis=0), y - y.mean(axis=0)
    extra = np.vstack([z, math.sqrt(0.3 * len(x)) * np.eye(z.shape[1])])
    wanted = np.linalg.lstsq(extra, np.vstack([centred, np.zeros((z.shape[1], 2))]))[0]
    found = ridge(x, y, 0.3)
    np.testing.assert_allclose(found.weight, wanted, rtol=1e-9)
    np.testing.assert_allclose(found(x), z @ wanted + y.mean(axis=0), rtol=1e-9)


def test_logistic_is_at_the_minimum_that_autograd_sees() -> None:
    x, y = _data()
    targets = one_hot((y[:, 0] > y[:, 0].mean()).astype(int) + (y[:, 1] > 20), 3)
    found = logistic(x, targets, 0.05)
    weight = torch.tensor(found.weight, requires_grad=True)
    bias = torch.tensor(found.bias, requires_grad=True)
    z = torch.from_numpy((x - found.centre) / found.scale)
    loss = torch.nn.functional.cross_entropy(z @ weight + bias, torch.from_numpy(targets))
    (loss + 0.025 * weight.square().sum()).backward()
    assert weight.grad is not None
    assert bias.grad is not None
    assert weight.grad.abs().max() < 1e-4
    assert bias.grad.abs().max() < 1e-4


def test_a_class_that_is_not_learned_is_never_the_answer() -> None:
    x, y = _data()
    labels = 2 * (y[:, 0] > y[:, 0].mean())  # of 0, 1, 2 the middle one never comes
    outputs = logistic(x, one_hot(labels, 3), 0.05)(x)
    assert set(outputs.argmax(axis=1)) == {0, 2}
    alone = logistic(x, one_hot(np.zeros(len(x), dtype=int), 2), 0.05)(x)
    assert area_under_curve(one_hot(labels // 2, 2), alone) == 0.5


def test_scores_equal_torchmetrics() -> None:
    rng = np.random.default_rng(0)
    truth, guess = rng.integers(0, 2, 200), rng.integers(-8, 9, (200, 2)) / 8  # with ties
    wanted = binary_auroc(
        torch.from_numpy(guess[:, 1] - guess[:, 0]).sigmoid(), torch.tensor(truth)
    )
    assert area_under_curve(one_hot(truth, 2), guess) == pytest.approx(float(wanted), abs=1e-6)
    x, y = rng.normal(size=(2, 50, 1))
    wanted = r2_score(torch.from_numpy(x[:, 0]), torch.from_numpy(y[:, 0]))
    assert r_squared(y, x) == pytest.approx(float(wanted), rel=1e-9)
    assert math.isnan(area_under_curve(one_hot(np.ones(5, dtype=int), 2), guess[:5]))


def test_penalty_is_chosen_on_other_groups() -> None:
    rng = np.random.default_rng(1)
    x, groups = rng.normal(size=(60, 100)), np.array([f"log{k % 6}" for k in range(60)])
    y = x[:, :1] + rng.normal(size=(60, 1))
    assert choose(ridge, r_squared, x, y, groups).penalty > 1e-2
    with pytest.raises(DataError, match="two logs"):
        choose(ridge, r_squared, x, y, np.full(60, "log"))
    x[0, 0] = np.nan
    with pytest.raises(DataError, match="NaN"):
        choose(ridge, r_squared, x, y, groups)
    low, high = interval(r_squared, y, y + 0.1 * rng.normal(size=y.shape), groups)
    assert 0.9 < low < high < 1


def _arc(radius: float, speeds: list[float]) -> np.ndarray:
    angle = np.cumsum(np.array(speeds) * 0.5) / radius
    return np.stack([radius * np.sin(angle), radius * (1 - np.cos(angle)), angle], axis=1)


def test_attributes_of_an_arc() -> None:
    assert curvature(_arc(50.0, [10.0] * 4)) == pytest.approx(1 / 50, rel=1e-3)
    assert curvature(_arc(-50.0, [10.0] * 4)) == pytest.approx(-1 / 50, rel=1e-3)
    assert math.isnan(curvature(_arc(50.0, [1.0] * 4)))
    straight = _arc(1e9, [9.5, 8.5, 7.5, 6.5])  # from 10 m/s at -2 m/s²: means over half seconds
    assert acceleration(10.0, straight) == pytest.approx(-2.0, abs=1e-6)


def _boxes(rows: list[tuple[str, float, float]]) -> SimpleNamespace:
    boxes = np.array([[x, y, 0, 4, 2, 2, 0] for _, x, y in rows], dtype=np.float64)
    return SimpleNamespace(boxes=boxes.reshape(-1, 7), names=[name for name, _, _ in rows])


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([("vehicle", 20, 0), ("vehicle", 12, 0.5), ("vehicle", -5, 0)], math.hypot(12, 0.5)),
        ([("vehicle", 20, 3), ("pedestrian", 8, 0), ("vehicle", 45, 0)], math.nan),
        ([], math.nan),
    ],
)
def test_lead_on_a_straight_road(rows: list[tuple[str, float, float]], wanted: float) -> None:
    found = lead_distance(_boxes(rows), _arc(1e9, [10.0] * 4))
    assert found == pytest.approx(wanted, nan_ok=True)


def test_lead_is_looked_for_along_the_bend() -> None:
    path = _arc(50.0, [10.0] * 4)
    on_path = _boxes([("vehicle", *path[3, :2])])
    assert math.isfinite(lead_distance(on_path, path))
    assert math.isnan(lead_distance(on_path, _arc(1e9, [10.0] * 4)))


def test_states_of_scenes_and_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ReWorldModel.from_pretrained(TINY).eval()
    records = Records(tmp_path)
    found = scene_samples(model, "town_test", 5, records, "tiny", batch=3)
    assert len(found) == 5
    widths = [model.config.codec.latent_channels] + [96] * 4
    assert [states.shape for states in found.states] == [(5, width) for width in widths]
    monkeypatch.setattr(
        "reworld_agent.video_metrics.probe.samples.planning_states",
        lambda *_: pytest.fail("computed again"),
    )
    again = scene_samples(model, "town_test", 5, records, "tiny", batch=3)
    np.testing.assert_array_equal(again.states[2], found.states[2])


def _known_samples(seed: int) -> Samples:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(120, 5))
    labels = {
        "curvature": np.where(rng.random(120) < 0.3, np.nan, x[:, 0] + 0.01 * rng.normal(size=120)),
        "braking": (x[:, 1] > 0).astype(float),
        "lead_distance": np.full(120, np.nan),
    }
    groups = np.array([f"log{k // 10}" for k in range(120)])
    return Samples([rng.normal(size=(120, 4)), x], labels, groups)


def test_what_is_linear_in_the_states_is_found() -> None:
    table = fit.probe(_known_samples(0), _known_samples(1)).set_index(["attribute", "block"])
    assert set(table.index.get_level_values(0)) == {"curvature", "braking"}
    assert table["value"][("curvature", 1)] > 0.99
    assert table["value"][("braking", 1)] > 0.95
    assert table["value"][("curvature", 0)] < 0.1
    assert "best" in Probe(table.reset_index(), {}).text()


def test_command_and_its_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fit, "scene_samples", lambda _, split, *rest: _known_samples(len(split)))
    assert main(["video", "probe", f"output={tmp_path / 'probe'}", "untrained=true"]) == 0
    assert set(pd.read_csv(tmp_path / "probe.csv")["metric"]) == {"r2", "auc"}
    assert read_provenance(tmp_path / "probe.parquet")["untrained"]
    assert main(["video", "probe", "--help"]) == 0
    assert main(["video", "probe"]) == 2
    assert main(["video", "probe", f"output={tmp_path / 'x'}", "train=town_test"]) == 2
    assert "nothing is held out" in capsys.readouterr().err


def _write_video(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for _ in range(14):
            image = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def test_ucf_from_a_folder(tmp_path: Path) -> None:
    names = [f"{a}/v_{a}_g0{g}_c01.avi" for a in ("Archery", "Diving") for g in (1, 2)]
    for seed, name in enumerate(names):
        _write_video(tmp_path / "UCF-101" / name, seed)
    lists = tmp_path / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "trainlist01.txt").write_text("".join(f"{name} 1\n" for name in names))
    model = ReWorldModel.from_pretrained(TINY).eval()
    found = ucf_samples(model, tmp_path, "train", Records(tmp_path / "cache"), "tiny")
    assert found.labels["action"].tolist() == [0, 0, 1, 1]
    assert found.groups.tolist()[0] == "Archery/v_Archery_g01"
    assert len(found.states) == model.config.video.num_layers + 1
    with pytest.raises(DataError, match="holds no testlist01"):
        ucf_samples(model, tmp_path, "test", Records(tmp_path / "cache"), "tiny")
    (lists / "testlist01.txt").write_text("Archery/v_Archery_g09_c01.avi\n")
    with pytest.raises(DataError, match="1 listed videos are missing"):
        ucf_samples(model, tmp_path, "test", Records(tmp_path / "cache"), "tiny")
