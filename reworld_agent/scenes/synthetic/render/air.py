"""Time of day and weather of version 6's drives, drawn by lot."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reworld_agent.scenes.synthetic.render.scene import Air


class _Kind(NamedTuple):
    chance: float
    zenith: tuple[float, float, float]  # BGR
    horizon: tuple[float, float, float]
    elevation: tuple[float, float]  # rad, of the sun
    ambient: float
    direct: float
    haze: tuple[float, float]  # m
    night: float = 0.0
    wet: float = 0.0
    clouds: float = 6.0


KINDS = {
    "clear": _Kind(0.30, (205, 150, 95), (232, 214, 190), (0.6, 1.1), 0.62, 0.46, (280, 420)),
    "low sun": _Kind(0.14, (190, 150, 120), (190, 214, 240), (0.22, 0.4), 0.52, 0.6, (200, 320)),
    "grey": _Kind(
        0.18, (172, 166, 160), (206, 204, 202), (0.7, 1.2), 0.86, 0.06, (180, 300), clouds=10.0
    ),
    "fog": _Kind(0.10, (196, 194, 192), (204, 204, 204), (0.7, 1.2), 0.82, 0.04, (45, 80)),
    "rain": _Kind(
        0.12, (128, 124, 122), (160, 158, 156), (0.7, 1.2), 0.66, 0.02, (90, 150), wet=1.0
    ),
    "dusk": _Kind(0.08, (120, 84, 72), (110, 130, 190), (0.15, 0.3), 0.38, 0.12, (180, 300), 0.55),
    "night": _Kind(0.08, (46, 30, 24), (62, 48, 44), (0.5, 1.0), 0.17, 0.03, (140, 240), 1.0),
}


def random_air(rng: np.random.Generator) -> tuple[str, Air]:
    """A kind of weather by name, and its light."""
    names = list(KINDS)
    name = names[int(rng.choice(len(names), p=[KINDS[k].chance for k in names]))]
    kind = KINDS[name]
    azimuth, height = rng.uniform(0.0, 2 * np.pi), rng.uniform(*kind.elevation)
    sun = np.array(
        [np.cos(azimuth) * np.cos(height), np.sin(azimuth) * np.cos(height), np.sin(height)]
    )
    gain = float(rng.uniform(0.9, 1.06))
    direct = kind.direct * gain
    return name, Air(
        zenith=np.array(kind.zenith, float),
        horizon=np.array(kind.horizon, float),
        sun=sun,
        ambient=kind.ambient * gain,
        direct=direct,
        sunlit=direct * float(sun[2]) if direct > 0.1 else 0.0,
        haze=float(rng.uniform(*kind.haze)),
        night=kind.night,
        wet=kind.wet,
        clouds=kind.clouds,
    )
