"""score, train, mine, fit-statistics: what they refuse, before anything is written or imported."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from reworld_agent.cli import main as cli
from reworld_agent.core.sections import all_fields
from reworld_agent.core.settings import checked
from reworld_agent.evaluation.compose import FIT, MINE, SCORE, TRAIN
from reworld_agent.training import TrainRun

ROOT = Path(__file__).resolve().parents[2]

REFUSED = [
    # words
    ("score", "agnet=reworld", r"agnet= is unknown\n.*did you mean agent=\?"),
    ("score", "--agent=human", r"cannot read --agent=human\n.*did you mean agent=human\?"),
    ("score", "human", r"cannot read human\n.*reworld score"),
    ("score", "+foo=1", r"foo= is unknown"),
    ("score", "workers=1 workers=2", r"workers= is given twice\n.*give it once"),
    ("score", "agent=", r"agent= has no value"),
    ("score", "agent.chekpoint_path=a", r"did you mean agent\.checkpoint_path=\?"),
    ("score", "+agent.video.context_tokens=true", r"agent\.video= is not an argument of .*Agent"),
    ("score", "agent=human +agent.speed=3", r"agent\.speed= is not an argument of .*HumanAgent"),
    ("score", "agent=nobody", r"agent=nobody: there is no such agent\n.*one of .*human"),
    ("score", "beside=[human,nobdy]", r"the agent 'nobdy' cannot be composed"),
    ("score", "train_test_split=town_tset", r"no such split\n.*=town_test\? .*NAVSIM_DEVKIT_ROOT"),
    ("score", "train_test_split=navtest", r"no such split\n.*OPENSCENE_DATA_ROOT"),
    ("score", "train_test_split.data_split=minni", r"'minni' is not embedded.*OPENSCENE_DATA_ROOT"),
    ("score", "train_test_split.scene_filter.max_scene=3", r"filter\.max_scene= is unknown\n"),
    ("score", "cache_dir=a=b", r"cache_dir=a=b: .*\n.*quotes"),
    ("train", "validation.evry=3", r"did you mean validation\.every=\?"),
    ("train", "+validation.evry=3", r"did you mean validation\.every=\?"),
    ("train", "trainer.params.max_stps=3", r"did you mean trainer\.params\.max_steps=\?"),
    ("train", "+trainer.params.foo=3", r"trainer\.params\.foo= is unknown"),
    ("train", "agent.overrides.pace=3", r"agent\.overrides\.pace= is unknown"),
    ("train", "+agent.stuff=3", r"agent\.stuff= is unknown"),
    ("mine", "candidates.cont=3", r"did you mean candidates\.count=\?"),
    ("fit-statistics", "stage=1", r"stage= is unknown"),
    # values
    ("score", "resume=maybe", r"resume=maybe must be true or false\n.*default is resume=true"),
    ("score", "batch_size=0", r"batch_size=0 must be an integer of at least 1"),
    ("score", "workers=abc", r"workers=abc must be an integer of at least 1, or null"),
    ("score", "worker=threads", r"worker=threads must be one of sequential, processes, ray"),
    ("score", "protocol=epdms", r"protocol=epdms must be one of .*\n.*protocol=epdms_v2\?"),
    ("score", "traffic=reactive", r"traffic=reactive is of NAVSIM v2"),
    ("score", "two_stage=true", r"two stages are of NAVSIM v2"),
    ("score", "train_test_split.scene_filter.max_scenes=0", r"max_scenes=0 must be an integer"),
    ("score", "train_test_split.scene_filter.max_scenes=-1", r"max_scenes=-1 must be an integer"),
    ("train", "seed=abc", r"seed=abc must be an integer from 0 to 4294967295"),
    ("train", "seed=-1", r"seed=-1 must be an integer from 0 to 4294967295"),
    ("train", "seed=null", r"seed= has no value"),
    ("train", "checkpoint_steps=0", r"checkpoint_steps=0 must be an integer of at least 1"),
    ("train", "stage=9", r"stage=9 does not exist\n.*planner"),
    ("train", "model=huge", r"model=huge does not exist"),
    ("train", "random_encoder=abc", r"random_encoder=abc must be true or false"),
    ("train", "protocol=table3", r"protocol=table3 must be one of paper, table2"),
    ("train", "representation=jepa", r"representation=jepa does not exist"),
    ("train", "trainer.params.max_steps=0", r"max_steps=0 must be 1 or more, or -1"),
    ("train", "trainer.params.devices=true", r"devices=true must be a number, auto"),
    ("train", "dataloader.params.num_workers=-1", r"num_workers=-1 must be an integer"),
    ("train", "agent.overrides=3", r"agent\.overrides=3 must be a table"),
    ("train", "agent.overrides.learning_rate=nan", r"learning_rate = nan\n.*finite number"),
    ("train", "validation.split=nowhere", r"'nowhere' is not embedded"),
    ("train", "validation.hold_out=2", r"validation\.hold_out=2 must be below 1"),
    ("train", "clips=nowhere.parquet", r"clips=nowhere\.parquet: no such file"),
    ("train", "stage=3 hard_negatives.pool=nowhere", r"hard_negatives\.pool=nowhere: no such file"),
    ("train", "stage=2 encoder=here", r"encoder= with stage=2"),
    ("mine", "train_test_split=town_val", r"the split town_val is held out for testing"),
    ("mine", "hard_negatives.delta=2", r"hard_negatives\.delta=2 must be a finite number above 0"),
    ("fit-statistics", "model=paper", r"model=paper has a trained codec"),
    ("fit-statistics", "+agent.x.y=1", r"agent\.x\.y= is unknown"),
    ("fit-statistics", "agent.checkpoint_path=a", r"agent\.checkpoint_path= is unknown"),
    ("train", "agent.overrides.learning_rate=1e300", r"learning_rate must be from 0 to 10"),
    ("score", "workers=100000", r"workers=100000 is beyond 1024"),
]


@pytest.mark.parametrize(("command", "words", "message"), REFUSED, ids=lambda text: str(text)[:40])
def test_refused_in_two_lines_with_2_and_nothing_written(
    command: str,
    words: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("OPENSCENE_DATA_ROOT", "NUPLAN_MAPS_ROOT", "NAVSIM_DEVKIT_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    assert cli.main([command, *words.split(), f"output_dir={tmp_path / 'out'}"]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert error.startswith("error: ") and error.count("\n") == 2 and "\n  next: " in error
    assert not list(tmp_path.iterdir()) and "HYDRA_FULL_ERROR" not in os.environ


@pytest.mark.parametrize(
    ("target", "words", "message"),
    [
        ("their_agent.Agent", "agent.rat=1", r"agent\.rat= is unknown\n.*agent\.rate=\?"),
        ("their_agent.Agent", "agent.speed=1", r"file has rate; \+agent\.speed= adds one"),
        ("their_agent.Agnt", "", r"their_agent has no Agnt\n.*did you mean their_agent\.Agent\?"),
        ("theirs.Agent", "", r"there is no module theirs\n.*PYTHONPATH"),
        ("", "", r"have no agent\._target_\n.*package\.module\.Class"),
        ("their_agent.Agent", "agent=thers", r"did you mean agent=theirs\?"),
        ("their_agent.Agent", "agent=xyz", r"no such agent\n.*--config-dir DIR"),
        ("their_agent.Agent", "--config-dir nowhere", r"--config-dir .*nowhere: no such folder"),
    ],
)
def test_an_agent_from_outside_is_refused_in_two_lines(
    target: str,
    words: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "their_agent.py").write_text("class Agent:\n    def __init__(self, rate): ...\n")
    (tmp_path / "conf" / "agent").mkdir(parents=True)
    about = f"{{_target_: '{target}', rate: 2}}"
    (tmp_path / "conf" / "agent" / "theirs.yaml").write_text(
        f"# @package _global_\nagent: {about}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    agent = [] if "agent=" in words else ["agent=theirs"]
    folder = [] if "--config-dir" in words else ["--config-dir", "conf"]
    before = sorted(tmp_path.iterdir())
    assert cli.main(["score", *agent, *folder, *words.split(), "output_dir=out"]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error) and error.count("\n") == 2, error
    assert sorted(tmp_path.iterdir()) == before


def test_what_a_class_takes_needs_no_plus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "takers.py").write_text(
        "from dataclasses import dataclass\n"
        "@dataclass\nclass Base:\n    width: int = 3\n"
        "@dataclass\nclass Inner(Base):\n    depth: int = 3\n"
        "class Agent:\n    def __init__(self, inner, speed=1.0): ...\n"
        "class Child(Agent): ...\n"
    )
    (tmp_path / "conf" / "agent").mkdir(parents=True)
    (tmp_path / "conf" / "agent" / "theirs.yaml").write_text(
        "# @package _global_\nagent: {_target_: takers.Child, inner: {_target_: takers.Inner}}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    theirs = ["score", "--config-dir", "conf", "agent=theirs", "--cfg", "job"]
    words = ["agent.speed=7", "agent.inner.depth=8", "agent.inner.width=9"]
    assert cli.main([*theirs, *words]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)["agent"]
    assert (shown["speed"], shown["inner"]["depth"], shown["inner"]["width"]) == (7, 8, 9)
    assert cli.main([*theirs, "agent.inner.heigth=8"]) == 2
    assert "agent.inner.heigth" in capsys.readouterr().err
    assert cli.main(["score", "agent=human", "agent.time_horizon=5", "--cfg", "job"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["agent"]["time_horizon"] == 5


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("score", "+agent.video.context_tokens=true"),
        ("train", "seed=abc"),
        ("train", "+trainer.params.foo=3"),
        ("mine", "train_test_split=town_val"),
    ],
)
def test_refused_before_anything_heavy_is_imported(command: str, words: str) -> None:
    code = (
        "import sys; from reworld_agent.cli import main as cli\n"
        f"assert cli.main([{command!r}, {words!r}]) == 2\n"
        "heavy = {'torch', 'lightning', 'diffusers', 'pandas', 'numba'} & set(sys.modules)\n"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", [SCORE, TRAIN, MINE, FIT])
def test_no_default_stands_in_a_yaml(name: str) -> None:
    """They stand in the dataclass; a YAML has what Hydra needs, and interpolations."""
    content = yaml.safe_load((ROOT / "navsim_configs" / f"{name}.yaml").read_text())
    assert set(content) == {"defaults", "hydra", "output_dir"} and "${" in content["output_dir"]


def test_the_agents_own_yaml_says_what_the_dataclass_does() -> None:
    """Alone: the devkit's scripts, which know no dataclass of ours, read it too."""
    content = yaml.safe_load((ROOT / "navsim_configs" / "agent" / "reworld.yaml").read_text())
    words = {field.word: field for field in all_fields(TrainRun)}
    keys: tuple[str, ...] = ("stage", "recipe", "model", "agent.init_from", "agent.overrides")
    keys += tuple(f"hard_negatives.{key}" for key in ("pool", "delta", "space"))
    for key in (*keys, "trainer.params.max_steps"):
        value: Any = content
        for part in key.split("."):
            value = value[part]
        assert checked(words[key], value) == checked(words[key], words[key].default), key


