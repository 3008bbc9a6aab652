"""What a learner sees of the world: a vector of the state, or pictures with ego's own state."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from reworld_agent.closed_loop.world import World
from reworld_agent.pdm.simulate.bicycle import AX, STEERING, VX, YAW_RATE
from reworld_agent.scenes.synthetic.render.cameras import SENSORS

Vector = NDArray[np.float32]
OTHERS = 16  # nearest things
OTHER = 9  # numbers each: there, x, y, cos, sin of heading, length, width, velocity x, y
AHEAD = np.arange(5.0, 55.0, 5.0)  # m along the route
EGO = 4 + 4 + 2  # speed, acceleration, yaw rate, steering; command; red light there, metres to it
WIDTH = EGO + 2 * len(AHEAD) + OTHERS * OTHER
_FAR = 60.0  # m: a light beyond is none
_BOUND = 200.0  # of every number


def state_space() -> spaces.Box:
    """Of `state_of`: [WIDTH], metres, seconds and radians, in ego's frame."""
    return spaces.Box(-_BOUND, _BOUND, (WIDTH,), np.float32)


def picture_space(cameras: tuple[str, ...]) -> spaces.Dict:
    """Of `pictures_of`: for each camera uint8 [256, 448, 3] RGB, and `ego` [EGO]."""
    sensor = SENSORS["6"]
    shape = (sensor.height, sensor.width, 3)
    views: dict[str, spaces.Space[Any]] = {
        name: spaces.Box(0, 255, shape, np.uint8) for name in cameras
    }
    return spaces.Dict({**views, "ego": spaces.Box(-_BOUND, _BOUND, (EGO,), np.float32)})


def state_of(world: World) -> Vector:
    """Ego, its route, and the nearest things, each where it is now."""
    frame = world.stage.frame(world.tick)
    parts = [ego_of(world, frame), _route(world).ravel(), _others(frame["anns"]).ravel()]
    return np.clip(np.concatenate(parts), -_BOUND, _BOUND).astype(np.float32)


def pictures_of(world: World, cameras: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """What the cameras see now, and ego's own state."""
    frame = world.stage.frame(world.tick)
    views: dict[str, NDArray[Any]] = {name: world.picture(name) for name in cameras}
    return {**views, "ego": np.clip(ego_of(world, frame), -_BOUND, _BOUND).astype(np.float32)}


def ego_of(world: World, frame: dict[str, Any]) -> NDArray[np.float64]:
    """Ego's own numbers [EGO].

    Speed (m/s), acceleration (m/s²), yaw rate (rad/s), steering angle (rad); NAVSIM's command [4];
    1 where a red light stands on the route within 60 m, and the way to it (m).
    """
    state = world.state[[VX, AX, YAW_RATE, STEERING]]
    return np.concatenate([state, frame["driving_command"], _light(world)])


def _along(world: World) -> float:
    """How far along its route ego is (m)."""
    return float(world.stage.now.s)


def _light(world: World) -> NDArray[np.float64]:
    """Whether a red light is ahead on the route, and the way to its line."""
    town, s = world.stage.town, _along(world)
    red = {connector for connector, is_red in town.lights() if is_red}
    for gate in world.drive.scenario.actors[0].path.gates:
        if gate.connector.fid in red and s <= gate.enter <= s + _FAR:
            return np.array([1.0, gate.enter - s])
    return np.zeros(2)


def _route(world: World) -> NDArray[np.float64]:
    """Points [10, 2] of the route ahead, in ego's frame."""
    points, _, _ = world.drive.scenario.actors[0].path.at(_along(world) + AHEAD)
    x, y, heading = world.stage.now.moment.ego
    cos, sin = np.cos(heading), np.sin(heading)
    turned: NDArray[np.float64] = (points - [x, y]) @ np.array([[cos, -sin], [sin, cos]])
    return turned


def _others(annotations: dict[str, Any]) -> NDArray[np.float64]:
    """[OTHERS, OTHER] the nearest things, nearest first; zeros where there are fewer."""
    boxes, velocity = annotations["gt_boxes"], annotations["gt_velocity_3d"]
    nearest = np.argsort(np.hypot(boxes[:, 0], boxes[:, 1]), kind="stable")[:OTHERS]
    box = boxes[nearest]
    rows = np.zeros((OTHERS, OTHER))
    rows[: len(box), 0] = 1.0
    rows[: len(box), 1:3] = box[:, :2]
    rows[: len(box), 3], rows[: len(box), 4] = np.cos(box[:, 6]), np.sin(box[:, 6])
    rows[: len(box), 5:7] = box[:, 3:5]
    rows[: len(box), 7:9] = velocity[nearest, :2]
    return rows
