"""AlpaSim's sensorsim service, answered by the town: what its renderer would paint on a GPU.

Served: render_rgb, batch_render_rgb, the pictures of render_aggregated, and what is there to be
asked about scenes and cameras. Not served: lidar, ego masks, rolling shutters (a picture is of the
start of its frame), and lenses other than the town's own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import cv2
import grpc
import numpy as np
from carla_driver_interface.protocol import (
    ALPASIM_API_VERSION,
    ALPASIM_REV,
    AvailableCamera,
    AvailableCamerasReturn,
    CameraSpec,
    OpenCVPinholeCameraParam,
    ShutterType,
    VersionId,
    common_pb2,
    sensorsim_pb2,
)
from google.protobuf.message_factory import GetMessageClass
from numpy.typing import NDArray

from reworld_agent import __version__
from reworld_agent.closed_loop.serving.poses import read_pose, write_pose
from reworld_agent.closed_loop.serving.server import detail
from reworld_agent.closed_loop.serving.town_scenes import CAPACITY, TownScene, TownScenes, declared
from reworld_agent.core.errors import ReWorldError
from reworld_agent.core.guards.bounds import MAX_PIXELS
from reworld_agent.scenes.synthetic.render.cameras import CAMERAS

logger = logging.getLogger(__name__)

_SAME = 0.01  # relative, of focal lengths
_QUALITY = 90.0  # of JPEG, where none is asked for
_PNG, _JPEG = sensorsim_pb2.ImageFormat.PNG, sensorsim_pb2.ImageFormat.JPEG
_PLANAR = sensorsim_pb2.ImageFormat.RGB_UINT8_PLANAR


class TownService:
    """Answers the calls of sensorsim.

    Args:
        scenes: of the town.
    """

    def __init__(self, scenes: TownScenes) -> None:
        self.scenes = scenes

    def add_to(self, server: grpc.Server) -> None:
        """Register every method of the contract with a gRPC server."""
        service = sensorsim_pb2.DESCRIPTOR.services_by_name["SensorsimService"]
        handlers = {}
        for method in service.methods:
            handlers[method.name] = grpc.unary_unary_rpc_method_handler(
                _answering(getattr(self, method.name, None), method.name),
                request_deserializer=GetMessageClass(method.input_type).FromString,
                response_serializer=lambda message: message.SerializeToString(),
            )
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service.full_name, handlers),)
        )

    # --- what there is --------------------------------------------------------------------------

    def get_version(self, request: Any) -> Any:
        """Ours, and the contract's."""
        version = VersionId(version_id=f"town6-reworld-{__version__}", git_hash=ALPASIM_REV)
        version.grpc_api_version.CopyFrom(ALPASIM_API_VERSION)
        return version

    def get_available_scenes(self, request: Any) -> Any:
        """The drives of the split."""
        return common_pb2.AvailableScenesReturn(scene_ids=self.scenes.names)

    def get_loaded_scenes(self, request: Any) -> Any:
        """Those that have been made."""
        entries = [
            sensorsim_pb2.LoadedSceneEntry(scene_id=name, loaded_instance_count=1)
            for name in self.scenes.loaded
        ]
        return sensorsim_pb2.LoadedScenesReturn(scenes=entries, loaded_instance_capacity=CAPACITY)

    def get_available_cameras(self, request: Any) -> Any:
        """NAVSIM's eight cameras: pinholes, at their places."""
        scene = self.scenes.scene(request.scene_id)
        cameras = [_camera(scene, name) for name in CAMERAS]
        return AvailableCamerasReturn(available_cameras=cameras)

    def get_available_trajectories(self, request: Any) -> Any:
        """Ego's recorded way."""
        message = sensorsim_pb2.AvailableTrajectoriesReturn()
        trajectory = message.available_trajectories.add().trajectory
        times, poses = self.scenes.scene(request.scene_id).trajectory()
        for time_us, pose in zip(times, poses, strict=True):
            trajectory.poses.add(timestamp_us=time_us, pose=write_pose(pose))
        return message

    def get_available_ego_masks(self, request: Any) -> Any:
        """None: the town's cameras do not see ego."""
        return sensorsim_pb2.AvailableEgoMasksReturn()

    # --- pictures -------------------------------------------------------------------------------

    def render_rgb(self, request: Any) -> Any:
        """One picture."""
        return sensorsim_pb2.RGBRenderReturn(image_bytes=self._picture(request))

    def batch_render_rgb(self, request: Any) -> Any:
        """Pictures; one that cannot be painted says why, and the others are painted."""
        message = sensorsim_pb2.BatchRGBRenderReturn()
        for item in request.items:
            entry = message.items.add(camera_name=item.camera_name)
            try:
                entry.result.image_bytes = self._picture(item.request)
                entry.success = True
            except (ReWorldError, ValueError) as error:
                entry.error_message = str(error)
        return message

    def render_aggregated(self, request: Any) -> Any:
        """Pictures; raises ValueError where point clouds are asked for."""
        if request.lidar_requests:
            raise ValueError("the town has no lidar")
        pictures = [self.render_rgb(one) for one in request.rgb_requests]
        return sensorsim_pb2.AggregatedRenderReturn(rgb_returns=pictures)

    def _picture(self, request: Any) -> bytes:
        """The bytes of a picture, in the format and size that are asked for."""
        width, height = int(request.resolution_w), int(request.resolution_h)
        if width * height > MAX_PIXELS:  # refused before anything is painted
            most = MAX_PIXELS // 10**6
            raise ValueError(f"a picture of {width} x {height} pixels: at most {most} million")
        scene, camera = self.scenes.scene(request.scene_id), request.camera_intrinsics.logical_id
        if camera in CAMERAS:
            _require_own_lens(scene, camera, request.camera_intrinsics)
        pose = read_pose(request.sensor_pose.start_pose)
        others = {
            one.track_id: read_pose(one.pose_pair.start_pose) for one in request.dynamic_objects
        }
        image = scene.picture(camera, pose, int(request.frame_start_us), others)
        if width and height and (width, height) != (image.shape[1], image.shape[0]):
            resized: Any = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            image = resized
        return _encoded(image, request.image_format, request.image_quality)


