"""The report in a real browser: no errors, working filters, nothing wider than a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reworld_agent.cli.main import main
from reworld_agent.pdm.cache_io.folder import SceneCaches
from tests.analysis.runs import where

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM} on this machine")
    with api.sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def html(run: Path, caches: SceneCaches, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    words = ["report", str(run), f"beside={run}", "gallery=3", f"output={path}", *where(caches)]
    assert main(words) == 0
    return path


def opened(browser: Any, html: Path, width: int, scheme: str = "light") -> tuple[Any, list[str]]:
    """The page, and everything it complains about or asks the network for."""
    page = browser.new_page(
        viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
    )
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    page.on("request", lambda own: faults.append(own.url) if own.url.startswith("http") else None)
    page.goto(html.as_uri())
    return page, faults


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_loads_and_fits(browser: Any, html: Path, width: int, scheme: str) -> None:
    page, faults = opened(browser, html, width, scheme)
    assert faults == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    loaded = page.evaluate(
        "async () => { for (const i of document.images) { i.loading = 'eager'; await i.decode(); } "
        "return [...document.images].every(i => i.naturalWidth > 300) }"
    )
    assert loaded
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(255, 255, 255)") == (scheme == "light")


def test_filters(browser: Any, html: Path) -> None:
    page, faults = opened(browser, html, 1280)
    items = page.locator("li[data-scene]:visible")
    total = items.count()
    metrics = page.locator("select[name=metric] option").all_inner_texts()[1:]
    assert total >= 3 and len(metrics) >= 2
    for metric in metrics:
        page.select_option("select[name=metric]", metric)
        shown = [own.get_attribute("data-metric").split("|") for own in items.all()]
        every = page.locator(f"li[data-scene][data-metric*={metric}]").count()
        assert len(shown) == every > 0 and all(metric in own for own in shown)
    page.click("button[type=reset]")
    page.wait_for_function(f"document.getElementById('shown').textContent.startsWith('{total} ')")
    token = page.locator("li[data-scene] a").first.inner_text()
    page.fill("input[name=text]", token)
    assert items.count() == 1 and page.locator("article:visible").count() == 1
    page.fill("input[name=text]", "nothing is called so")
    assert items.count() == 0
    assert faults == []


def test_a_bar_filters_and_links_reach_their_scene(browser: Any, html: Path) -> None:
    page, faults = opened(browser, html, 1280)
    bar = page.locator("button[data-key=class]").first
    wanted, count = bar.get_attribute("data-value"), bar.locator(".count").inner_text()
    bar.click()
    assert page.input_value("select[name=class]") == wanted
    assert page.locator("li[data-scene]:visible").count() == int(count)
    page.fill("input[name=text]", "nothing is called so")
    token = page.locator("article").first.get_attribute("id")
    page.goto(f"{html.as_uri()}#{token}")
    page.wait_for_selector(f"article#{token}:visible")
    assert faults == []
