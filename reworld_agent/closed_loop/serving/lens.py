"""Cameras of AlpaSim's contract: their lenses, and pictures as NAVSIM's cameras would take them.

NAVSIM's cameras are nuPlan's: pinholes of 1545 px at 1920 x 1080. A camera of another lens
(AlpaSim's own are fisheyes of 120 degrees) is painted again through a pinhole of that field of
view, in its own orientation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from reworld_agent.closed_loop.serving.poses import Array, read_pose, rotation_of
from reworld_agent.scenes.synthetic.render.cameras import NUPLAN_FOCAL, NUPLAN_WIDTH

_ALIKE = 0.05  # of the focal length: nuPlan's own cameras differ by less among themselves
_RADIAL, _PRISM = 6, 4  # coefficients of OpenCV's pinhole
_FISHEYE = 4
_SAMPLES = 2048  # of a polynomial that is inverted
_ASPECT = 0.02  # relative: pictures are whole, whatever their size
_MOST_BYTES = 4096  # of a lens; a polynomial of any use has some ten numbers
_ASIDE = 0.01  # tangent of an angle that every camera sees beside its axis


@dataclass(frozen=True)
class Lens:
    """A camera as a session declares it.

    Attributes:
        name: its logical id.
        spec: the message `CameraSpec`.
        width, height: of the declared picture (px); 0 = not declared.
        rotation: [3, 3] camera (x right, y down, z forward) to rig.
        translation: [3] m, in the rig.
    """

    name: str
    spec: Any
    width: int
    height: int
    rotation: Array
    translation: Array

    @property
    def yaw(self) -> float:
        """Where it looks (rad), left positive."""
        return float(np.arctan2(self.rotation[1, 2], self.rotation[0, 2]))

    @property
    def focal(self) -> float | None:
        """Horizontal focal length of a pinhole, in widths of the picture; None of other lenses."""
        if self.spec.WhichOneof("camera_param") != "opencv_pinhole_param" or not self.width:
            return None
        return float(self.spec.opencv_pinhole_param.focal_length_x) / self.width

    @property
    def view(self) -> float:
        """Horizontal field of view (rad); pi where the lens is not declared."""
        kind = self.spec.WhichOneof("camera_param")
        if kind == "opencv_pinhole_param":
            return 2.0 * float(np.arctan(0.5 / self.focal)) if self.focal else np.pi
        if kind == "opencv_fisheye_param":
            fisheye = self.spec.opencv_fisheye_param
            return 2.0 * float(fisheye.principal_point_x / max(fisheye.focal_length_x, 1e-6))
        if kind is None:
            return float(np.pi)
        radii, angles = _angles(self.spec.ftheta_param)
        return 2.0 * float(np.interp(self.spec.ftheta_param.principal_point_x, radii, angles))

    def like_navsim(self) -> bool:
        """Whether its pictures are such as NAVSIM's agents know; an undeclared lens is."""
        if self.spec.WhichOneof("camera_param") is None:
            return True
        usual = NUPLAN_FOCAL / NUPLAN_WIDTH
        return self.focal is not None and abs(self.focal / usual - 1.0) < _ALIKE

    def fits(self, width: int, height: int) -> bool:
        """Whether a picture can be of this camera: renderers may scale it, and do not crop."""
        if not (self.width and self.height):
            return True
        return abs(width * self.height / (height * self.width) - 1.0) < _ASPECT

    def intrinsics(self, width: int) -> Array:
        """[3, 3] px of a picture of this width; of a lens that is no pinhole NAVSIM's."""
        pinhole = self.spec.opencv_pinhole_param
        if self.focal is None:
            focal = NUPLAN_FOCAL * width / NUPLAN_WIDTH
            return np.array([[focal, 0.0, width / 2], [0.0, focal, width * 9 / 32], [0, 0, 1.0]])
        scale = width / self.width
        made = np.eye(3)
        made[0] = [pinhole.focal_length_x * scale, 0.0, pinhole.principal_point_x * scale]
        made[1] = [0.0, pinhole.focal_length_y * scale, pinhole.principal_point_y * scale]
        return made

    def distortion(self) -> Array:
        """[5] OpenCV's k1, k2, p1, p2, k3 of a pinhole; zeros of other lenses."""
        pinhole = self.spec.opencv_pinhole_param
        k, p = _padded(pinhole.radial_coeffs, 3), _padded(pinhole.tangential_coeffs, 2)
        return np.array([k[0], k[1], p[0], p[1], k[2]])


def read_lens(message: Any) -> Lens:
    """The camera of a message `AvailableCamera`.

    Raises:
        ValueError: its pose is not finite, or its lens has too many coefficients to be one.
    """
    spec, pose = message.intrinsics, read_pose(message.rig_to_camera)
    if spec.ByteSize() > _MOST_BYTES:
        raise ValueError(f"the lens of '{message.logical_id}' has {spec.ByteSize()} bytes")
    width, height = int(spec.resolution_w), int(spec.resolution_h)
    return Lens(message.logical_id, spec, width, height, rotation_of(pose), pose[:3].copy())


