"""The image of the guide, line by line: its files are there, and its command is one of ours."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from reworld_agent.cli import tree
from reworld_agent.closed_loop.serving.address import HOST, PORT, read_address, usual_address

ROOT = Path(__file__).resolve().parents[3]
KNOWN = ("FROM", "ENV", "COPY", "RUN", "WORKDIR", "USER", "STOPSIGNAL", "EXPOSE", "CMD")
Lines = list[tuple[str, str]]


@pytest.fixture
def lines() -> Lines:
    """Instructions and their words, in order."""
    text = (ROOT / "docs" / "assets" / "driver.Dockerfile").read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, words) for name, _, words in (line.partition(" ") for line in kept)]


def test_the_image_serves_where_the_evaluator_says(lines: Lines) -> None:
    command = json.loads(lines[-1][1])
    name, rest = tree.find(command[1:])
    assert command[0] == "reworld" and name == "serve driver" and rest == ["agent=reworld"]
    given = dict(re.findall(r"(ALPASIM_DRIVER_\w+)=(\S+)", "\n".join(own for _, own in lines)))
    assert set(given) == {HOST, PORT}
    address = read_address(usual_address(given))
    assert ("EXPOSE", str(address.port)) in lines and address.host == "0.0.0.0"


def test_every_line_is_one_that_a_builder_takes(lines: Lines) -> None:
    names = [name for name, _ in lines]
    assert set(names) <= set(KNOWN) and names[0] == "FROM" and names[-1] == "CMD"
    assert names.count("CMD") == names.count("USER") == 1
    version = re.fullmatch(r"python:(\d\.\d+)-slim", lines[0][1])
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lowest = settings["requires-python"].split(",")[0].removeprefix(">=")
    assert version is not None and version.group(1) == lowest


def test_what_it_copies_and_installs_is_there(lines: Lines) -> None:
    copies = [words.split() for name, words in lines if name == "COPY"]
    assert copies == [[".", "/opt/reworld"]]
    (run,) = [words for name, words in lines if name == "RUN"]
    for path in re.findall(r"/opt/reworld/([\w./-]+)", run):
        assert (ROOT / path).is_file(), path
    extras = re.search(r"/opt/reworld\[([\w,]+)\]", run)
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert extras is not None
    assert set(extras.group(1).split(",")) <= set(settings["project"]["optional-dependencies"])
    packed = settings["tool"]["setuptools"]["package-data"]["reworld_agent"]
    assert {"**/*.safetensors", "**/*.json"} <= set(packed)  # the weights come with the package
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {".git", ".venv", "outputs"} <= set(ignored)


def test_it_runs_as_nobody_on_a_disk_that_is_read_only(lines: Lines) -> None:
    names = [name for name, _ in lines]
    uid, gid = (int(own) for own in dict(lines)["USER"].split(":"))
    assert uid > 0 and gid > 0 and names.index("USER") > names.index("RUN")
    given = dict(
        word.split("=", 1) for name, words in lines if name == "ENV" for word in words.split()
    )
    folders = {"HOME", "TMPDIR", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"}
    for name in (*folders, "CUDA_CACHE_PATH"):
        assert Path(given[name]).is_relative_to("/tmp"), name
    assert given["HF_HUB_OFFLINE"] == "1" and dict(lines)["WORKDIR"] == "/tmp"
