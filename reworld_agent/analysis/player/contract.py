"""What a page plays: scenes as plain data, in one format, whatever they come from.

A *moving scene* is a dict that `packing.deflated` makes small. Its keys (all lengths are packed as
`packing` says, in the ego frame of t0: x forward, y left):

- `format`: `FORMAT`; `kind`: one of `KINDS`; `token`, `log`, `city`, `notes` [text].
- `dt` (s) and `steps`: of the time line.
- `ego`: length, width, rear axle to centre (m).
- `drives`: one an agent: `label`, `poses`, `speed` (m/s), `asked` (the plan's own points), `score`,
  `metrics`, `counterfactual`; of a rollout also `plans`: [step, path] of what was planned when, and
  of the second agent of one `tracks`: the objects as they moved beside that agent.
- `human`, `reference`: poses, or null. `tracks`: `id`, `type`, `size` (m), `from` (step), `poses`.
- `ground`: rings by layer, paths of the route. `lights`: `id`, `rings`, `states` at 2 Hz.
- `cameras`: `name`, `size`, calibration, `road` (m), `frames` [[number, image], …] every 0.5 s.
- `films`: of an imagined future, pictures that run beside one another: `name`, `frames`
  [[step, image], …]; `error` names the film that is the difference.

Rollouts and imagined futures that another tool has recorded are read by `recordings.read`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from reworld_agent.pdm.scene_cache import TRACK_TYPES
from reworld_agent.pdm.world.geometry import LENGTH, REAR_AXLE_TO_CENTER, WIDTH

FORMAT = "reworld-scene 1"
SCENE, STAGE_TWO, ROLLOUT, FUTURE = "scene", "stage two", "rollout", "future"
_LISTS = ("notes", "drives", "tracks", "lights", "cameras", "films")
KINDS = (SCENE, STAGE_TWO, ROLLOUT, FUTURE)
EGO = (LENGTH, WIDTH, REAR_AXLE_TO_CENTER)


@dataclass(frozen=True)
class MovingScene:
    """A scene that a page plays.

    Attributes:
        token: its name, unique on a page.
        packed: see the module.
        images: base64 of the pictures that it names by number.
        summary: what the gallery says and filters by: score, metrics that fail, class, command,
            city, speed_mps, sentences, outcome.
        notes: what could not be had.
    """

    token: str
    packed: dict[str, Any]
    images: tuple[str, ...] = ()
    summary: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def empty_scene(kind: str, token: str, dt: float, steps: int) -> dict[str, Any]:
    """A packed scene with nothing in it."""
    return {
        "format": FORMAT,
        "kind": kind,
        "token": token,
        "log": "",
        "city": "",
        "dt": dt,
        "steps": steps,
        "ego": [round(value, 3) for value in EGO],
        "classes": list(TRACK_TYPES),
        "human": None,
        "reference": None,
        "ground": {},
        **{key: list[Any]() for key in _LISTS},  # a list each: they are filled in place
    }


def notes_of(scenes: Iterable[MovingScene]) -> dict[str, list[str]]:
    """What could not be had, with the tokens of the scenes."""
    tokens: dict[str, list[str]] = {}
    for scene in scenes:
        for note in scene.notes:
            tokens.setdefault(note, []).append(scene.token)
    return tokens