def lens_fault(lens: Lens) -> str:
    """Why no picture can come of a declared lens; "" where one can.

    Whatever its kind: what lies ahead is in the picture, and what lies to the right of it or below
    is further right or below there.
    """
    if lens.spec.WhichOneof("camera_param") is None:
        return ""
    rays = np.array([[0.0, 0.0], [_ASIDE, 0.0], [0.0, _ASIDE]])
    with np.errstate(all="ignore"):
        pixels = _projected(lens.spec, rays)
        ahead, right, below = pixels
        steps = float(right[0] - ahead[0]), float(below[1] - ahead[1])
    size = [lens.width or np.inf, lens.height or np.inf]
    if not np.isfinite(pixels).all():
        return f"the lens of {lens.name} is not finite"
    if min(steps) <= 0.0 or (pixels < 0.0).any() or (pixels > size).any():
        return f"the lens of {lens.name} shows nothing ahead"
    return ""


class Repainting:
    """Pictures of a lens as one of NAVSIM's cameras would take them, in the same orientation.

    Args:
        lens: of the pictures.
        width, height: of the pictures (px).

    Attributes:
        intrinsics: [3, 3] px of the new pictures, of 16 : 9.
    """

    def __init__(self, lens: Lens, width: int, height: int) -> None:
        made = width - width % 16, width // 16 * 9
        focal = NUPLAN_FOCAL * made[0] / NUPLAN_WIDTH
        centre = np.array(made) / 2.0
        self.intrinsics = np.array([[focal, 0.0, centre[0]], [0.0, focal, centre[1]], [0, 0, 1.0]])
        columns, rows = np.meshgrid(np.arange(made[0]), np.arange(made[1]))
        rays = np.stack([(columns - centre[0]) / focal, (rows - centre[1]) / focal], -1)
        pixels = _projected(lens.spec, rays.reshape(-1, 2)).reshape(rays.shape)
        declared = [lens.width or width, lens.height or height]
        # whole numbers are the centres of pixels, at either size
        pixels = (pixels + 0.5) * (np.array([width, height]) / declared) - 0.5
        self._map = cv2.convertMaps(
            pixels[..., 0].astype(np.float32), pixels[..., 1].astype(np.float32), cv2.CV_16SC2
        )

    def __call__(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The new picture uint8 [h, w, 3]; what the old one does not show is black."""
        made: Any = cv2.remap(picture, *self._map, cv2.INTER_LINEAR)
        return np.asarray(made, np.uint8)


def _projected(spec: Any, rays: Array) -> Array:
    """Where a lens shows points [N, 2] (x, y at depth 1), in pixels [N, 2] of its declared size."""
    kind = spec.WhichOneof("camera_param")
    points = np.pad(rays, ((0, 0), (0, 1)), constant_values=1.0)[:, None]
    zero = np.zeros(3)
    if kind == "opencv_pinhole_param":
        pinhole = spec.opencv_pinhole_param
        k = _padded(pinhole.radial_coeffs, _RADIAL)
        p, s = _padded(pinhole.tangential_coeffs, 2), _padded(pinhole.thin_prism_coeffs, _PRISM)
        bends = np.array([*k[:2], *p, *k[2:], *s])
        found, _ = cv2.projectPoints(points, zero, zero, _matrix(pinhole), bends)
        return np.asarray(found, np.float64).reshape(-1, 2)
    if kind == "opencv_fisheye_param":
        fisheye = spec.opencv_fisheye_param
        bends = np.array(_padded(fisheye.radial_coeffs, _FISHEYE))
        found, _ = cv2.fisheye.projectPoints(points, zero, zero, _matrix(fisheye), bends)
        return np.asarray(found, np.float64).reshape(-1, 2)
    return _f_theta(spec.ftheta_param, rays)


def _f_theta(lens: Any, rays: Array) -> Array:
    """The same of an f-theta lens: the radius in the picture is a polynomial of the angle."""
    off = np.hypot(rays[:, 0], rays[:, 1])
    angle = np.arctan(off)
    if len(lens.angle_to_pixeldist_poly):
        radius = np.polynomial.polynomial.polyval(angle, list(lens.angle_to_pixeldist_poly))
    else:
        radii, angles = _angles(lens)
        radius = np.interp(angle, angles, radii)
    ahead = rays / np.maximum(off, 1e-12)[:, None] * radius[:, None]
    if lens.HasField("linear_cde"):
        bend = lens.linear_cde
        ahead = ahead @ np.array([[bend.linear_c, bend.linear_e], [bend.linear_d, 1.0]])
    made: Array = ahead + np.array([lens.principal_point_x, lens.principal_point_y])
    return made


def _angles(lens: Any) -> tuple[Array, Array]:
    """Radii (px) in the picture of an f-theta lens, and the angle (rad) of each, both rising."""
    if len(lens.pixeldist_to_angle_poly):
        radii = np.linspace(0.0, 2.0 * max(lens.principal_point_x, 1.0), _SAMPLES)
        angles = np.polynomial.polynomial.polyval(radii, list(lens.pixeldist_to_angle_poly))
    else:
        angles = np.linspace(0.0, lens.max_angle or np.pi / 2, _SAMPLES)
        radii = np.polynomial.polynomial.polyval(angles, list(lens.angle_to_pixeldist_poly) or [0])
    return np.maximum.accumulate(radii), np.maximum.accumulate(angles)


def _matrix(lens: Any) -> Array:
    return np.array(
        [
            [lens.focal_length_x, 0.0, lens.principal_point_x],
            [0.0, lens.focal_length_y, lens.principal_point_y],
            [0.0, 0.0, 1.0],
        ]
    )


def _padded(values: Any, count: int) -> list[float]:
    """The first `count` numbers, with zeros in the place of those that are not given."""
    given = [float(value) for value in values][:count]
    return given + [0.0] * (count - len(given))
