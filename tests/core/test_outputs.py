"""No output of any command may be one of its inputs, by whatever name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from reworld_agent.core.errors import UsageError
from reworld_agent.core.result_tables import write_csv, write_parquet
from reworld_agent.core.sections import section
from reworld_agent.core.settings import Settings, setting


@dataclass(frozen=True, kw_only=True)
class _Part(Settings, prefix="part"):
    weights: Path | None = setting("looked for elsewhere", None, reads=True)


@dataclass(frozen=True, kw_only=True)
class _Command(Settings):
    source: Path | None = setting("a file", None, exists="file")
    data: Path | None = setting("a folder", None, exists="folder")
    output: Path | None = setting("a table", None, writes=("", ".csv"))
    output_dir: Path | None = setting("a folder", None, writes="folder", makes=("weights",))
    part: _Part = section(_Part)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a table, a link to it, a log in a folder of data, and weights."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.parquet").write_bytes(b"PAR1 foreign")
    (tmp_path / "link").symlink_to("in.parquet")
    os.link(tmp_path / "in.parquet", tmp_path / "hard")
    (tmp_path / "data" / "logs").mkdir(parents=True)
    (tmp_path / "data" / "logs" / "a.pkl").write_bytes(b"log")
    (tmp_path / "data" / "poses.csv").write_text("x\n")
    (tmp_path / "run" / "weights").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    "output",
    ["in.parquet", "./data/../in.parquet", "link", "hard", "{here}/in.parquet", "data/../link"],
)
def test_a_file_by_any_of_its_names(here: Path, output: str) -> None:
    with pytest.raises(UsageError, match=r"would overwrite the input source=in\.parquet"):
        _Command(source=Path("in.parquet"), output=Path(output.format(here=here)))


def test_a_file_in_a_folder_that_is_read(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be an input; a new file, and a table of ours written anew, are none."""
    for output in ("data/logs/a.pkl", "data/poses", "data/poses.parquet"):
        with pytest.raises(UsageError, match="which lies in data=data"):
            _Command(data=Path("data"), output=Path(output))
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(here / "data"))
    with pytest.raises(UsageError, match="which lies in OPENSCENE_DATA_ROOT="):
        _Command(output=Path("data/logs/a.pkl"))
    (here / "data" / "navsim_logs" / "mini").mkdir(parents=True)
    (here / "data" / "navsim_logs" / "mini" / "b.pkl").touch()
    _Command(output=Path("data/logs/a.pkl"))  # of a root of NAVSIM's, its own folders are data
    with pytest.raises(UsageError, match=r"which lies in OPENSCENE_DATA_ROOT=.*navsim_logs"):
        _Command(output=Path("data/navsim_logs/mini/b.pkl"))
    (here / "data" / "navsim_logs").rename(here / "moved")
    table = pd.DataFrame({"token": ["a"]})
    _Command(data=Path("data"), output=Path("data/scores.parquet"))
    write_parquet(here / "data" / "scores.parquet", table, {"protocol": "x"})
    write_csv(here / "data" / "scores.csv", table)
    _Command(data=Path("data"), output=Path("data/scores.parquet"))
    table.to_parquet(here / "data" / "scores.parquet")  # now somebody else's
    with pytest.raises(UsageError, match="which lies in data=data"):
        _Command(data=Path("data"), output=Path("data/scores.parquet"))


def test_what_a_folder_is_made_anew_with(here: Path) -> None:
    """Inputs of sections count too."""
    part = _Part(weights=here / "run" / "weights")
    with pytest.raises(
        UsageError, match=r"output_dir=run would overwrite the input part\.weights="
    ):
        _Command(output_dir=Path("run"), part=part)
    with pytest.raises(UsageError, match=r"would overwrite the input part\.weights="):
        _Command(output_dir=Path("run"), part=_Part(weights=Path("run/weights/model.safetensors")))
    _Command(output_dir=Path("run/next"), part=part)
    with pytest.raises(UsageError, match="would overwrite the input data="):
        _Command(data=Path("data"), output_dir=Path("data"))
