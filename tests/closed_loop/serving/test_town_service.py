"""The town behind AlpaSim's sensorsim service: its scenes, its cameras, its pictures."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("carla_driver_interface", reason="the extra `loop` is not installed")

import grpc
from carla_driver_interface.protocol import common_pb2, sensorsim_pb2
from google.protobuf.message_factory import GetMessageClass
from PIL import Image

from reworld_agent.cli.main import main
from reworld_agent.closed_loop.serving import ServeWorldSettings, serve_world
from reworld_agent.closed_loop.serving.address import Address
from reworld_agent.closed_loop.serving.poses import (
    Array,
    quaternion_of,
    read_pose,
    rotation_of,
    write_pose,
)
from reworld_agent.closed_loop.serving.server import listening
from reworld_agent.closed_loop.serving.town_scenes import TownScene, TownScenes
from reworld_agent.closed_loop.serving.town_service import TownService
from reworld_agent.scenes.synthetic.drive import Moment

SCENE = "town6_test/0000"
JPEG = sensorsim_pb2.ImageFormat.JPEG
PNG, PLANAR = sensorsim_pb2.ImageFormat.PNG, sensorsim_pb2.ImageFormat.RGB_UINT8_PLANAR


class _Marks:
    """In the renderer's place: a picture whose pixels say what it is of."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Moment]] = []

    def picture(self, camera: str, moment: Moment) -> Any:
        self.asked.append((camera, moment))
        image = np.zeros((256, 448, 3), np.uint8)
        image[..., 0] = len(self.asked)
        return image


def asked_of(scene: TownScene) -> list[tuple[str, Moment]]:
    """What the renderer of a scene was asked for."""
    marks: Any = scene._renderer
    found: list[tuple[str, Moment]] = marks.asked
    return found


@pytest.fixture(scope="module")
def scenes() -> TownScenes:
    made = TownScenes("town6_test", 2)
    made.scene(SCENE).__dict__["_renderer"] = _Marks()
    return made


@pytest.fixture(scope="module")
def channel(scenes: TownScenes) -> Iterator[grpc.Channel]:
    service = TownService(scenes)
    with (
        listening(service.add_to, Address("127.0.0.1"), 4) as bound,
        grpc.insecure_channel(bound.dialled()) as opened,
    ):
        yield opened


