"""The base installation: what it must do while no library of any extra is there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from reworld_agent.core.errors import ReWorldError
from reworld_agent.core.extras import EXTRA_OF, not_installed, require_installed

ROOT = Path(__file__).resolve().parents[2]
# Not of an extra, but of no use to who scores: geopandas is the tests', rich is nobody's.
ABSENT = sorted({*EXTRA_OF, "geopandas", "rich", "sentencepiece"})
NEED_AN_EXTRA = (  # what in these packages draws, or runs agents
    "reworld_agent.analysis.figures",
    *(
        f"reworld_agent.analysis.player.{name}_pictures"
        for name in ("future", "recorded", "rollout")
    ),
    "reworld_agent.analysis.reporting",
    "reworld_agent.evaluation.agents",
    "reworld_agent.evaluation.compose",
    "reworld_agent.evaluation.run",
    "reworld_agent.scenes.synthetic.drive_images",
    "reworld_agent.scenes.synthetic.render.",
)
WITHOUT_EXTRAS = f"""
import sys
sys.modules.update(dict.fromkeys({ABSENT!r}))  # None: importing it raises, and it is not found
"""
IMPORT_ROOMS = f"""
from importlib import import_module
from pkgutil import walk_packages

for room in ("core", "scenes", "pdm", "analysis", "submission", "evaluation", "doctor"):
    package = import_module("reworld_agent." + room)
    for module in walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.startswith({NEED_AN_EXTRA!r}) and not module.name.endswith("__main__"):
            import_module(module.name)
"""
RUN_COMMAND = """
from reworld_agent.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def _run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_EXTRAS + script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_scoring_and_analysis_need_no_extra() -> None:
    done = _run(IMPORT_ROOMS + RUN_COMMAND, "doctor", "--json")  # scores the golden scene
    assert done.returncode == 0, done.stderr
    found = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert found["golden scene"]["status"] == "ok"
    assert found["extras"]["what"].startswith("installed: none; not installed: images, figures")
    assert not {"gpu", "navsim", "shipped weights"} & set(found)


@pytest.mark.parametrize(
    ("arguments", "library", "extra"),
    [
        (["score", "agent=human"], "hydra", "model"),
        (["report", "{folder}"], "jinja2", "figures"),
        (["explain", "{folder}", "pictures=true"], "matplotlib", "figures"),
        (["synth", "data_split=town_test", "output_dir={folder}/town"], "cv2", "images"),
    ],
)
def test_a_command_says_which_extra_it_needs(
    arguments: list[str], library: str, extra: str, tmp_path: Path
) -> None:
    done = _run(RUN_COMMAND, *(word.format(folder=tmp_path) for word in arguments))
    assert done.stderr.splitlines() == [
        f"error: this needs {library}, which is not installed",
        f"  next: pip install 'reworld-agent[{extra}]'",
    ]
    assert done.returncode == 1
    assert not list(tmp_path.iterdir())


def test_a_library_of_no_extra_is_a_broken_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRA_OF, "no_such_library", "figures")
    with pytest.raises(ReWorldError, match="this needs no_such_library"):
        require_installed("numpy", "no_such_library")
    told = not_installed("pyproj.crs")
    assert "incomplete (pyproj.crs is missing)" in told.message
