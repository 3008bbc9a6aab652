"""Examples of the documentation, run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from reworld_agent.scenes.splits import resolve_split
from tests.docs.pages import DOCS, ROOT, files_of

_PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_agent_of_the_page_is_scored(tmp_path: Path) -> None:
    names = [path.name for path in files_of(DOCS / "extending" / "agent.md", tmp_path)]
    assert names == ["my_planner.py", "braking.yaml"]
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / "run_pdm_score.py"), "--config-dir", "my_configs"),
            *("agent=braking", "train_test_split.scene_filter.max_scenes=2", "output_dir=out"),
            "worker=sequential",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([".", str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "out" / "pdm_scores.csv")
    assert len(table) == 3 and table["valid"].iloc[:2].all()


def test_the_scorer_of_the_page_scores() -> None:
    (code,) = _PYTHON.findall((DOCS / "guides" / "evaluate.md").read_text(encoding="utf-8"))
    roots = resolve_split("town_test")
    log = sorted(roots.logs.glob("*.pkl"))[0]
    token = pd.read_pickle(log)[3]["token"]
    names = {
        "data_root": roots.data_root,
        "maps_root": roots.maps_root,
        "token": token,
        "poses": np.zeros((2, 8, 3)),
    }
    exec(code.replace('"test"', '"town_test"'), names)
    result = names["result"]
    assert isinstance(result, dict)
    assert result["no_at_fault_collisions"].shape == (2,)
    assert "no_at_fault_collisions_failure_time_s" in result