def call(channel: grpc.Channel, name: str, request: Any) -> Any:
    service = sensorsim_pb2.DESCRIPTOR.services_by_name["SensorsimService"]
    method = service.methods_by_name[name]
    ask = channel.unary_unary(
        f"/{service.full_name}/{name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    return ask(request, timeout=120)  # a first picture compiles the renderer


def request(scene: TownScene, ego: Array, camera: str = "CAM_F0", **more: Any) -> Any:
    """A picture of a car at `ego` [7]: its pose times the camera's mount, as AlpaSim sends it."""
    mount = scene.mount(camera)
    turn = rotation_of(ego)
    place = ego[:3] + turn @ mount[:3]
    pose = write_pose(np.array([*place, *quaternion_of(turn @ rotation_of(mount))]))
    made = sensorsim_pb2.RGBRenderRequest(
        scene_id=SCENE, image_format=more.pop("image_format", PNG), **more
    )
    made.sensor_pose.start_pose.CopyFrom(pose)
    made.sensor_pose.end_pose.CopyFrom(pose)
    made.camera_intrinsics.logical_id = camera
    return made


def test_scenes_cameras_and_the_recorded_way(channel: grpc.Channel, scenes: TownScenes) -> None:
    names = call(channel, "get_available_scenes", common_pb2.Empty()).scene_ids
    assert list(names) == [SCENE, "town6_test/0001"]
    asked = sensorsim_pb2.AvailableCamerasRequest(scene_id=SCENE)
    cameras = call(channel, "get_available_cameras", asked).available_cameras
    assert len(cameras) == 8
    front = next(one for one in cameras if one.logical_id == "CAM_F0")
    axis = rotation_of(read_pose(front.rig_to_camera))[:, 2]
    np.testing.assert_allclose(axis, [1.0, 0.0, 0.0], atol=1e-6)  # it looks ahead
    assert (front.intrinsics.resolution_w, front.intrinsics.resolution_h) == (448, 256)
    way = call(
        channel,
        "get_available_trajectories",
        sensorsim_pb2.AvailableTrajectoriesRequest(scene_id=SCENE),
    ).available_trajectories[0]
    drive = scenes.scene(SCENE).drive
    last = way.trajectory.poses[-1]
    assert last.timestamp_us == (len(drive.record.s) - 1) * 125_000
    assert last.pose.vec.x == pytest.approx(drive.ego_pose(len(drive.record.s) - 1)[0], rel=1e-6)
    loaded = call(channel, "get_loaded_scenes", common_pb2.Empty())
    assert [one.scene_id for one in loaded.scenes] == [SCENE]
    assert not call(channel, "get_available_ego_masks", common_pb2.Empty()).ego_mask_metadata
    version = call(channel, "get_version", common_pb2.Empty())
    assert version.version_id.startswith("town6-reworld-")


def test_a_picture_is_of_the_pose_and_the_time_that_are_sent(
    channel: grpc.Channel, scenes: TownScenes
) -> None:
    scene = scenes.scene(SCENE)
    ego = np.array([12.5, -40.0, 0.0, np.cos(0.4), 0.0, 0.0, np.sin(0.4)])
    for camera in ("CAM_F0", "CAM_L1", "CAM_B0"):
        reply = call(channel, "render_rgb", request(scene, ego, camera, frame_start_us=2_000_000))
        name, moment = asked_of(scene)[-1]
        assert name == camera and moment.time == 2.0
        np.testing.assert_allclose(moment.ego, [12.5, -40.0, 0.8], atol=1e-5)
        np.testing.assert_array_equal(moment.boxes, scene.drive.moment(16).boxes)
        image = np.asarray(Image.open(io.BytesIO(reply.image_bytes)))
        assert image.shape == (256, 448, 3)
        assert image[0, 0].tolist() == [0, 0, len(asked_of(scene))]


def test_others_are_where_the_simulator_says(channel: grpc.Channel, scenes: TownScenes) -> None:
    scene = scenes.scene(SCENE)
    ego = np.array([0.0, 0, 0, 1, 0, 0, 0])
    asked = request(scene, ego)
    actors, walkers = len(scene.drive.scenario.actors) - 1, len(scene.drive.scenario.walkers)
    assert actors and walkers
    for number in (0, actors):
        pose = write_pose(np.array([3.0 + number, 4.0, 0.7, np.cos(0.25), 0, 0, np.sin(0.25)]))
        track = asked.dynamic_objects.add(track_id=scene._things.tracks[number])
        track.pose_pair.start_pose.CopyFrom(pose)
    call(channel, "render_rgb", asked)
    moment = asked_of(scene)[-1][1]
    np.testing.assert_allclose(moment.boxes[1, [0, 1, 4]], [3.0, 4.0, 0.5], atol=1e-6)
    np.testing.assert_allclose(moment.walkers[0, :3], [3.0 + actors, 4.0, 0.5], atol=1e-6)
    np.testing.assert_array_equal(moment.boxes[2:], scene.drive.moment(0).boxes[2:])


def test_sizes_and_formats(channel: grpc.Channel, scenes: TownScenes) -> None:
    scene, ego = scenes.scene(SCENE), np.array([0.0, 0, 0, 1, 0, 0, 0])
    small = request(scene, ego, resolution_w=112, resolution_h=64, image_format=PLANAR)
    data = call(channel, "render_rgb", small).image_bytes
    planes = np.frombuffer(data, np.uint8).reshape(3, 64, 112)
    assert (planes[2] == len(asked_of(scene))).all() and not planes[:2].any()


def test_what_cannot_be_painted_is_refused_with_the_reason(
    channel: grpc.Channel, scenes: TownScenes
) -> None:
    scene, ego = scenes.scene(SCENE), np.array([0.0, 0, 0, 1, 0, 0, 0])
    unknown = request(scene, ego)
    unknown.scene_id = "town6_test/0009"
    named = request(scene, ego)
    named.camera_intrinsics.logical_id = "camera_front"
    tilted = request(scene, np.array([0.0, 0, 0, np.cos(0.2), np.sin(0.2), 0, 0]))
    nan = request(scene, ego)
    nan.sensor_pose.start_pose.vec.x = np.nan
    lens = request(scene, ego)
    lens.camera_intrinsics.ftheta_param.max_angle = 1.0
    blind = request(scene, ego)
    blind.camera_intrinsics.opencv_pinhole_param.focal_length_x = np.nan
    long = request(scene, ego)
    long.scene_id = "x\x00" * 100_000  # gRPC drops an answer with so long a reason
    stranger = request(scene, ego)
    stranger.dynamic_objects.add(track_id="somebody")
    for asked, said in (
        (unknown, "there is no scene 'town6_test/0009'"),
        (named, "the town has no camera 'camera_front'"),
        (tilted, "the pose of CAM_F0 is tilted"),
        (nan, "a pose is not finite"),
        (lens, "a pinhole of 360.5 px, no other"),
        (blind, "a pinhole of 360.5 px, no other"),
        (long, "there is no scene 'x.x"),
        (stranger, "there is no track 'somebody'"),
        (request(scene, ego, image_format=sensorsim_pb2.ImageFormat.AV1), "is not PNG"),
        (request(scene, ego, resolution_w=60_000, resolution_h=60_000), "60000 x 60000 pixels: at"),
        (
            request(scene, ego, resolution_w=70_000, resolution_h=700, image_format=JPEG),
            "cannot be encoded",
        ),
    ):
        with pytest.raises(grpc.RpcError, match=said) as error:
            call(channel, "render_rgb", asked)
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    batch = sensorsim_pb2.BatchRGBRenderRequest()
    batch.items.add(camera_name="good", request=request(scene, ego))
    batch.items.add(camera_name="bad", request=named)
    good, bad = call(channel, "batch_render_rgb", batch).items
    assert good.success and good.result.image_bytes and good.camera_name == "good"
    assert not bad.success and "no camera 'camera_front'" in bad.error_message
    lidar = sensorsim_pb2.AggregatedRenderRequest(
        lidar_requests=[sensorsim_pb2.LidarRenderRequest()]
    )
    with pytest.raises(grpc.RpcError, match="the town has no lidar"):
        call(channel, "render_aggregated", lidar)
    with pytest.raises(grpc.RpcError, match="does not serve render_lidar"):
        call(channel, "render_lidar", sensorsim_pb2.LidarRenderRequest())
    seen = sensorsim_pb2.AggregatedRenderRequest(rgb_requests=[request(scene, ego)])
    assert len(call(channel, "render_aggregated", seen).rgb_returns) == 1


@pytest.mark.slow
def test_the_recorded_pose_gives_the_recorded_picture(scenes: TownScenes) -> None:
    with (
        serve_world(ServeWorldSettings(drives=1, address="127.0.0.1:0")) as bound,
        grpc.insecure_channel(bound.dialled()) as opened,
    ):
        scene = TownScene(scenes.scene(SCENE).drive)
        times, poses = scene.trajectory()
        asked = request(scene, poses[24], "CAM_F0", frame_start_us=times[24])
        image = Image.open(io.BytesIO(call(opened, "render_rgb", asked).image_bytes))
    wanted = scene._renderer.image("CAM_F0", 24)[..., ::-1]
    off = np.abs(np.asarray(image).astype(int) - wanted.astype(int))
    assert (off > 2).mean() < 0.01  # poses are float32 on the wire


def test_words_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "world", "data_split=town_test"]) == 2
    assert main(["serve", "world", "drives=65"]) == 2
    assert "town6_test has 64" in capsys.readouterr().err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", "world", f"address=127.0.0.1:{port}"]) == 2
    assert f"next: choose another: address=127.0.0.1:{port + 1}" in capsys.readouterr().err
