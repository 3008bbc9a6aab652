"""A process whose numeric libraries are wrong scores nothing, whichever entry point it takes."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import shapely

from reworld_agent import pdm
from reworld_agent.core.errors import ReWorldError
from reworld_agent.evaluation.file_scores import score_file
from reworld_agent.evaluation.run import evaluate
from reworld_agent.pdm.batch import ChunkTask, score_chunk
from reworld_agent.pdm.golden import (
    constants,
    log_replay,
    map_routines,
    reactive,
    routines,
    shipped,
    two_stage,
)
from reworld_agent.pdm.golden.finding import check_golden
from reworld_agent.pdm.metrics import comfort
from reworld_agent.pdm.plan_rows import plan_row
from reworld_agent.training.mining.run import run_mining
from tests.pdm.straight_road import scene, straight

DRAWN = {"margins.py"}  # lines over time that the player draws; no score or record comes from them
LIBRARIES: dict[str, Any] = {"np": np, "math": math, "shapely": shapely}
NUMERIC = ("np", "math", "shapely", "pyproj", "scipy")
CHECKED = {name for name, *_ in (*routines.ROUTINES, *map_routines.ROUTINES)}
# Memory, files and types; and what only warns (median) or whose result the map's shapes show.
WITHOUT_NUMBERS = {
    *("np.empty", "np.dtype", "np.errstate", "np.int64", "np.ndarray", "np.savez"),
    *("np.lib.format.read_array", "np.median", "shapely.prepare", "pyproj.Transformer.from_crs"),
}


@pytest.fixture
def unasked() -> Iterator[None]:
    """A process that has not scored yet, before and after."""
    asked = (log_replay.require_golden, reactive.require_reactive, two_stage.require_two_stage)
    for check in (*asked, map_routines.require_map_routines):
        check.cache_clear()
    yield
    for check in (*asked, map_routines.require_map_routines):
        check.cache_clear()


def _called_outside_kernels(tree: ast.AST) -> Iterator[str]:
    """Dotted names of the routines that Python itself calls: kernels are compiled."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            marks = {mark.id for mark in node.decorator_list if isinstance(mark, ast.Name)}
            if marks & {"kernel", "helper"}:
                continue
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name.replace(".", "").isidentifier() and name.split(".")[0] in NUMERIC:
                yield name
        yield from _called_outside_kernels(node)


def test_every_routine_of_the_scorer_is_checked() -> None:
    package = Path(pdm.__file__).parents[1]
    files = [file for room in ("pdm", "scenes") for file in (package / room).rglob("*.py")]
    used = {
        name
        for file in files
        if not {"synthetic", "golden", "compiling.py", *DRAWN} & set(file.parts)
        for name in _called_outside_kernels(ast.parse(file.read_text(encoding="utf-8")))
    }
    assert used - CHECKED - WITHOUT_NUMBERS == set()


