"""How fast pages of scenes open and scroll in headless Chromium.

`python -m tests.analysis.page_times FILE.html ...` prints a row a page: size, time from the request
to the first card that is drawn and to the first scene that plays, and, while every page of the
gallery scrolls past at 3,600 px/s as soon as it is turned to, the times between frames and the
tasks that take longer than 50 ms; at the end the heap after a garbage collection.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.analysis.browser import launched, opened

FIRST = "document.querySelector('article canvas[aria-label^=\"bird\"], article img')"
SCROLL = """() => new Promise((done) => {
  const gaps = [], tasks = [], gallery = window.reworld.gallery;
  const watch = new PerformanceObserver((list) => {
    list.getEntries().forEach((own) => tasks.push(own.duration));
  });
  watch.observe({ type: "longtask" });
  let before = performance.now(), page = gallery.page;
  const step = (now) => {
    gaps.push(now - before);
    before = now;
    window.scrollBy(0, 60);
    const end = window.scrollY + window.innerHeight >= document.documentElement.scrollHeight - 2;
    if (end) {
      gallery.turn(page + 1);
      if (gallery.page === page) {
        setTimeout(() => { watch.disconnect(); done([gaps.slice(1), tasks]); }, 200);
        return;
      }
      page = gallery.page;
      window.scrollTo(0, 0);
    }
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})"""


def measured(browser: Any, html: Path) -> dict[str, float]:
    """Times [ms] of one page."""
    page, faults = opened(browser, html)
    page.wait_for_function(FIRST)
    first = page.evaluate("performance.now()")
    gaps, tasks = page.evaluate(SCROLL)
    gaps.sort()
    page.wait_for_function("window.reworld.gallery.wanted.length === 0")
    start = page.evaluate("performance.now()")
    page.evaluate("window.reworld.open(0)")
    page.wait_for_function("window.reworld.player")
    opens = page.evaluate("performance.now()") - start
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")["usedSize"]
    page.close()
    assert faults == [], faults
    return {
        "MB": html.stat().st_size / 1e6,
        "first card": first,
        "opens": opens,
        "frames": len(gaps),
        "median": gaps[len(gaps) // 2],
        "99 %": gaps[int(0.99 * len(gaps))],
        "longest": gaps[-1],
        "above 50": sum(gap > 50.0 for gap in gaps),
        "tasks above 50": len(tasks),
        "longest task": max(tasks, default=0.0),
        "heap MB": heap / 1e6,
    }


def main(files: list[str]) -> None:
    """Print a row a page."""
    for browser in launched():
        for name in files:
            row = measured(browser, Path(name).absolute())
            told = ", ".join(f"{key} {value:.1f}" for key, value in row.items())
            print(f"{Path(name).name}: {told}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
