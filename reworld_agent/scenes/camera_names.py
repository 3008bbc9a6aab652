"""Names of NAVSIM's cameras, as its agents name them; in logs they stand in capitals."""

from __future__ import annotations

from collections.abc import Iterable

CAMERA_NAMES = (
    *("cam_f0", "cam_l0", "cam_l1", "cam_l2"),
    *("cam_r0", "cam_r1", "cam_r2", "cam_b0"),
)


def in_logs(names: Iterable[str]) -> tuple[str, ...]:
    """The names of cameras in logs: CAM_F0."""
    return tuple(name.upper() for name in names)
