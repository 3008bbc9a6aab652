"""The page on the recipes: every option in which they differ, its values, and tests that exist."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from reworld_agent.config import load_model_config
from reworld_agent.negatives.settings import NegativeSettings
from reworld_agent.training.stages import STAGES, load_stage, stage_table
from tests.docs.pages import DOCS, ROOT

_ROW = re.compile(r"^\| ([\w ,]+) \| `([\w.]+)` \| (\S+) \| (\S+) \| `(\w+)` \|$", re.MULTILINE)
Differences = dict[tuple[str, str], tuple[str, str]]


def rows() -> list[tuple[str, str, str, str, str]]:
    """The table: of, option, paper, release, test."""
    return _ROW.findall((DOCS / "guides" / "recipes.md").read_text(encoding="utf-8"))


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Values by dotted names, as the page writes them."""
    found: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{before}{key}.")
        elif key == "phases":
            found[before + key] = str(len(value) or "none")
        elif isinstance(value, list | tuple):
            found[before + key] = ", ".join(map(str, value)) or "none"
        elif value is None or isinstance(value, bool):
            found[before + key] = {None: "none", True: "true", False: "false"}[value]
        else:
            found[before + key] = str(value)
    return found


def differences(paper: Mapping[str, Any], release: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Options that the recipes have otherwise."""
    one, other = flat(paper), flat(release)
    names = (one.keys() | other.keys()) - {"recipe"}
    pairs = {name: (one.get(name, "none"), other.get(name, "none")) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def expected() -> Differences:
    """All of them: the model's, those of stages that share them, and mining's."""
    configs = [load_model_config("paper", r).to_dict() for r in ("paper", "release")]
    found: Differences = {("model", k): v for k, v in differences(*configs).items()}
    stages = defaultdict(list)
    for stage in STAGES:
        tables = [stage_table(load_stage(stage, r, "paper")) for r in ("paper", "release")]
        for option, pair in differences(*tables).items():
            stages[option, pair].append(stage)
    found |= {(f"stage {', '.join(s)}", option): pair for (option, pair), s in stages.items()}
    spaces = [str(NegativeSettings().under(recipe).space) for recipe in ("paper", "release")]
    return {**found, ("mining", "hard_negatives.space"): (spaces[0], spaces[1])}


def test_the_page_lists_what_differs_and_nothing_else() -> None:
    assert {(of, option): (paper, release) for of, option, paper, release, _ in rows()} == (
        expected()
    )


def test_every_option_is_held_by_a_test() -> None:
    known = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")
    )
    assert not [name for *_, name in rows() if f"def {name}(" not in known]
