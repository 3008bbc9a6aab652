"""Pictures, animations and galleries of runs: that they show what they should, and what fails."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from reworld_agent.analysis import Run, explain_run
from reworld_agent.analysis.explanation.explain import explain_scene
from reworld_agent.analysis.figures import animation, bev, charts, gallery, picture
from reworld_agent.analysis.figures.bev import names_of
from reworld_agent.analysis.figures.readings import draw_legend
from reworld_agent.analysis.figures.style import OTHER, PLAN, WHO, YELLOW
from reworld_agent.analysis.picture_kinds import MOVING
from reworld_agent.analysis.player.scenes import open_beside
from reworld_agent.cli.main import main
from reworld_agent.core.errors import ConfigError, DataError, SceneError
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.scene_cache import SceneCache
from tests.analysis import runs
from tests.analysis.overlaps import faults
from tests.analysis.runs import where
from tests.pdm.straight_road import scene, straight


@pytest.fixture(scope="module")
def opened(run: Path, caches: SceneCaches) -> Run:
    """The run, open."""
    return runs.opened(run, caches)


@pytest.fixture(scope="module")
def rows(opened: Run) -> pd.DataFrame:
    """Its failures."""
    return explain_run(opened)[0]


def test_bev_shows_everybody_at_the_instant() -> None:
    cache = scene({"a": ("vehicle", 30.0, 0.0, 0.0, 0.0)})
    view = picture.SceneView(cache, straight(8.0)[0], tuple(explain_scene(cache, straight(8.0)[0])))
    axes = Figure(figsize=(8, 5)).add_subplot()
    assert view.annotation is not None
    bev.draw(axes, cache, view.poses, annotation=view.annotation)
    texts = {text.get_text() for text in axes.texts}
    assert {*names_of(None).values(), "hit: vehicle a"} <= texts
    assert f"t = {view.annotation.step / 10:.1f} s" in texts
    hatched = [patch for patch in axes.patches if patch.get_hatch()]
    assert len(hatched) == 1  # the object that is hit, and no other
    low, high = axes.get_xlim()
    assert low < 0 and high > 32.25
    assert np.allclose(hatched[0].get_facecolor()[:3], _rgb(YELLOW))


def _rgb(colour: str) -> list[float]:
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def test_colours_differ_for_colour_blind_eyes() -> None:
    """The three ways differ in lightness or, where they do not, in line style."""
    assert len({str(look["linestyle"]) for look in WHO.values()}) == len(WHO)


def test_explain_writes_a_picture(
    run: Path, caches: SceneCaches, rows: pd.DataFrame, tmp_path: Path
) -> None:
    token = rows["token"].iloc[0]
    words = ["explain", str(run), f"token={token}", *where(caches)]
    assert main([*words, f"picture={tmp_path / 'why.png'}"]) == 0
    assert Image.open(tmp_path / "why.png").size == (1100, 451)
    assert main([*words, f"picture={tmp_path / 'why.txt'}"]) == 2
    assert not (tmp_path / "why.txt").exists()


@pytest.mark.parametrize("kind", MOVING)
def test_animation(opened: Run, rows: pd.DataFrame, tmp_path: Path, kind: str) -> None:
    if kind == "mp4":
        pytest.importorskip("av")
    path = tmp_path / f"scene.{kind}"
    picture.write_picture(opened, rows["token"].iloc[0], path)
    assert 10_000 < path.stat().st_size < 1_000_000
    if kind == "gif":
        with Image.open(path) as image:
            durations = 0
            for frame in range(getattr(image, "n_frames", 1)):
                image.seek(frame)
                durations += image.info["duration"]
        assert durations == 100 * (41 + 7)  # 41 steps, the instant of failure held for 0.8 s


def test_something_moves_and_the_map_stays() -> None:
    cache = scene({"a": ("vehicle", 30.0, 3.0, 0.0, 2.0)})
    pictures = list(animation.frames(cache, straight(8.0)[0]))
    assert len(pictures) == 41 and pictures[0].shape == (480, 720, 3)
    changed = (pictures[0] != pictures[40]).any(axis=-1)
    assert 0.005 < changed.mean() < 0.3


@pytest.fixture(scope="module")
def slow(caches: SceneCaches, tokens: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the same agent at rest: most of it passes."""
    poses = {token: 0.02 * runs.constant_velocity(caches.get(token)) for token in tokens}
    return runs.make_run(tmp_path_factory.mktemp("slow"), caches, poses)


def test_two_agents_in_one_picture(
    opened: Run, slow: Path, run: Path, caches: SceneCaches, rows: pd.DataFrame, tmp_path: Path
) -> None:
    both = open_beside(slow, opened)
    labels = [own.table.label for own in both]
    assert labels == [f"straight ({run.name})", f"straight ({slow.name})"]  # one name, told apart
    for token in rows["token"].drop_duplicates().head(3):
        view = picture.open_view(both[0], token, other=both[1])
        figure = picture.compose(view)
        assert faults(figure) == []
        assert {*labels, "human"} <= {text.get_text() for text in figure.axes[0].texts}
        driven = bev.drivers(view.cache, **view.plan)
        assert {*WHO} == {*driven}
        assert driven[OTHER][-1, 0] + 3.0 < driven[PLAN][-1, 0]
        assert [line.split(":")[0] for line in view.sentences] == labels
        written = " ".join(text.get_text() for text in figure.texts)
        assert token in written and view.cache.log_name in written
    words = ["look", str(run), f"token={token}", f"beside={slow}", *where(caches)]
    for kind in ("png", "gif"):
        assert main([*words, f"view={kind}", f"output={tmp_path / f'two.{kind}'}"]) == 0
        assert (tmp_path / f"two.{kind}").stat().st_size > 10_000


