"""A folder that is there whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from reworld_agent.core.atomic import whole_folder

MARK = "mark"


def write(place: Path, content: str) -> None:
    with whole_folder(place, MARK) as draft:
        (draft / "data").write_text(content)
        assert not (place / "data").exists()  # nothing is seen of it before its end
        (draft / MARK).touch()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_comes_at_once_and_may_be_read_by_others(tmp_path: Path) -> None:
    place = tmp_path / "place"
    write(place, "one")
    assert names(tmp_path) == ["place"] and names(place) == ["data", MARK]
    assert place.stat().st_mode & 0o777 == 0o755


def test_what_goes_wrong_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "place", MARK) as draft:
        (draft / MARK).touch()
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_a_folder_that_was_never_finished_goes(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "half").touch()
    write(place, "one")
    assert names(tmp_path) == ["place"] and names(place) == ["data", MARK]


def test_the_faster_process_wins(tmp_path: Path) -> None:
    place = tmp_path / "place"
    with whole_folder(place, MARK) as draft:
        (draft / MARK).touch()
        (draft / "data").write_text("late")
        place.mkdir()
        (place / MARK).touch()
        (place / "data").write_text("early")
    assert names(tmp_path) == ["place"] and (place / "data").read_text() == "early"


def test_a_place_that_cannot_be_taken_is_an_error(tmp_path: Path) -> None:
    place = tmp_path / "place"
    with pytest.raises(OSError, match="place"), whole_folder(place, MARK):
        place.write_text("a file")
    assert names(tmp_path) == ["place"] and place.read_text() == "a file"