def _answering(answer: Callable[[Any], Any] | None, name: str) -> Callable[[Any, Any], Any]:
    """A method as gRPC calls it: what it cannot do is INVALID_ARGUMENT or UNIMPLEMENTED."""

    def call(request: Any, context: Any) -> Any:
        """The answer to one request, or the call's end with its status and reason."""
        if answer is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the town does not serve {name}")
        try:
            assert answer is not None  # abort raises
            return answer(request)
        except (ReWorldError, ValueError) as error:
            reason = detail(str(error))
            logger.warning("%s: %s", name, reason)
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, reason)

    return call


def _camera(scene: TownScene, name: str) -> Any:
    own = declared(scene, name)
    pinhole = OpenCVPinholeCameraParam(
        focal_length_x=own["focal"],
        focal_length_y=own["focal"],
        principal_point_x=own["centre"][0],
        principal_point_y=own["centre"][1],
    )
    spec = CameraSpec(
        opencv_pinhole_param=pinhole,
        logical_id=name,
        resolution_w=own["width"],
        resolution_h=own["height"],
        shutter_type=ShutterType.GLOBAL,
    )
    mount = write_pose(scene.mount(name))
    return AvailableCamera(intrinsics=spec, rig_to_camera=mount, logical_id=name)


def _require_own_lens(scene: TownScene, camera: str, spec: Any) -> None:
    """Refuse a lens that the town's cameras do not have; raises ValueError."""
    kind = spec.WhichOneof("camera_param")
    if kind is None:
        return
    own = declared(scene, camera)
    asked = spec.opencv_pinhole_param.focal_length_x / (spec.resolution_w or own["width"])
    off = abs(asked * own["width"] / own["focal"] - 1.0)
    if kind != "opencv_pinhole_param" or not off <= _SAME:  # NaN is not
        raise ValueError(f"{camera} of the town is a pinhole of {own['focal']:.1f} px, no other")


def _encoded(image: NDArray[np.uint8], kind: int, quality: float) -> bytes:
    """The bytes of a picture (BGR); raises ValueError for a format that is not painted."""
    if kind == _PLANAR:
        return np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)).tobytes()
    if kind not in (_PNG, _JPEG):
        raise ValueError(f"image_format={kind} is not PNG, JPEG or RGB_UINT8_PLANAR")
    wanted = round(min(max(quality or _QUALITY, 1.0), 100.0))
    options = [int(cv2.IMWRITE_JPEG_QUALITY), wanted] if kind == _JPEG else []
    try:
        done, data = cv2.imencode(".jpg" if kind == _JPEG else ".png", image, options)
    except cv2.error as error:  # such as more columns than a JPEG can have
        raise ValueError(f"the picture cannot be encoded ({error.err})") from error
    if not done:
        raise ValueError("the picture cannot be encoded")
    return data.tobytes()