def test_names_are_no_mathematics(opened: Run, rows: pd.DataFrame, tmp_path: Path) -> None:
    names = ["a$_{ \\frac{x$", "<b>$y$&lt;"]
    one, two = (replace(opened, table=replace(opened.table, label=name)) for name in names)
    token = str(rows["token"].iloc[0])
    figure = picture.compose(picture.open_view(one, token, other=two))
    assert faults(figure) == []
    assert {*names} <= {text.get_text() for text in figure.axes[0].texts}
    assert faults(charts.page(one.table, rows)) == []
    for kind in ("svg", "gif"):
        path = picture.write_picture(one, token, tmp_path / f"x.{kind}", other=two)
        assert path.stat().st_size > 10_000


def test_the_other_agents_failure_is_marked_where_the_first_passes() -> None:
    cache, fast = scene({"a": ("vehicle", 30.0, 0.0, 0.0, 0.0)}), straight(8.0)[0]
    lost = tuple(explain_scene(cache, fast))
    beside = bev.Beside(fast, "fast", "slow", fails=True)
    view = picture.SceneView(cache, 0.0 * fast, (), beside=beside, beside_rows=lost)
    assert view.sentences[0] == "slow: passes every metric"
    axes = picture.compose(view).axes[0]
    assert "hit: vehicle a" in {text.get_text() for text in axes.texts}
    texts = drawn_in_film(cache, view)
    assert all(text.startswith("slow: speed ") and "\nfast: speed " in text for text in texts)
    assert view.annotation is not None


def drawn_in_film(cache: SceneCache, view: picture.SceneView) -> list[str]:
    """What stands under each picture of a film, which must fit."""
    names = bev.names_of(view.beside)
    lines = animation.measured(cache, "pdms_v1", **view.plan)
    figure = Figure(figsize=(7.2, 4.8), dpi=100)
    draw_legend(figure, cache, names, animation.FOOT_OF_TWO)
    figure.text(0.01, 0.018, max(lines, key=len), fontsize=8)
    assert faults(figure) == []
    return lines


def test_gallery_of_the_worst(
    run: Path, caches: SceneCaches, rows: pd.DataFrame, tmp_path: Path
) -> None:
    words = [
        "explain",
        str(run),
        "pictures=true",
        "show=3",
        f"output_dir={tmp_path}",
        *where(caches),
    ]
    assert main(words) == 0
    names = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    worst = rows["token"].drop_duplicates().head(3)
    assert names == [f"{rank:03d}_{token}.png" for rank, token in enumerate(worst, 1)]


def test_gallery_says_which_scenes_cannot_be_drawn(
    opened: Run, rows: pd.DataFrame, tmp_path: Path
) -> None:
    bad = rows.head(1).assign(token="0" * 16)
    frame = opened.table.frame.rename(index={rows["token"].iloc[0]: "0" * 16})
    run = replace(opened, table=replace(opened.table, frame=frame))
    _, problems = gallery.write_gallery(run, bad, tmp_path / "x", 1)
    assert problems[0][0] == "0" * 16 and "no trajectory" in problems[0][1]


def test_a_scene_without_images_is_drawn_all_the_same(
    opened: Run, rows: pd.DataFrame, tmp_path: Path
) -> None:
    token = rows["token"].iloc[0]
    view = picture.open_view(opened, token, images=False)
    assert view.front is None
    assert "no camera image" in [text.get_text() for text in picture.compose(view).axes[1].texts]
    with pytest.raises(SceneError, match="tokens look like"):
        picture.open_view(opened, "absent")


def test_a_folder_that_cannot_be_written(opened: Run, rows: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot write"):
        picture.write_picture(opened, rows["token"].iloc[0], tmp_path / "file" / "x.png")
    with pytest.raises(ConfigError, match="not written as"):
        picture.write_picture(opened, rows["token"].iloc[0], tmp_path / "x.bmp")


def test_charts(opened: Run, rows: pd.DataFrame, tmp_path: Path) -> None:
    charts.write(tmp_path / "charts.png", opened.table, rows)
    assert (tmp_path / "charts.png").stat().st_size > 20_000
    table = charts.counts(rows, "class")
    assert table.to_numpy().sum() == rows["token"].nunique()
    speeds = charts.counts(rows, "speed").index
    assert list(speeds) == sorted(
        speeds, key=lambda name: float(name.strip("≥ ").split("-")[0].split()[0])
    )
    axes = Figure().add_subplot()
    charts.breakdown(axes, rows.head(0))
    assert axes.texts[0].get_text() == "no scene fails"


def test_no_display_and_no_torch_are_needed() -> None:
    code = (
        "import sys; from reworld_agent.analysis.figures import gallery, charts, animation; "
        "from reworld_agent.analysis.reporting import page; "
        "import matplotlib; assert 'matplotlib.pyplot' not in sys.modules; "
        "assert 'torch' not in sys.modules"
    )
    environment = {"PATH": "/usr/bin", "HOME": str(Path.home())}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
