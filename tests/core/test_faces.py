"""The public surface: every face names it, and importing the face alone imports no torch."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import reworld_agent

LIGHT = (
    *("clips", "clips.sources", "config", "video", "video.codecs", "video.backbones", "planner"),
    *("planner.heads", "objectives", "objectives.baselines", "model", "checkpoints", "baselines"),
)
ROOT = Path(reworld_agent.__file__).parent


def test_faces_are_light() -> None:
    faces = ", ".join(f"reworld_agent.{room}" for room in LIGHT)
    code = f"import sys, {faces}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"torch", "diffusers", "hydra", "lightning", "cv2"}


@pytest.mark.parametrize("room", LIGHT)
def test_a_face_gives_what_it_names(room: str) -> None:
    face = import_module(f"reworld_agent.{room}")
    assert list(face.__all__) and set(face.__all__) <= set(dir(face))
    for name in face.__all__:
        assert getattr(face, name) is not None
        # a module of that name would stand in its place as soon as it is imported
        assert not (ROOT / room.replace(".", "/") / f"{name}.py").exists()
