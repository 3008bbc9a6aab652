"""Facts, classes, counterfactuals and sentences of scenes whose truth is known by construction."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reworld_agent import pdm
from reworld_agent.analysis.explanation.explain import SCHEMA, explain_scene
from reworld_agent.pdm.metrics import metric_called
from reworld_agent.pdm.metrics.contacts import encounter
from reworld_agent.pdm.metrics.situations import in_junction, route_turn
from reworld_agent.pdm.scene_cache import INTERSECTION, LANE, ROADBLOCK
from reworld_agent.pdm.simulate.rollout import rollout
from tests.pdm.straight_road import (
    Box,
    braking,
    moved,
    rectangle,
    road,
    scene,
    sideways,
    straight,
)

STANDING: Box = ("vehicle", 30.0, 0.0, 0.0, 0.0)


def only(rows: list[dict], metric: str) -> dict:
    """The row of a metric."""
    return next(row for row in rows if row["metric"] == metric)


def test_a_passing_plan_needs_no_words() -> None:
    assert explain_scene(scene(), straight(8.0)[0]) == []


def test_the_sentence_of_a_collision() -> None:
    cache = scene({"abcd9999": STANDING})
    cache.human_poses = braking(3.0)[0]
    rows = explain_scene(cache, straight(8.0)[0])
    row = only(rows, "NC")
    # the centre is 1.461 m ahead of the rear axle: 30 - 1.461 - (5.176 + 4.5) / 2 = 23.7 m
    assert row["failure_time_s"] == pytest.approx(math.ceil(23.7 / 8 * 10) / 10, abs=0.1)
    assert row["closing_mps"] == pytest.approx(8.0, abs=0.1)
    assert (row["class"], row["decisive"]) == ("lead vehicle", True)
    assert row["sentence"].startswith(f"NC 0: hit vehicle abcd at {row['failure_time_s']:.1f} s,")
    assert "closing at 8.0 m/s; the human would not have; braking at 3 m/s²" in row["sentence"]
    assert set(row) == set(SCHEMA.names)


def test_the_counterfactual_is_true_and_no_smaller_one_is() -> None:
    cache = scene({"a": STANDING})
    row = only(explain_scene(cache, straight(8.0)[0]), "NC")
    start = row["counterfactual_amount"]
    stopping = 8.0**2 / (2 * 3.0)
    latest = (23.7 - stopping) / 8.0
    assert start <= latest + 0.5 and start >= latest - 0.7
    assert row["counterfactual_score"] > row["score"]


def test_a_plan_that_brakes_too_late_is_told_how_much() -> None:
    cache = scene({"a": ("vehicle", 26.0, 0.0, 0.0, 0.0)})
    late = np.zeros((8, 3))
    time = np.arange(1, 9) * 0.5
    late[:, 0] = np.where(time < 1.5, 8 * time, 12 + 8 * (time - 1.5) - 2 * (time - 1.5) ** 2)
    row = only(explain_scene(cache, late), "TTC")
    assert (row["counterfactual_family"], row["counterfactual_amount"]) == ("brake earlier", 0.4)
    assert "braking 0.4 s earlier" in row["sentence"]
    assert "at 2.0 s within 0.9 s of hitting vehicle a, ahead, closing at" in row["sentence"]


def test_the_human_fails_too() -> None:
    row = only(explain_scene(scene({"a": STANDING}), straight(8.0)[0]), "NC")
    assert (row["class"], row["mechanism"]) == ("reference ambiguity", "lead vehicle")
    assert "the human fails too" in row["sentence"]


def test_nothing_is_said_of_a_human_without_future() -> None:
    cache = scene({"a": STANDING})
    cache.human_poses = np.full((8, 3), np.nan)
    row = only(explain_scene(cache, straight(8.0)[0]), "NC")
    assert math.isnan(row["human_fails"]) and "human" not in row["sentence"]


@pytest.mark.parametrize(
    ("box", "mechanism"),
    [
        (("vehicle", 30.0, 0.0, 0.0, 2.0), "lead vehicle"),
        (("vehicle", 60.0, 0.5, math.pi, 8.0), "oncoming"),
        (("vehicle", 25.0, 8.0, -math.pi / 2, 3.0), "cross traffic"),
        (("vehicle", 25.0, 0.0, math.pi / 2, 0.0), "static object"),
        (("pedestrian", 25.0, 4.0, -math.pi / 2, 1.5), "vulnerable road user"),
        (("bicycle", 25.0, 0.0, 0.0, 2.0), "vulnerable road user"),
        (("traffic_cone", 25.0, 0.0, 0.0, 0.0), "static object"),
    ],
)
def test_what_is_hit_gives_the_class(box: Box, mechanism: str) -> None:
    rows = explain_scene(scene({"a": box}), straight(8.0)[0])
    assert only(rows, "NC")["mechanism"] == mechanism


def test_a_neighbour_in_the_way_of_a_lane_change() -> None:
    cache = scene({"a": ("vehicle", 3.0, 3.5, 0.0, 8.0)})
    assert only(explain_scene(cache, sideways(3.5)[0]), "NC")["mechanism"] == "lane change"


def test_an_object_that_stands_and_one_that_moves_are_both_named() -> None:
    boxes: dict[str, Box] = {
        "cone": ("traffic_cone", 15.0, 0.0, 0.0, 0.0),
        "car": ("vehicle", 28.0, 0.0, 0.0, 0.0),
    }
    row = only(explain_scene(scene(boxes), straight(8.0)[0]), "NC")
    assert "NC 0: hit traffic cone cone" in row["sentence"]
    assert "and a road user after it" in row["sentence"]


def test_leaving_a_straight_road() -> None:
    right = explain_scene(scene(), sideways(-1.2)[0])
    row = only(right, "DAC")
    assert row["mechanism"] == "drift off a straight road"
    assert row["detail"].endswith("right") and "right corner left the road" in row["sentence"]
    assert "further left" in row["sentence"]
    assert "the human would not have" in row["sentence"]
    assert only(explain_scene(scene(), sideways(-3.0)[0]), "DAC")["mechanism"] == "lane change"


def test_leaving_the_road_where_it_bends_and_in_a_junction() -> None:
    bend = scene()
    angle = np.clip((np.arange(-20.0, 150.0) - 10) / 20, 0, 1.5)
    bend.centerline = np.column_stack([bend.centerline[:, :2], bend.centerline[:, 2] + angle])
    assert only(explain_scene(bend, sideways(-1.5)[0]), "DAC")["mechanism"] == "kerb on curve"
    polygons = [
        (ROADBLOCK, False, rectangle(-30, -1.75, 15, 5.25)),
        (LANE, True, rectangle(-30, -1.75, 15, 1.75)),
        (INTERSECTION, False, rectangle(10, -1.75, 80, 5.25)),
    ]
    junction = scene(polygons=polygons)
    assert only(explain_scene(junction, sideways(-1.5)[0]), "DAC")["class"] == "junction overrun"


def test_little_progress() -> None:
    row = only(explain_scene(scene(), straight(2.0)[0]), "EP")
    assert (row["class"], row["detail"]) == ("too slow", "")
    assert "PDM-Closed gets 32.0 m; the human would not have" in row["sentence"]
    blocked = scene({"a": ("vehicle", 18.0, 0.0, 0.0, 0.0)})
    blocked.track_pose[:40] = np.nan  # PDM-Closed has passed when it appears
    assert only(explain_scene(blocked, braking(4.0)[0]), "EP")["mechanism"] == "lead vehicle"


def test_discomfort() -> None:
    jump = straight(8.0)[0]
    jump[:, 0] += 4.0 * np.linspace(0, 1, 8) ** 2 * 4
    row = only(explain_scene(scene(), jump), "Comf")
    assert row["class"] in ("harsh start", "harsh driving")
    assert "beyond its bound from" in row["sentence"] and row["excess"] > 0


def test_rows_agree_with_the_records_of_the_scorer() -> None:
    cache = scene({"a": STANDING, "b": ("pedestrian", 35.0, -4.0, math.pi / 2, 1.0)})
    for poses in (straight(8.0)[0], straight(12.0)[0], sideways(-1.5)[0], sideways(2.5)[0]):
        records = pdm.score(cache, poses[None], explain=True)
        for row in explain_scene(cache, poses):
            name = metric_called(row["metric"]).name
            assert row["value"] == records[name][0]
            if row["metric"] != "EP":
                assert row["failure_time_s"] == records[f"{name}_failure_time_s"][0]
                assert row["human_fails"] == records[f"{name}_human_fails"][0]
            if row["metric"] in ("NC", "TTC"):
                assert row["object_token"] == records[f"{name}_track_token"][0]


def test_encounter_of_an_object_seen_once() -> None:
    cache = scene({"a": ("vehicle", 20.0, 2.0, 0.0, 4.0)})
    cache.track_pose[1:] = np.nan
    met = encounter(cache, rollout(cache, straight(8.0))[0], 0, 1.0)
    assert met.speed_mps == pytest.approx(4.0)
    assert met.closing_mps == pytest.approx(4.0 * 10.5 / math.hypot(10.5, 2), abs=0.3)


def test_places_on_the_map() -> None:
    cache = scene(polygons=road())
    pose = (*cache.ego_state[:2], cache.ego_state[2])
    inside, outside = moved(np.array([[160.0, 3.0], [140.0, 3.0]]), pose)
    assert in_junction(cache, inside) and not in_junction(cache, outside)
    assert route_turn(cache, cache.ego_state[:2], inside) == pytest.approx(0.0)
    cache.centerline[60:, 2] += 0.2  # from 40 m on
    ahead = moved(np.array([[20.0, 0.0], [45.0, 0.0]]), pose)
    assert route_turn(cache, cache.ego_state[:2], ahead[0]) == pytest.approx(0.0)
    assert route_turn(cache, cache.ego_state[:2], ahead[1]) == pytest.approx(0.2)
