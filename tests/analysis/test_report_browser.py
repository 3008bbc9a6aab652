"""The report in a real browser: no errors, working filters, nothing wider than a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reworld_agent.cli.main import main
from reworld_agent.pdm.cache_io.folder import SceneCaches
from tests.analysis.browser import launched, opened
from tests.analysis.runs import where


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    yield from launched()


@pytest.fixture(scope="module")
def html(run: Path, caches: SceneCaches, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    words = ["report", str(run), f"beside={run}", "gallery=3", f"output={path}", *where(caches)]
    assert main(words) == 0
    return path


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_loads_and_fits(browser: Any, html: Path, width: int, scheme: str) -> None:
    page, faults = opened(browser, html, width, scheme, strict=True)
    page.locator("article[data-drawn]").nth(2).wait_for()
    assert faults == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    drawn = "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size"
    for canvas in page.locator("article canvas").all():
        assert canvas.evaluate(drawn) > 20  # a picture, no empty sheet
        assert canvas.get_attribute("aria-label").startswith("bird's eye at")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(255, 255, 255)") == (scheme == "light")


def test_nothing_of_the_table_is_cut_on_a_phone(browser: Any, html: Path) -> None:
    page, _ = opened(browser, html, 390)
    for cell in page.locator("tr[data-scene] td, .pair td").all():
        assert cell.evaluate("c => c.scrollWidth <= c.clientWidth + 1")


def test_filters(browser: Any, html: Path) -> None:
    page, faults = opened(browser, html)
    rows = page.locator("tr[data-scene]:visible")
    page.wait_for_function("window.reworld")
    total = rows.count()
    metrics = page.locator("select[name=metric] option").all_inner_texts()[1:]
    assert total >= 3 and len(metrics) >= 2
    for metric in metrics:
        page.select_option("select[name=metric]", metric)
        shown = [own.get_attribute("data-metric").split("|") for own in rows.all()]
        every = page.locator(f"tr[data-scene][data-metric*={metric}]").count()
        assert len(shown) == every > 0 and all(metric in own for own in shown)
    page.click("button[type=reset]")
    ends = f"document.getElementById('shown').textContent.endsWith(', {total} in the table')"
    page.wait_for_function(ends)
    token = page.locator("tr[data-scene] a").first.inner_text()
    page.fill("input[name=text]", token)
    assert rows.count() == 1 and page.locator("article:visible").count() == 1
    page.fill("input[name=text]", "nothing is called so")
    assert rows.count() == 0
    assert faults == []


def test_a_bar_filters_and_links_reach_their_scene(browser: Any, html: Path) -> None:
    page, faults = opened(browser, html)
    page.wait_for_function("window.reworld")
    bar = page.locator("button[data-key=class]").first
    wanted, count = bar.get_attribute("data-value"), bar.locator(".count").inner_text()
    bar.click()
    assert page.input_value("select[name=class]") == wanted
    assert page.locator("tr[data-scene]:visible").count() == int(count)
    page.fill("input[name=text]", "nothing is called so")
    token = page.evaluate("window.reworld.store.index.scenes[1].token")
    page.goto(f"{html.as_uri()}#s-{token}@1.0")
    page.wait_for_function("window.reworld.player")
    assert page.locator("#player-title").inner_text() == token
    assert page.evaluate("window.reworld.player.step") == 10
    assert faults == []


def test_no_heading_is_hidden(browser: Any, html: Path) -> None:
    page, _ = opened(browser, html)
    for name in page.locator("nav a").evaluate_all("all => all.map(a => a.getAttribute('href'))"):
        page.click(f"nav a[href='{name}']")
        heading = page.locator(f"section{name} h2").first
        seen = heading.evaluate(
            "h => { const b = h.getBoundingClientRect();"
            "return document.elementFromPoint(b.left + 5, b.top + b.height / 2) === h }"
        )
        assert seen, name


def test_every_column_sorts(browser: Any, html: Path) -> None:
    page, faults = opened(browser, html)
    page.wait_for_function("window.reworld")
    table = page.locator("#failures table")
    for column, heading in enumerate(table.locator("thead button").all()):
        for order in ("ascending", "descending"):
            heading.click()
            assert page.locator(f"#failures th[aria-sort={order}]").count() == 1
            texts = [
                (cell.get_attribute("data-sort") or cell.inner_text())
                for cell in table.locator(f"tbody tr td:nth-child({column + 1})").all()
            ]
            if column in (0, 5):
                values = [float(text) for text in texts]
                assert values == sorted(values, reverse=order == "descending")
    assert faults == []
