"""Pages say what is there: packages, layers, menu, API, version."""

from __future__ import annotations

import configparser
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from reworld_agent import __version__
from reworld_agent.pdm.metrics import Protocol
from reworld_agent.pdm.metrics.table import EPDMS_V2, OFFICIAL, PDMS_V1
from tests.docs.pages import DOCS, ROOT, pages, prose

PACKAGE = ROOT / "reworld_agent"
_LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")


def packages() -> set[str]:
    """Folders of the package that hold more than what Python has compiled."""
    held = {path.parent.name for path in PACKAGE.glob("*/*") if path.name != "__pycache__"}
    return held - {"__pycache__"}


def modules() -> set[str]:
    """Modules beside the packages."""
    return {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py"}


def test_the_architecture_lists_every_package_and_no_other() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.]+/?)` \|", text, re.MULTILINE)
    assert len(rows) == len(set(rows))
    assert {row[:-1] for row in rows if row.endswith("/")} == packages()
    assert {row for row in rows if row.endswith(".py")} == modules()


def test_the_architecture_shows_the_layers_that_are_kept() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    drawn = text.split("## Layers")[1].split("```text\n")[1].split("```")[0]
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter", encoding="utf-8")
    kept = contracts["importlinter:contract:house"]["layers"]
    names = [set(re.findall(r"\w+", line)) for line in drawn.splitlines()]
    assert names == [set(re.findall(r"\w+", line)) for line in kept.strip().splitlines()]


class _AnyTag(yaml.SafeLoader):
    """YAML with tags that only the site's builder knows."""


_AnyTag.add_multi_constructor("", lambda loader, tag, node: None)


def navigation() -> list[str]:
    """Files of the site's menu."""
    config: dict[str, Any] = yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), _AnyTag)

    def files(node: Any) -> list[str]:
        if isinstance(node, str):
            return [node]
        children = node.values() if isinstance(node, dict) else node
        return [name for child in children for name in files(child)]

    return files(config["nav"])


def test_every_page_is_in_the_menu_once() -> None:
    menu = navigation()
    written = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} | {"commands.md"}
    assert len(menu) == len(set(menu)) and set(menu) == written


def test_the_api_covers_every_package() -> None:
    text = "".join(page.read_text("utf-8") for page in (DOCS / "api").glob("*.md"))
    told = set(re.findall(r"^::: reworld_agent\.(\w+)$", text, re.MULTILINE))
    own = {"cli", "benchmarks", "weights"}
    assert told == (packages() | {Path(name).stem for name in modules()}) - own
    nested = re.findall(r"^::: (\w+\.\w+\.\w+)$", text, re.MULTILINE)
    assert all((ROOT / name.replace(".", "/")).is_dir() for name in nested)


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in links."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings]
    return {"#" + re.sub(r"[-\s]+", "-", heading) for heading in plain}


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = prose(page)
    missing = []
    for link, anchor in _LINK.findall(text):
        target = page.parent / link if link else page
        if link.startswith(("http", "mailto:")):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            missing.append(link + anchor)
    assert not missing


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_names_a_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"/(home|root|Users|work|mnt)/|~/", text.replace("`~/.cache/reworld`", ""))


def test_changelog_and_citation_have_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{__version__}]" in changelog
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    authors = citation["preferred-citation"]["authors"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    names = [f"{author['given-names']} {author['family-names']}" for author in authors]
    assert " and ".join(names) in " ".join(readme.split())


def test_the_conventions_have_the_table_of_metrics() -> None:
    text = (DOCS / "conventions.md").read_text(encoding="utf-8")
    section = text.split("## Protocols and columns")[1].split("\n## ")[0]
    rows = [[cell.strip(" `") for cell in row.split("|")[1:-1]] for row in section.splitlines()]
    told = {row[1]: row for row in rows if len(row) == 5 and row[0] not in ("short", "---")}
    assert set(told) == {metric.name for metric in OFFICIAL}
    for metric in OFFICIAL:
        short, _, values, *roles = told[metric.name]
        assert short.rstrip(".") == metric.short
        assert values == ", ".join(_VALUES[value] for value in metric.allowed) or not metric.allowed
        for role, protocol in zip(roles, (PDMS_V1, EPDMS_V2), strict=True):
            assert role.split(",")[0] == _role(metric.name, protocol)


_NONE = "\N{EN DASH}"
_VALUES = {0.0: "0", 0.5: "½", 1.0: "1"}


def _role(name: str, protocol: Protocol) -> str:
    if name in protocol.multipliers:
        return "multiplies"
    if name in protocol.weights:
        return f"weight {protocol.weights[name]:g}"
    return "reported" if name in protocol.reported else _NONE


def test_extras_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = set(project["optional-dependencies"])
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+`) \|", text.split("| extra |")[1], re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == extras
    for page in pages():
        for asked in re.findall(r"\.\[([\w,]+)\]", page.read_text(encoding="utf-8")):
            assert set(asked.split(",")) <= extras, page
