"""Every command that writes what a user names refuses where another process writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from reworld_agent.cli.main import main
from reworld_agent.core.guards.writers import sole_writer

WHO = "team_name=a authors=b email=c@d.e institution=f country=g"
# The command and its arguments; what is held: a folder, and the name of a file in it.
HELD = {
    "score": ("output_dir={out}/run", "run", ""),
    "score-trajectories": ("trajectories={file} data_split=town_test output={out}/t", "", "t"),
    "drive": ("agent=constant_velocity output_dir={out}/run", "run", ""),
    "explain": ("{out}", "", "explanations.parquet"),
    "look": ("{out} output={out}/look.html", "", "look.html"),
    "report": ("{out}", "", "report.html"),
    "compare": ("{file} {file} output={out}/c.csv", "", "c.parquet"),
    "submit": (f"{{out}} version=1.1 output={{out}}/s.pkl {WHO}", "", "s.pkl"),
    "train": ("agent=reworld stage=1 output_dir={out}/run", "run", ""),
    "mine": ("output_dir={out}/run", "run", ""),
    "fit-statistics": ("output_dir={out}/run", "run", ""),
    "convert": ("from=reworld source={file} output_dir={out}/run", "", "run"),
    "pool convert": ("input={file} output={out}/pool", "pool", ""),
    "train-demo": ("output_dir={out}/run", "run", ""),
    "train-ego-status-mlp": ("output={out}/mlp.safetensors", "", "mlp.safetensors"),
    "video index": ("source=folder root={out} output={out}/i.parquet", "", "i.parquet"),
    "video generate": ("index={file} row=0 output_dir={out}/run", "run", ""),
    "video score": ("real={out} generated={out} output={out}/v", "", "v.parquet"),
    "video probe": ("output={out}/p", "", "p.parquet"),
    "video train-actions": ("checkpoint_path={out} output_dir={out}/run", "run", ""),
    "video control": ("checkpoint_path={out} output_dir={out}/run", "run", ""),
    "video gate": ("output={out}/g", "", "g.parquet"),
    "vocabulary score": ("vocabulary={file} output_dir={out}/run", "run", ""),
    "vocabulary build": ("output={out}/v.npy", "", "v.npy"),
    "vocabulary oracle": ("scores={out} output={out}/o.parquet", "", "o.parquet"),
    "benchmark scorer": ("data={out}:drives output={out}/b", "", "b.csv"),
    "benchmark model": ("output={out}/b", "", "b.parquet"),
    "benchmark data": ("output={out}/b", "", "b.parquet"),
    "benchmark plan": ("output={out}/b", "", "b.parquet"),
    "benchmark stages": ("output_dir={out}/run", "run", ""),
    "benchmark methods": ("output_dir={out}/run", "run", ""),
    "benchmark repulsion": ("init_from={out} pool={file} output_dir={out}/run", "run", ""),
}


@pytest.mark.parametrize("name", HELD)
def test_the_second_writer_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "table.parquet"
    file.write_bytes(b"whatever it holds")
    (tmp_path / "navsim_logs" / "drives").mkdir(parents=True)
    (tmp_path / "navsim_logs" / "drives" / "a.pkl").touch()
    words, folder, held = HELD[name]
    given = words.format(out=tmp_path, file=file).split()
    with sole_writer(tmp_path / folder, held):
        assert main([*name.split(), *given]) == 1
    said = capsys.readouterr().err
    assert "is being written by another process: pid " in said and said.count("\n") == 2, said
    files = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert all(name == file.name or name.endswith(".lock") for name in files), files
