"""Names from data become files of their folder, each its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reworld_agent.core.guards.file_names import file_name, file_names

PLAIN = [
    *("1a73705fbc388584", "2021.07.01.08.00.00_veh-90_00000_00020", "scene-0061_CAM_F0_00000"),
    *("constant_velocity", "HumanAgent", "my drive 2", "a,b=c@d+e", "0", "x" * 120),
]
HOSTILE = [
    *("", ".", "..", "../x", "../../etc/passwd", "/abs", "a/b", "a\\b", "C:\\x", "a\0b", "x" * 300),
    *("CON", "con", "nul.txt", "COM1", "lpt9.x", ".hidden", "-rf", "ends.", "ends ", " starts"),
    *(
        "grün",
        "gru\u0308n",
        "日本",
        "\ud800",
        "new\nline",
        "tab\t",
        "~",
        "a~b",
        "~/x",
        "a:b",
        "a*?",
    ),
]


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_name_stays(name: str) -> None:
    assert file_name(name, ".npz") == f"{name}.npz"


def test_every_other_name_is_a_file_of_its_own(tmp_path: Path) -> None:
    names = [*PLAIN, *HOSTILE, *(file_name(name) for name in HOSTILE)]
    files = [file_name(name, ".json") for name in names]
    assert len({file.casefold() for file in files}) == len(names)
    for file in files:
        assert os.sep not in file and len(os.fsencode(file)) < 200
        (tmp_path / file).write_text("x")
    assert len(list(tmp_path.iterdir())) == len(names)


def test_names_that_differ_in_case_alone_are_files_of_their_own() -> None:
    names = ["Abc", "abc", "other", "Parts"]
    found = file_names(names, reserved=("parts",))
    assert found["other"] == "other" and list(found) == names
    assert len({file.casefold() for file in found.values()} | {"parts"}) == 5
    assert file_names(["abc"]) == {"abc": "abc"}
