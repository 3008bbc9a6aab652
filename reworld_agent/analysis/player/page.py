"""The page: assets joined into one file that needs nothing else, no server and no network.

The scripts are ES modules; joined, their imports and the word `export` go, so a name of the top
level may stand in one module only. All data are JSON or base64 in script elements that run
nothing; what they say is only ever set as text.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from reworld_agent.analysis.player.contract import FUTURE, MovingScene
from reworld_agent.analysis.player.packing import deflated
from reworld_agent.pdm.metrics import Protocol, metric

ASSETS = Path(__file__).with_name("assets")
LEGEND = (
    "Filled boxes: the agents as the simulator drives them, with the lines that their corners "
    "sweep; dots: the points that were planned; dashed: the human; dotted: PDM-Closed as "
    "simulated; yellow: what is hit; circle: the corner that left the road."
)
FILM_LEGEND = (
    "What was imagined and what really came run in step; the PSNR is that of each picture."
)
_IMPORT = re.compile(r'^import [^;]*? from "\./(\w+)\.js";\n', re.MULTILINE)
_TOP = re.compile(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", re.MULTILINE)


@lru_cache(maxsize=1)
def script() -> str:
    """All modules as one, each after those that it imports.

    Raises:
        ValueError: two modules have a name in common.
    """
    order: list[str] = []
    _visit("main", order)
    owners: dict[str, str] = {}
    joined = []
    for name in order:
        text = asset(f"{name}.js")
        for top in _TOP.findall(text):
            if owners.setdefault(top, name) != name:
                raise ValueError(f"{top} is in {owners[top]}.js and in {name}.js")
        joined.append(re.sub(r"^export ", "", _IMPORT.sub("", text), flags=re.MULTILINE))
    return "\n".join(joined)


def _visit(name: str, order: list[str]) -> None:
    for wanted in _IMPORT.findall(asset(f"{name}.js")):
        if wanted not in order:
            _visit(wanted, order)
    order.append(name)


def asset(name: str) -> str:
    """The text of a file of the assets."""
    return (ASSETS / name).read_text(encoding="utf-8")


def as_json(content: Any) -> str:
    """JSON that can stand in a script element."""
    return json.dumps(content, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", " ")


def data(scenes: Sequence[MovingScene]) -> str:
    """The scripts that hold the index of scenes, each scene, and its pictures."""
    index = [
        {"token": own.token, "kind": own.packed["kind"], **_EMPTY, **own.summary} for own in scenes
    ]
    parts = [_script("application/json", "player-index", as_json({"scenes": index}))]
    for number, own in enumerate(scenes):
        parts.append(_script("text/plain", f"scene-{number}", deflated(own.packed)))
        for image, text in enumerate(own.images):
            parts.append(_script("text/plain", f"image-{number}-{image}", text))
    return "\n".join(parts)


_EMPTY: dict[str, Any] = {
    "score": None,
    "speed": None,
    "metrics": [],
    "sentences": [],
    **dict.fromkeys(("class", "command", "city", "log", "outcome"), ""),
}


def _script(kind: str, name: str, text: str) -> str:
    return f'<script type="{kind}" id="{name}">{text}</script>'


def chip_styles(protocol: Protocol | None) -> str:
    """How the bars and labels of each metric look."""
    if protocol is None:
        return ""
    lines = []
    for row in (metric(name) for name in protocol.explained):
        look, bar = row.look, row.look.colour
        if look.stripe:
            stripes = f"{look.colour} 0 4px, {look.stripe} 4px 6px"
            bar = f"repeating-linear-gradient({look.angle}deg, {stripes})"
        ink, label = "#fff" if look.white else "#000", look.label or look.colour
        lines.append(f".m-{row.short} {{ background: {bar}; }}")
        lines.append(f".chip.m-{row.short} {{ background: {label}; color: {ink}; }}")
    return "\n".join(lines)


def styles(protocol: Protocol | None) -> str:
    """The style sheet of any page with scenes."""
    return "\n".join([asset("page.css"), asset("player.css"), chip_styles(protocol)])


def render(
    title: str,
    lines: Iterable[str],
    scenes: Sequence[MovingScene],
    protocol: Protocol | None,
    pages: Mapping[str, str] | None = None,
    here: str = "",
) -> str:
    """A page of scenes.

    Args:
        title: plain text.
        lines: plain text under the title.
        scenes: what it plays.
        protocol: of the scores, None where there are none.
        pages: what all pages show, by their files, where there are several.
        here: file of this page.
    """
    parts = {
        "TITLE": html.escape(title),
        "HEAD": "\n".join(f'<p class="what">{html.escape(line)}</p>' for line in lines),
        "PAGES": _links(pages or {}, here),
        "CSS": styles(protocol),
        "PLAYER": asset("player_section.html"),
        "FILTERS": asset("filters.html"),
        "LEGEND": html.escape(" ".join([legend(scenes), *_metrics(protocol)])),
        "GALLERY_HIDDEN": "" if len(scenes) > 1 else "hidden",
        "DATA": data(scenes),
        "SCRIPT": script(),
    }
    template = re.split(r"@([A-Z_]+)@", asset("player.html"))
    return "".join(parts[part] if i % 2 else part for i, part in enumerate(template))


def legend(scenes: Iterable[MovingScene]) -> str:
    """What the pictures of the gallery show."""
    kinds = {own.packed["kind"] for own in scenes}
    return FILM_LEGEND if kinds == {FUTURE} else LEGEND


def _metrics(protocol: Protocol | None) -> list[str]:
    """What the short names of the metrics stand for."""
    if protocol is None:
        return []
    rows = (metric(name) for name in protocol.explained)
    return [f"Metrics: {', '.join(f'{row.short} {row.title}' for row in rows)}."]


def _links(pages: Mapping[str, str], here: str) -> str:
    """Links to the other pages."""
    links = [
        f'<a href="{html.escape(quote(name))}"{current}>{html.escape(said)}</a>'
        for name, said in pages.items()
        for current in [' aria-current="page"' if name == here else ""]
    ]
    return f'<nav aria-label="pages of this run">{" ".join(links)}</nav>' if links else ""
