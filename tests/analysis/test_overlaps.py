"""No text of any picture collides with another or is cut: in the town and on real roads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from reworld_agent.analysis import Run, explain_run
from reworld_agent.analysis.explanation.explain import explain_scene
from reworld_agent.analysis.figures import animation, bev, charts, picture
from reworld_agent.analysis.figures.readings import draw_legend, readings
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.simulate.rollout import rollout
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.splits import DataRoots, resolve_split
from tests.analysis import runs
from tests.analysis.overlaps import drawn_texts, faults
from tests.analysis.runs import constant_velocity


def view(
    caches: SceneCaches, token: str, factor: float, slower: float | None = None
) -> picture.SceneView | None:
    """A scene driven straight on at a multiple of its speed, and beside it at another one.

    None where nothing fails.
    """
    cache = caches.get(token)
    plan = factor * constant_velocity(cache)
    rows = explain_scene(cache, plan)
    scores = {"NC": 1.0, "DAC": 0.0, "EP": 0.123, "TTC": 1.0, "Comf": 1.0, "DDC": 0.5, "score": 0.0}
    if not rows:
        return None
    if slower is None:
        return picture.SceneView(cache, plan, tuple(rows), scores=scores)
    other = slower * constant_velocity(cache)
    lost = tuple(explain_scene(cache, other))
    beside = bev.Beside(other, "an agent of some name", "another agent")
    both: dict[str, Any] = {"beside": beside, "beside_rows": lost, "beside_scores": scores}
    return picture.SceneView(cache, plan, tuple(rows), scores=scores, **both)


def views(
    caches: SceneCaches, step: int, slower: float | None = None
) -> Iterator[picture.SceneView]:
    """Every failing scene of a split."""
    roots = DataRoots(caches.data_root, caches.maps_root, caches.data_split)
    for token in roots.loader(SceneFilter(frame_interval=step)).tokens:
        found = view(caches, token, 1.3, slower)
        if found is not None:
            yield found


def test_pictures_of_some_scenes(caches: SceneCaches, tokens: list[str]) -> None:
    shown = [own for token in tokens[::2] if (own := view(caches, token, 1.6)) is not None]
    assert len(shown) >= 4
    for own in shown:
        assert faults(picture.compose(own)) == [], own.cache.token


def test_charts(run: Path, caches: SceneCaches) -> None:
    opened: Run = runs.opened(run, caches)
    figure = charts.page(opened.table, explain_run(opened)[0])
    assert faults(figure) == []


def test_the_foot_of_a_film(caches: SceneCaches, tokens: list[str]) -> None:
    cache = caches.get(tokens[0])
    for protocol in ("pdms_v1", "epdms_v2"):
        figure = Figure(figsize=(7.2, 4.8), dpi=100)
        draw_legend(figure, cache, bev.names_of(None), animation.FOOT)
        states = rollout(cache, constant_velocity(cache)[None])[0]
        texts = readings(cache, states, protocol)
        assert len(texts) == 41
        figure.text(0.01, 0.025, max(texts, key=len), fontsize=8)
        assert faults(figure) == []
        assert {"plan", "human", "PDM-Closed"} <= {said for said, _ in drawn_texts(figure)}


@pytest.mark.slow
@pytest.mark.parametrize("slower", [None, 0.7])
def test_every_failing_scene_of_the_town(slower: float | None, tmp_path: Path) -> None:
    roots = resolve_split("town_test", ())
    caches = SceneCaches(roots.data_root, roots.maps_root, roots.data_split, tmp_path)
    found = {own.cache.token: faults(picture.compose(own)) for own in views(caches, 1, slower)}
    assert len(found) > 40
    assert {token: own for token, own in found.items() if own} == {}


@pytest.mark.slow
@pytest.mark.parametrize(("split", "step"), [("av2", 1), ("nuscenes", 3)])
@pytest.mark.parametrize("slower", [None, 0.7])
def test_every_failing_scene_of_real_roads(
    slower: float | None, split: str, step: int, real_reference: Path, tmp_path: Path
) -> None:
    caches = SceneCaches(real_reference, real_reference / "maps", split, tmp_path)
    found = {own.cache.token: faults(picture.compose(own)) for own in views(caches, step, slower)}
    assert len(found) > 10
    assert {token: own for token, own in found.items() if own} == {}


def test_boxes_that_overlap_are_found() -> None:
    figure = Figure(figsize=(2, 2), dpi=100)
    for x in (0.1, 0.15, 0.9):
        figure.text(x, 0.5, "a long text")
    said = faults(figure)
    assert len(said) == 2 and "leaves the figure" in said[0] and "overlap" in said[1]
    assert np.isfinite([box.extents for _, box in drawn_texts(figure)]).all()