def test_an_output_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    for file in (tmp_path / "file", f"'{tmp_path / 'file'}'"):  # Hydra's quotes are no part of it
        assert cli.main(["score", f"output_dir={file}"]) == 2
        assert "is a file, not a folder" in capsys.readouterr().err


def test_hydras_own_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["mine", "--cfg", "job", "candidates.count=7"]) == 0
    assert "  count: 7" in capsys.readouterr().out
    words = ["agent.overrides.steps=7", "trainer.params.enable_progress_bar=false"]
    assert cli.main(["train", *words, "--cfg=job"]) == 0
    printed = capsys.readouterr().out
    assert "    steps: 7" in printed and "    enable_progress_bar: false" in printed
    (tmp_path / "agent").mkdir()
    mine = "# @package _global_\nagent:\n  _target_: my.Agent\n  rate: ${rate}\nrate: 1\n"
    (tmp_path / "agent" / "mine.yaml").write_text(mine)
    words = ["agent=mine", "rate=3", "--cfg", "job", "--config-dir", str(tmp_path)]
    assert cli.main(["score", *words]) == 0
    assert "\nrate: 3\n" in capsys.readouterr().out
    (tmp_path / "agent" / "mine.yaml").write_text(mine + "a: [\n")
    assert cli.main(["score", *words]) == 2
    assert re.match(r"error: .*mine\.yaml.*line 7.*\n  next: .*\n$", capsys.readouterr().err)


