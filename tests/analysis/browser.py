"""Pages in headless Chromium: opened from disk, with everything that they complain about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
_PATIENCE_MS = 120_000  # a busy machine draws slowly
_QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-3d-apis", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def launched() -> Iterator[Any]:
    """Headless Chromium without WebGL; skips, with the reason, where it or Playwright is absent."""
    api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM} on this machine")
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=list(_QUIET))
        yield browser
        browser.close()


def opened(
    browser: Any,
    html: Path,
    width: int = 1280,
    scheme: str = "light",
    link: str = "",
    strict: bool = False,
) -> tuple[Any, list[str]]:
    """The page, and everything it complains about or asks the network for.

    A strict page keeps its own rule against whatever is not in it; `wait_for_function` needs eval.
    """
    page = browser.new_page(
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
        reduced_motion="reduce",
        bypass_csp=not strict,
    )
    page.set_default_timeout(_PATIENCE_MS)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    page.on("request", lambda own: faults.append(own.url) if own.url.startswith("http") else None)
    page.goto(html.as_uri() + link)
    return page, faults