@pytest.mark.parametrize("wrong", [lambda x: x * 1.5, lambda x: x + 1e-3], ids=["1.5", "1e-3"])
def test_every_wrong_routine_is_refused(
    monkeypatch: pytest.MonkeyPatch, wrong: Callable[[Any], Any]
) -> None:
    def broken(right: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments, **options: wrong(right(*arguments, **options))

    table = [*routines.ROUTINES, *map_routines.ROUTINES]
    missed = []
    for name in sorted({name for name, _, expected in table if _has_numbers(expected)}):
        library, *path = name.split(".")
        owner = LIBRARIES.get(library)
        for part in path[:-1]:
            owner = getattr(owner, part)
        if owner is None or isinstance(owner, np.ufunc):
            continue  # parts of types, which nothing can replace
        with monkeypatch.context() as patched:
            patched.setattr(owner, path[-1], broken(getattr(owner, path[-1])))
            try:
                routines.require_routines(table)
            except ReWorldError:
                continue
        missed.append(name)
    assert missed == []


def _has_numbers(expected: Any) -> bool:
    """Whether 1.5 times what is expected is something else."""
    if isinstance(expected, list):
        return any(_has_numbers(one) for one in expected)
    return not isinstance(expected, bool) and expected != 0


def _entries(folder: Path) -> dict[str, Callable[[], object]]:
    """Every entry point to scoring, with as little behind it as it takes to be refused."""
    settings: Any = SimpleNamespace(
        output_dir=folder,
        moving="log_replay",
        traffic_used="log_replay",
        two_stage=False,
        outputs=list,  # it writes nothing
    )
    road, poses = scene({}), straight(5.0)
    caches: Any = None
    return {
        "score": lambda: pdm.score(road, poses),
        "score of epdms_v2": lambda: pdm.score(road, poses, "epdms_v2"),
        "score_many": lambda: pdm.score_many([road], poses, progress=False),
        "a worker's chunk": lambda: score_chunk(ChunkTask(caches, "pdms_v1", False, ())),
        "a plan of two stages": lambda: plan_row(road, poses[0]),
        "reworld score": lambda: evaluate(settings),
        "reworld score_trajectories": lambda: score_file(settings),
        "reworld mine": lambda: run_mining(settings),
    }


@pytest.mark.usefixtures("unasked")
@pytest.mark.parametrize("routine", ["linalg.pinv", "linalg.cholesky", "unwrap", "searchsorted"])
def test_every_entry_point_refuses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, routine: str
) -> None:
    """`linalg.pinv` is the fault that made EPDMS .6964 instead of .9464."""
    owner: Any = np.linalg if routine.startswith("linalg") else np
    name = routine.split(".")[-1]
    right = getattr(owner, name)
    entries = _entries(tmp_path)
    monkeypatch.setattr(owner, name, lambda *a, **k: right(*a, **k) * 1.5)
    for entry, call in entries.items():
        with pytest.raises(ReWorldError, match=rf"refusing to score: np\.{routine} is wrong"):
            call()
            pytest.fail(entry)
    finding = check_golden()
    assert finding.status == "fail" and finding.what.startswith(f"np.{routine} is wrong here")


@pytest.mark.usefixtures("unasked")
def test_maps_are_not_read_with_wrong_libraries(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    area = shapely.area
    monkeypatch.setattr(shapely, "area", lambda shape: area(shape) + 1e-3)
    with pytest.raises(ReWorldError, match=r"shapely\.area is wrong here: 4\.001, not 4\.0"):
        pdm.build_scene_cache(tmp_path, tmp_path, "toy", "a token")


@pytest.mark.usefixtures("unasked")
def test_a_wrong_constant_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linear algebra was wrong at import and is right by now."""
    wrong = comfort._SMOOTH.copy()
    wrong[20, 3] += 1e-6
    monkeypatch.setattr(comfort, "_SMOOTH", wrong)
    with pytest.raises(ReWorldError, match="linear algebra computes differ by 1e-06"):
        log_replay.require_golden()


@pytest.mark.usefixtures("unasked")
@pytest.mark.parametrize(
    ("module", "numbers", "ask"),
    [
        (log_replay, "log_replay_scores", log_replay.require_golden),
        (reactive, "reactive_scores", reactive.require_reactive),
        (two_stage, "two_stage_scores", two_stage.require_two_stage),
    ],
)
def test_deviating_scores_are_refused(
    monkeypatch: pytest.MonkeyPatch, module: Any, numbers: str, ask: Callable[[], None]
) -> None:
    ask()
    ask.cache_clear()  # type: ignore[attr-defined]
    right = getattr(module, numbers)
    for error in (1e-3, float("nan")):
        monkeypatch.setattr(
            module, numbers, lambda *a, e=error: {k: v + e for k, v in right(*a).items()}
        )
        with pytest.raises(ReWorldError, match=r"the golden scene's .* differ"):
            ask()


def test_a_missing_column_deviates() -> None:
    assert math.isnan(shipped.deviation({}, {"score": [1.0]}))
    assert math.isnan(shipped.deviation({"score": [1.0]}, {"score": [1.0, 1.0]}))
    assert shipped.deviation(constants.numeric_constants(), shipped.expected()["constants"]) < 1e-8
