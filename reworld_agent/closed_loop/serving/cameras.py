"""Which camera of a session stands for which of NAVSIM's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reworld_agent.closed_loop.serving.lens import Lens
from reworld_agent.scenes.synthetic.render.cameras import MOUNTS
from reworld_agent.scenes.synthetic.town.geometry import wrap

_NEAR = np.deg2rad(30.0)  # of directions: one further off sees something else
_ALIKE = np.deg2rad(5.0)  # directions that say nothing of which is meant
_ENOUGH = np.deg2rad(60.0)  # NAVSIM's cameras see 64 degrees


def choose_cameras(
    wanted: tuple[str, ...], lenses: Mapping[str, Lens], named: Mapping[str, str]
) -> tuple[dict[str, Lens], str]:
    """The camera of a session for each that the agent wants.

    The one that the settings name; else that of the same name (CAM_F0); else the one that looks
    where NAVSIM's does, within 30 degrees: of several, the narrowest that sees 60 degrees.

    Args:
        wanted: NAVSIM's names, cam_f0.
        lenses: the session's cameras by logical id.
        named: logical ids by NAVSIM's name, of the settings.

    Returns:
        Cameras by NAVSIM's name, and what is wrong; "" where nothing is.
    """
    found: dict[str, Lens] = {}
    for name in wanted:
        lens = _named(name, lenses, named) or (None if name in named else _nearest(name, lenses))
        if lens is None:
            asked = named.get(name, f"one that looks where {name.upper()} does")
            listed = ", ".join(sorted(lenses)) or "none"
            return found, f"the session has no camera for {name} ({asked}); it has {listed}"
        found[name] = lens
    return found, ""


def _named(name: str, lenses: Mapping[str, Lens], named: Mapping[str, str]) -> Lens | None:
    given = named.get(name, name).lower()
    return next((lens for key, lens in lenses.items() if key.lower() == given), None)


def _nearest(name: str, lenses: Mapping[str, Lens]) -> Lens | None:
    aim = np.deg2rad(MOUNTS[name.upper()][3])
    off = {key: abs(wrap(lens.yaw - aim)) for key, lens in lenses.items()}
    least = min(off.values(), default=np.inf)
    if least > _NEAR:
        return None
    alike = [lens for key, lens in lenses.items() if off[key] <= least + _ALIKE]
    return min(alike, key=lambda lens: (lens.view < _ENOUGH, abs(lens.view - _ENOUGH), lens.name))