def test_a_devkits_checkout_captures_no_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    common = tmp_path / "navsim" / "planning" / "script" / "config" / "common"
    for name, text in (
        ("worker/sequential.yaml", "_target_: theirs\n"),
        ("train_test_split/navtest.yaml", "data_split: test\nscene_filter: {has_route: true}\n"),
        ("agent/human_agent.yaml", "_target_: navsim.agents.human_agent.HumanAgent\n"),
    ):
        (common / name).parent.mkdir(parents=True)
        (common / name).write_text(text)
    monkeypatch.setenv("NAVSIM_DEVKIT_ROOT", str(tmp_path))
    words = ["worker=sequential", "train_test_split=navtest", "agent=human_agent"]
    assert cli.main(["score", *words, "--cfg", "job"]) == 0
    printed = capsys.readouterr().out
    assert "\nworker: sequential\n" in printed and "  data_split: test\n" in printed
    assert cli.main(["score", "train_test_split=navtst"]) == 2
    assert "did you mean train_test_split=navtest?\n" in capsys.readouterr().err
    assert cli.main(["score", "worker=threads"]) == 2
    assert "worker=threads must be one of sequential" in capsys.readouterr().err
    for wrong in (tmp_path / "navsim", tmp_path.parent):  # the package, and what holds checkouts
        monkeypatch.setenv("NAVSIM_DEVKIT_ROOT", str(wrong))
        for word in ("agent=human_agent", "train_test_split=navtest"):
            assert cli.main(["score", word]) == 2
            error = capsys.readouterr().err
            assert f"is no checkout of the devkit: set NAVSIM_DEVKIT_ROOT={tmp_path}\n" in error


@pytest.mark.parametrize(
    ("script", "command"),
    [
        ("run_pdm_score.py", "score"),
        ("run_training.py", "train"),
        ("train/mine_hard_negatives.py", "mine"),
        ("train/fit_statistics.py", "fit-statistics"),
    ],
)
def test_scripts_are_their_commands(
    script: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command, "--help"]) == 0
    done = subprocess.run(
        [sys.executable, script, "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stdout == capsys.readouterr().out


def test_a_plus_before_what_has_become_a_setting_is_no_fault(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["agent=reworld", "stage=1", "+trainer.params.strategy=ddp", "--cfg", "job"]
    assert cli.main(["train", *words]) == 0
    assert "strategy: ddp" in capsys.readouterr().out
