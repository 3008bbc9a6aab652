"""The player in a real browser: slider, keys, filters, overlay, links, labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reworld_agent.analysis.look_runs import Looked
from reworld_agent.analysis.player import page as player_page
from reworld_agent.analysis.player.contract import FUTURE, MovingScene, empty_scene
from reworld_agent.cli.main import main
from reworld_agent.pdm.cache_io.folder import SceneCaches
from tests.analysis.browser import launched, opened
from tests.analysis.runs import constant_velocity, make_run, where

STEP = "window.reworld.player.step"
WHITE = (  # whether a corner of a picture is
    "c => [[0, 0], [0, c.height - 1], [c.width - 1, 0], [c.width - 1, c.height - 1]].some(p => "
    "c.getContext('2d').getImageData(...p, 1, 1).data.every(x => x === 255))"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    yield from launched()


@pytest.fixture(scope="module")
def html(
    run: Path, caches: SceneCaches, tokens: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """All scenes of two agents."""
    folder = tmp_path_factory.mktemp("look")
    slow = {token: 0.7 * constant_velocity(caches.get(token)) for token in tokens}
    other = make_run(folder / "other", caches, slow)
    path = folder / "look.html"
    words = ["look", str(run), f"beside={other}", f"output={path}", "key_frames=true"]
    assert main([*words, *where(caches)]) == 0
    return path


def playing(browser: Any, html: Path, token: str, **how: Any) -> tuple[Any, list[str]]:
    """The page with a scene open."""
    page, faults = opened(browser, html, link=f"#s-{token}", **how)
    page.wait_for_function("window.reworld.player")
    return page, faults


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_loads_and_fits(
    browser: Any, html: Path, tokens: list[str], width: int, scheme: str
) -> None:
    page, faults = opened(browser, html, width, scheme, f"#s-{tokens[0]}", strict=True)
    page.locator(".stage canvas[aria-label]").wait_for()
    assert faults == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (back == "rgb(255, 255, 255)") == (scheme == "light")
    assert page.locator(".stage canvas").get_attribute("aria-label").startswith("bird's eye at")
    page.emulate_media(media="print", color_scheme=scheme)
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert back == "rgb(255, 255, 255)" and not page.locator(".controls").is_visible()
    for event, white in (("beforeprint", True), ("afterprint", scheme == "light")):
        page.evaluate(f"window.dispatchEvent(new Event('{event}'))")
        for canvas in (".stage canvas", "article canvas[aria-label^=bird]"):
            assert page.locator(canvas).first.evaluate(WHITE) == white, (event, canvas)


def test_slider_keys_and_link(browser: Any, html: Path, tokens: list[str]) -> None:
    page, faults = playing(browser, html, f"{tokens[1]}@1.5")
    assert page.evaluate(STEP) == pytest.approx(15)
    page.locator(".controls input[type=range]").fill("20")
    assert page.evaluate(STEP) == 20
    assert page.locator(".clock").inner_text() == "2.0 s of 4.0 s"
    for key, step in [("ArrowRight", 21), ("Shift+ArrowRight", 26), ("ArrowLeft", 25), ("Home", 0)]:
        page.keyboard.press(key)
        assert page.evaluate(STEP) == step
    page.keyboard.press("Space")
    page.wait_for_function(f"{STEP} > 3")
    page.keyboard.press("Space")
    paused = page.evaluate(STEP)
    page.wait_for_timeout(150)
    assert page.evaluate(STEP) == paused
    page.wait_for_function(f"location.hash === '#s-{tokens[1]}@{paused / 10:.1f}'")
    before = page.evaluate("window.reworld.number")
    page.keyboard.press("n")
    page.wait_for_function(f"window.reworld.player && window.reworld.number !== {before}")
    page.keyboard.press("p")
    page.wait_for_function(f"window.reworld.player && window.reworld.number === {before}")
    page.keyboard.press("Escape")
    assert not page.locator("#player").is_visible()
    said = page.get_by_role("status").filter(has_text="Scene <b>nobody is not on this page.")
    page.evaluate("location.hash = '#s-<b>nobody@1.0'")
    said.wait_for()
    page.evaluate(f"location.hash = '#s-{tokens[0]}'")
    said.wait_for(state="hidden")
    assert faults == []


def test_zoom_pan_and_toggles(browser: Any, html: Path, tokens: list[str]) -> None:
    page, faults = playing(browser, html, tokens[0])
    canvas = page.locator(".stage canvas").first
    view = "window.reworld.player.stage.view"
    canvas.hover()
    page.mouse.wheel(0, -300)
    page.wait_for_function(f"{view}.zoom > 1.5")
    page.mouse.down()
    page.mouse.move(300, 300)
    page.mouse.up()
    assert page.evaluate(f"Math.hypot(...{view}.shift)") > 1
    page.get_by_label("whole scene").click()
    assert page.evaluate(f"{view}.zoom") == 1
    for key in ("human", "reference", "names"):
        with_it = canvas.evaluate("c => c.toDataURL()")
        page.locator(f"input[data-shown={key}]").click()
        assert canvas.evaluate("c => c.toDataURL()") != with_it
    page.keyboard.press("s")
    assert page.locator(".stage canvas").count() == 2
    assert page.locator(".pair tbody tr").count() == 6
    assert faults == []


def test_a_page_of_one_scene_shows_it(
    browser: Any, run: Path, caches: SceneCaches, tokens: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "one.html"
    words = [f"token={tokens[2]}", "cameras=[none]", f"output={path}"]
    assert main(["look", str(run), *words, *where(caches)]) == 0
    page, faults = opened(browser, path)
    page.wait_for_function("window.reworld.player")
    page.keyboard.press("Escape")
    assert page.locator(".stage canvas").is_visible() and not page.locator("article").count()
    assert page.locator("#player-title").inner_text() == tokens[2]
    assert not page.locator(".player-head button:visible").count()
    assert "Metrics: NC no at-fault collision" in page.locator("main").inner_text()
    assert faults == []


def test_in_the_frame_of_a_notebook(browser: Any, html: Path, tmp_path: Path) -> None:
    outer = tmp_path / "notebook.html"
    shown = Looked((html,), 0, 1)._repr_html_()
    outer.write_text(f"<!doctype html><title>notebook</title>{shown}", encoding="utf-8")
    page, faults = opened(browser, outer)
    frame = page.frames[1]
    frame.wait_for_function("document.querySelectorAll('article').length > 1")
    for number, link in enumerate(("a.picture", "p a")):
        frame.locator(f"article >> nth={number}").locator(link).click()
        frame.wait_for_function(f"window.reworld.player && window.reworld.number === {number}")
        page.wait_for_timeout(300)  # the address is shown a little later
    frame.locator("#player-close").click()
    assert frame.title() != "notebook" and not frame.locator("#player").is_visible()
    assert faults == []


@pytest.mark.parametrize("width", [390, 1280])
def test_long_names_break_between_their_words(browser: Any, html: Path, width: int) -> None:
    page, faults = opened(browser, html, width=width)
    page.wait_for_function("window.reworld")
    names = ["ego_status_mlp_town6", "reworld-epdms_v2/wide.run"]
    rename = "n => reworld.store.scene(0).then(s => s.drives.forEach((d, i) => { d.label = n[i] }))"
    page.evaluate(rename, names)
    page.evaluate("window.reworld.open(0)")
    page.wait_for_function("window.reworld.player")
    heads = page.locator(".pair thead th")
    assert heads.all_text_contents()[1:3] == names
    lines = heads.evaluate_all(  # of each word, on how many it stands
        "all => all.flatMap(h => [...h.childNodes].filter(n => n.nodeName === '#text').map(n => {"
        "const r = document.createRange(); r.selectNode(n);"
        "return new Set([...r.getClientRects()].map(b => b.top)).size }))"
    )
    assert len(lines) > 8 and set(lines) == {1}
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".scroll").first.evaluate("s => s.scrollWidth <= s.clientWidth")
    assert faults == []


def test_each_failing_instant_is_marked_in_its_line(browser: Any, html: Path) -> None:
    page, faults = opened(browser, html)
    page.wait_for_function("window.reworld")
    for number in range(page.evaluate("window.reworld.store.length")):
        page.evaluate(f"window.reworld.open({number})")
        page.wait_for_function(f"window.reworld.player && window.reworld.number === {number}")
        wanted = page.evaluate(
            "window.reworld.player.scene.drives.flatMap(d => d.metrics)"
            ".filter(m => m.failed).map(m => m.failed.step).sort()"
        )
        marks = page.locator(".trace .failed")
        assert sorted(marks.evaluate_all("all => all.map(m => Number(m.dataset.step))")) == sorted(
            wanted
        )
        if wanted:
            assert page.evaluate(STEP) == min(wanted)  # it opens where it fails first
    assert faults == []


@pytest.mark.slow
def test_labels_cover_neither_one_another_nor_the_edge(browser: Any, html: Path) -> None:
    page, faults = opened(browser, html, width=1000)
    page.wait_for_function("window.reworld")
    checked = 0
    for number in range(page.evaluate("window.reworld.store.length")):
        page.evaluate(f"window.reworld.open({number})")
        page.wait_for_function(f"window.reworld.player && window.reworld.number === {number}")
        if page.locator("input[data-shown=counterfactual]").count():
            page.keyboard.press("c")
        for step in (0, 13, 27, 40, *page.evaluate("window.reworld.player.failures()")):
            page.evaluate(f"window.reworld.player.seek({step})")
            boxes = page.evaluate("window.reworld.player.stage.labels[0].map(l => l.box)")
            size = page.evaluate("(v => [v.width, v.height])(window.reworld.player.stage.view)")
            checked += len(boxes)
            for i, a in enumerate(boxes):
                assert a[0] >= 0 and a[1] >= 0 and a[2] <= size[0] and a[3] <= size[1]
                for b in boxes[i + 1 :]:
                    assert not (a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3])
    assert checked > 100
    assert faults == []


def test_filters_order_and_cards(browser: Any, html: Path, tokens: list[str]) -> None:
    page, faults = opened(browser, html)
    cards = page.locator("article")
    page.wait_for_function(f"document.querySelectorAll('article').length === {len(tokens)}")
    metrics = page.locator("select[name=metric] option").all_inner_texts()[1:]
    assert len(metrics) >= 2
    for metric in metrics:
        page.select_option("select[name=metric]", metric)
        count = cards.count()
        assert count > 0
        assert page.locator("article", has=page.locator(f".m-{metric}")).count() == count
        assert page.locator("#shown").inner_text() == f"{count} of {len(tokens)} scenes"
    page.click("button[type=reset]")
    page.wait_for_function(f"document.querySelectorAll('article').length === {len(tokens)}")
    page.select_option("select[name=order]", "token")
    shown = cards.evaluate_all("all => all.map(a => a.dataset.token)")
    assert shown == sorted(tokens)
    page.fill("input[name=text]", "nothing is called so")
    assert cards.count() == 0
    page.fill("input[name=text]", tokens[3])
    assert cards.count() == 1
    cards.first.locator("a.picture").click()
    page.wait_for_function("window.reworld.player")
    assert page.locator("#player-title").inner_text() == tokens[3]
    assert faults == []


def test_names_with_html_in_them_are_text(browser: Any, tmp_path: Path) -> None:
    evil = "</script><img src=x onerror=document.title='hit'>"
    packed = {**empty_scene(FUTURE, evil, 0.1, 11), "notes": [evil], "log": evil}
    scenes = [MovingScene(evil, packed, (), {"class": evil, "sentences": [evil]})] * 2
    path = tmp_path / "evil.html"
    path.write_text(player_page.render(evil, [evil], scenes, None), encoding="utf-8")
    page, faults = opened(browser, path)
    page.locator("a.picture").first.click()
    page.wait_for_function("window.reworld.player")
    assert page.locator("img").count() == 0 and page.title() == evil
    assert page.locator("#player-title").inner_text() == evil
    assert faults == []
