"""Designs as data: arms, seeds, commands and thresholds, written down before any run.

`designs.yaml` beside this file has those of the paper's claims; `designs=FILE` names others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from reworld_agent.config.fields import build_dataclass
from reworld_agent.core.errors import UsageError
from reworld_agent.core.records import read_yaml
from reworld_agent.core.text import is_file_name, shown

SHIPPED = Path(__file__).with_name("designs.yaml")


@dataclass(frozen=True)
class World:
    """The town's version and splits that all designs are about."""

    version: str
    train: str
    validation: str
    test: str


@dataclass(frozen=True)
class Rule:
    """What an effect and its 95 % interval must be; all that is given must hold."""

    low_above: float | None = None
    low_below: float | None = None
    high_above: float | None = None
    high_below: float | None = None
    effect_at_least: float | None = None
    effect_at_most: float | None = None

    def holds(self, effect: float, low: float, high: float) -> bool:
        """Whether it does; False where a number that it asks for is not known."""
        asked = [
            (self.low_above, low, lambda bound: low > bound),
            (self.low_below, low, lambda bound: low < bound),
            (self.high_above, high, lambda bound: high > bound),
            (self.high_below, high, lambda bound: high < bound),
            (self.effect_at_least, effect, lambda bound: effect >= bound),
            (self.effect_at_most, effect, lambda bound: effect <= bound),
        ]
        return all(bound is None or check(bound) for bound, _, check in asked)

    def text(self) -> str:
        """In words."""
        said = {name.replace("_", " "): value for name, value in asdict(self).items()}
        return " and ".join(
            f"{name} {value:g}" for name, value in said.items() if value is not None
        )


@dataclass(frozen=True)
class Measure:
    """Where a number of a run is found.

    Attributes:
        file: below the run's folder.
        column: of it. A score table has a value a scene; of a csv with a column `step` the whole
            curve counts, or its last row; of a table of video metrics the row `metric`.
        metric: see `column`.
        unit: for the page.
        logs: of a score table, the file below the run's folder that has the log of each scene;
            None = the record that planning leaves beside the scores.
    """

    file: str
    column: str
    metric: str | None = None
    unit: str = ""
    logs: str | None = None


@dataclass(frozen=True)
class Contrast:
    """An effect that is estimated, and what it must be.

    Attributes:
        measure: a name of the design's measures.
        arms: factor of each arm; of `speedup` 1 for the arm and -1 for its control.
        kind: `linear`: Σ factor · value; `ratio`: Π value^factor; `speedup`: steps that the
            control needs to its own value at `share` of its budget, over those the arm needs.
        choose: a measure by whose mean the arm with factor 1 is chosen among `among`.
        among: see `choose`.
        share: see `kind`.
        supported, refuted: see `Rule`; a claim needs both to be written down.
    """

    measure: str
    arms: dict[str, float]
    supported: Rule
    refuted: Rule
    kind: Literal["linear", "ratio", "speedup"] = "linear"
    choose: str | None = None
    among: list[str] = field(default_factory=list)
    share: float = 0.6


@dataclass(frozen=True)
class Design:
    """One claim.

    Attributes:
        claim: in a sentence; source: where the paper makes it.
        seeds: of the runs.
        arms: by name, words by the slot of the commands that they fill.
        commands: of every arm and seed; `{seed}`, `{start}`, `{pool}`, `{model}`, `{home}` (of the
            run), `{seed_home}` (what arms share) and the world's splits are filled in, an item
            `{slot}` by the arm's words.
        before: commands of every seed, which its arms share.
        measures, contrasts: by name.
        needs: of `start` and `pool`, what must be given.
        gated: what must have passed the gate: `start`, or nothing (the runs train from scratch;
            their commands hold the gate).
        lacks: what no command can do yet; such a design is refused.
    """

    claim: str
    source: str
    seeds: list[int]
    arms: dict[str, dict[str, list[str]]]
    commands: list[list[str]]
    measures: dict[str, Measure]
    contrasts: dict[str, Contrast]
    before: list[list[str]] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    gated: bool = True
    lacks: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of all of it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Designs:
    """A file of designs."""

    world: World
    designs: dict[str, Design]


def read_designs(file: Path | None = None) -> Designs:
    """The designs of a file; None = the shipped ones.

    Raises:
        UsageError: it cannot be read, or a design names what it does not have.
    """
    path = file or SHIPPED
    try:
        content = read_yaml(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"designs={shown(path)} cannot be read: {error}", "correct it") from error
    found = build_dataclass(Designs, content, "designs")
    for name, design in found.designs.items():
        _check(name, design)
    return found


def _check(name: str, design: Design) -> None:
    _need(
        name, "an arm's name", list(design.arms), lambda arm: is_file_name(arm) and " " not in arm
    )
    _need(name, "needs", design.needs, lambda need: need in ("start", "pool"))
    _need(name, "seeds, each once,", design.seeds, lambda seed: design.seeds.count(seed) == 1)
    each = [("seeds", design.seeds), ("arms", design.arms), ("contrasts", design.contrasts)]
    _need(name, "what it has none of", [what for what, own in each if not own], lambda _: False)
    _need(name, "commands", [*design.before, *design.commands], bool)
    files = [file for one in design.measures.values() for file in (one.file, one.logs) if file]
    _need(name, "a file of its runs", files, _is_below)
    for key, contrast in design.contrasts.items():
        _check_contrast(f"{name}.{key}", contrast, design)


def _is_below(file: str) -> bool:
    """Whether a path stays in the folder that it is looked for in."""
    return bool(file) and all(map(is_file_name, PurePosixPath(file).parts))


def _check_contrast(where: str, contrast: Contrast, design: Design) -> None:
    named = [contrast.measure, *([contrast.choose] if contrast.choose else [])]
    _need(where, "measure", named, lambda one: one in design.measures)
    known = [*design.arms, *(["chosen"] if contrast.choose else [])]
    _need(where, "arms", contrast.arms, lambda one: one in known)
    _need(where, "among", contrast.among, lambda one: one in design.arms)
    pair = sorted(contrast.arms.values()) == [-1, 1]
    enough = pair if contrast.kind == "speedup" else bool(contrast.arms)
    _need(where, f"arms of {contrast.kind}", [] if enough else [contrast.arms], lambda _: False)
    lost = bool(contrast.choose) and not contrast.among
    _need(where, "choose, among nothing,", [contrast.choose] if lost else [], lambda _: False)


def _need(where: str, what: str, values: Iterable[Any], fits: Callable[[Any], bool]) -> None:
    """Raise UsageError for the first value that does not fit."""
    for value in values:
        if not fits(value):
            raise UsageError(f"designs.{where}: {what} cannot be {value}", "correct the file")
