"""What scores mean, on a straight road made by hand; and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reworld_agent import pdm
from reworld_agent.core.errors import ConfigError, DataError, SceneError
from reworld_agent.pdm.scene_cache import CARPARK, ROADBLOCK
from tests.pdm.straight_road import braking, columns, rectangle, road, scene, sideways, straight

NC, TTC = "no_at_fault_collisions", "time_to_collision_within_bound"
DAC, DDC = "drivable_area_compliance", "driving_direction_compliance"


def test_an_empty_road_is_driven_perfectly() -> None:
    result = pdm.score(scene(), straight(8.0))
    assert columns(result, NC, DAC, TTC, "comfort", DDC) == [1, 1, 1, 1, 1]
    assert result["score"][0] == pytest.approx(1.0, abs=1e-4)
    assert result["progress_m"][0] == pytest.approx(32.0, abs=0.01)
    assert result["pdm_closed_progress_m"][0] == pytest.approx(32.0, abs=0.01)
    slow = pdm.score(scene(), straight(4.0))
    ratio = slow["progress_m"] / slow["pdm_closed_progress_m"]
    np.testing.assert_allclose(slow["ego_progress"], ratio)


def test_running_into_a_standing_car() -> None:
    cache = scene({"wall": ("vehicle", 20.0, 0.0, 0.0, 0.0)})
    result = pdm.score(cache, straight(8.0), explain=True)
    assert columns(result, NC, TTC, "score") == [0, 0, 0]
    assert result[f"{NC}_track_token"][0] == "wall"
    assert result[f"{NC}_track_class"][0] == "vehicle"
    assert result[f"{NC}_collision_type"][0] == "stopped_track"
    assert result[f"{TTC}_side"][0] == "ahead"
    # Front edge at 1.461 + 2.588 m, the car's rear at 17.75 m: 13.7 m at 8 m/s.
    assert result[f"{NC}_failure_time_s"][0] == pytest.approx(1.8, abs=0.1)
    assert result[f"{TTC}_failure_time_s"][0] == pytest.approx(0.9, abs=0.1)
    assert result[f"{NC}_human_fails"][0] == 1.0


def test_a_cone_costs_half_and_half_of_the_progress() -> None:
    cache = scene({"cone": ("traffic_cone", 20.0, 0.0, 0.0, 0.0)})
    result = pdm.score(cache, straight(8.0))
    assert columns(result, NC, TTC) == [0.5, 0]
    assert result["ego_progress"][0] == pytest.approx(1.0)  # PDM-Closed hits it as well


def test_who_is_hit_from_behind_is_not_at_fault() -> None:
    cache = scene({"rear": ("vehicle", -14.0, 0.0, 0.0, 12.0)})
    result = pdm.score(cache, straight(8.0), explain=True)
    assert columns(result, NC, TTC) == [1, 1]
    assert np.isnan(result[f"{NC}_failure_time_s"][0])
    assert result[f"{NC}_track_token"][0] == ""


def test_a_side_collision_counts_only_between_lanes() -> None:
    cache = scene({"beside": ("vehicle", 1.0, 3.2, 0.0, 8.0)})
    inside = pdm.score(cache, straight(8.0))
    assert inside[NC][0] == 1.0
    across = pdm.score(cache, sideways(1.6), explain=True)
    assert across[NC][0] == 0.0
    assert across[f"{NC}_collision_type"][0] == "active_lateral"


def test_a_standing_ego_is_never_at_fault() -> None:
    cache = scene({"late": ("vehicle", 30.0, 0.0, np.pi, 8.0)}, speed=0.0)
    result = pdm.score(cache, np.zeros((1, 8, 3)))
    assert columns(result, NC, TTC) == [1, 1]
    assert result["ego_progress"][0] == 1.0  # nobody moves five metres


def test_leaving_the_road() -> None:
    result = pdm.score(scene(), sideways(-2.5), explain=True)
    assert columns(result, DAC, "ego_progress", "score") == [0, 0, 0]
    assert result[f"{DAC}_corner"][0] in ("front_right", "rear_right")
    assert result[f"{DAC}_polygon_kind"][0] == "roadblock"
    assert 0.0 < result[f"{DAC}_distance_outside_m"][0] < 0.3
    assert 0.5 < result[f"{DAC}_failure_time_s"][0] < 2.5


def test_a_carpark_is_drivable_and_a_gap_is_not() -> None:
    beside = [*road(), (CARPARK, False, rectangle(-30, -9, 150, -1.7))]
    assert pdm.score(scene(polygons=beside), sideways(-2.5))[DAC][0] == 1.0
    gap = [(ROADBLOCK, False, rectangle(-30, -1.75, 12, 5.25))]
    assert pdm.score(scene(polygons=gap), straight(8.0))[DAC][0] == 0.0


def test_driving_off_the_route() -> None:
    assert pdm.score(scene(), sideways(3.5))[DDC][0] == 0.0
    assert pdm.score(scene(), straight(8.0))[DDC][0] == 1.0
    half = pdm.score(scene(), sideways(2.4, speed=3.0))[DDC][0]
    assert half == 0.5


def test_braking_hard_is_not_comfortable() -> None:
    result = pdm.score(scene(), braking(8.0), explain=True)
    assert result["comfort"][0] == 0.0
    assert result["comfort_quantity"][0] in ("longitudinal_acceleration", "jerk")
    assert result["comfort_excess"][0] > 0.0
    assert result["comfort_failure_time_s"][0] >= 0.0


def test_records_are_empty_where_nothing_fails() -> None:
    result = pdm.score(scene(), straight(8.0, 7.0), explain=True)
    for name, values in result.items():
        assert len(values) == 2, name
        if name.endswith(("_time_s", "excess", "outside_m")):
            assert np.isnan(values).all(), name


def test_explaining_changes_no_score() -> None:
    cache = scene({"wall": ("vehicle", 20.0, 0.0, 0.0, 0.0)})
    poses = np.concatenate([straight(3.0, 8.0), sideways(-3.0), braking(3.0)])
    plain, told = pdm.score(cache, poses), pdm.score(cache, poses, explain=True)
    for name, values in plain.items():
        assert values.dtype == np.float64 and values.shape == (4,)
        np.testing.assert_array_equal(values, told[name])


def test_an_object_seen_late_and_5000_objects() -> None:
    late = scene({"late": ("vehicle", 30.0, 0.0, 0.0, 0.0)})
    late.track_pose[:25] = np.nan
    assert pdm.score(late, straight(8.0))[NC][0] == 0.0
    late.track_pose[:] = np.nan
    assert pdm.score(dataclass_copy(late), straight(8.0))[NC][0] == 1.0
    rng = np.random.default_rng(0)
    crowd = {str(i): ("pedestrian", *rng.uniform(10.0, 300.0, 2), 0.0, 1.0) for i in range(5000)}
    assert np.isfinite(pdm.score(scene(crowd), straight(8.0))["score"]).all()


def dataclass_copy(cache: pdm.SceneCache) -> pdm.SceneCache:
    """The same scene without what was prepared from it."""
    return pdm.SceneCache(**{k: v for k, v in vars(cache).items() if not k.startswith("_")})


@pytest.mark.parametrize(
    ("poses", "message"),
    [
        (np.full((1, 8, 3), np.nan), "NaN or infinite"),
        (np.full((2, 8, 3), np.inf), "2 candidates"),
        (np.zeros((1, 7, 3)), r"\[7, 3\].* interval_s is not given"),
        (np.zeros((1, 3, 8)), r"\[1, 3, 8\]"),
        (np.zeros((8, 3)), r"\[8, 3\]"),
        (np.zeros((1, 8, 2)), r"\[1, 8, 2\]"),
        (np.zeros((0, 8, 3)), "no candidate"),
        ([], "no candidate"),
        (["a"], "not an array of numbers"),
        ([[[1, 2, 3]], [[1, 2]]], "not an array of numbers"),
    ],
)
def test_poses_that_cannot_be_scored(poses: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        pdm.score(scene(), poses)


def test_headings_in_degrees_are_warned_about() -> None:
    turn = sideways(8.0, speed=3.0)
    with pytest.warns(UserWarning, match="degrees"):
        pdm.score(scene(), np.concatenate([turn[..., :2], np.degrees(turn[..., 2:])], axis=-1))


@pytest.mark.filterwarnings("error")
def test_radians_are_not_warned_about() -> None:
    pdm.score(scene(), np.concatenate([sideways(8.0, speed=3.0), straight(9.0)]))
    backwards = -straight(3.0)
    backwards[..., 2] = np.pi
    pdm.score(scene(), backwards)


def test_scenes_that_cannot_be_scored() -> None:
    broken = scene()
    broken.ego_state[3] = np.nan
    with pytest.raises(SceneError, match="0123456789abcdef: its ego state"):
        pdm.score(broken, straight(1.0))
    broken = scene()
    broken.pdm_closed_poses = np.empty((0, 3))
    with pytest.raises(SceneError, match="PDM-Closed"):
        pdm.score(broken, straight(1.0))
    with pytest.raises(ConfigError, match="pdms_v9"):
        pdm.score(scene(), straight(1.0), protocol="pdms_v9")


def test_many_scenes_in_processes(tmp_path: Path) -> None:
    paths = []
    for i, x in enumerate((15.0, 25.0, 60.0)):
        paths.append(tmp_path / f"{i}.npz")
        scene({"wall": ("vehicle", x, 0.0, 0.0, 0.0)}).save(paths[-1])
    poses = straight(3.0, 8.0, 12.0)
    here = pdm.score_many(paths, poses)
    there = pdm.score_many(paths, [poses] * 3, workers=2, progress=False)
    for left, right in zip(here, there, strict=True):
        for name, values in left.items():
            np.testing.assert_array_equal(values, right[name])
    with pytest.raises(DataError, match="3 scenes but candidates for 2"):
        pdm.score_many(paths, [poses] * 2)
