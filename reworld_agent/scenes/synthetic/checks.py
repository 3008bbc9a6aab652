"""Which simulated drives are good enough for a log: ego drives well, and something happens."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reworld_agent.scenes.synthetic.actors.actor import EGO_CENTER, PERSON
from reworld_agent.scenes.synthetic.actors.traffic import STEP
from reworld_agent.scenes.synthetic.drive import Drive
from reworld_agent.scenes.synthetic.town import geometry as geo
from reworld_agent.scenes.synthetic.town.geometry import Array

LEAST_WAY = 35.0  # m that ego must cover
MARGIN = 0.35  # m around ego that nobody may enter
Steps = NDArray[np.int_]


def fault(drive: Drive) -> str:
    """Why the drive must not be used, or an empty string."""
    s = drive.record.s
    if s[-1, 0] - s[0, 0] < LEAST_WAY:
        return "ego hardly moves"
    if s[-1, 0] + 100.0 > drive.scenario.actors[0].path.length:
        return "the route ends too early"
    if drive.record.a[:, 0].min() < -3.8:
        return "ego brakes hard"
    if not event_happens(drive):
        return "the event does not happen"
    if _touched(drive, 0, MARGIN):
        return "somebody comes too near to ego"
    if any(_touched(drive, k, 0.0) for k in range(1, len(drive.scenario.actors))):
        return "others touch"
    return "near miss" if _near_miss(drive) else ""


def _obstacles(drive: Drive, steps: Steps) -> Array:
    """Boxes [T, K, 5] of people on foot and of things that stand."""
    people = drive.record.walkers[steps]
    size = np.broadcast_to(PERSON[:2], (*people.shape[:2], 2))
    walkers = np.concatenate([people[..., :2], size, people[..., 2:3]], -1)
    fixed = np.array([(x, y, *size[:2], heading) for _, x, y, heading, *size in drive.fixed])
    fixed = np.broadcast_to(fixed.reshape(-1, 5), (len(steps), len(drive.fixed), 5))
    return np.concatenate([walkers, fixed], axis=1)


def _touched(drive: Drive, k: int, margin: float) -> bool:
    steps = np.arange(0, len(drive.boxes), 2)
    own = drive.boxes[steps, k][:, None] + np.array([0, 0, 2 * margin, 2 * margin, 0])
    others = np.concatenate([drive.boxes[steps][:, k + 1 :], _obstacles(drive, steps)], axis=1)
    near = np.hypot(*(others - own)[..., :2].transpose(2, 0, 1)) < 12.0
    if not near.any():
        return False
    t, j = np.nonzero(near)
    return bool(geo.boxes_overlap(own[t, 0], others[t, j]).any())


def _near_miss(drive: Drive) -> bool:
    """Whether ego, going on as it is, would within 0.9 s be where somebody then is ahead."""
    record, total = drive.record, len(drive.boxes)
    steps = np.arange(0, total - 8, 2)
    bend = np.abs(drive.scenario.actors[0].path.at(record.s[steps, 0])[2])
    # a scorer's tracker starts every scene with straight wheels and leaves a bend by up to 1 m
    spare = 0.3 + np.minimum(30.0 * bend, 1.6)
    for later in (0.3, 0.6, 0.95):
        then = np.minimum(steps + round(later / STEP), total - 1)
        own = drive.boxes[steps, 0].copy()
        shift = record.v[steps, 0] * later
        own[:, 0] += shift * np.cos(own[:, 4])
        own[:, 1] += shift * np.sin(own[:, 4])
        own[:, 2] += 0.3
        own[:, 3] += spare
        others = np.concatenate([drive.boxes[then][:, 1:], _obstacles(drive, then)], axis=1)
        near = np.hypot(*(others - own[:, None])[..., :2].transpose(2, 0, 1)) < 12.0
        near &= (record.v[steps, 0] > 0.1)[:, None] & ~_behind(drive, steps, others)
        t, j = np.nonzero(near)
        if len(t) and geo.boxes_overlap(own[t], others[t, j]).any():
            return True
    return False


def _behind(drive: Drive, steps: Steps, others: Array) -> NDArray[np.bool_]:
    rear = drive.boxes[steps, 0]
    axle = rear[:, :2] - EGO_CENTER * np.stack([np.cos(rear[:, 4]), np.sin(rear[:, 4])], -1)
    delta = others[..., :2] - axle[:, None]
    bearing = np.arctan2(delta[..., 1], delta[..., 0]) - rear[:, None, 4]
    return np.abs((bearing + np.pi) % (2 * np.pi) - np.pi) > np.deg2rad(100.0)


def event_happens(drive: Drive) -> bool:
    """Whether what the drive is about happens before ego within the logged time."""
    theme, ego = drive.scenario.theme, drive.boxes[:, 0, :2]
    speed = drive.record.v[:, 0]
    if theme == "cut_in":
        return _cuts_in(drive)
    if theme == "works":
        places = np.array([place[1:3] for place in drive.scenario.props])
        return bool(np.hypot(*(places[:, None] - ego).transpose(2, 0, 1)).min() < 5.0)
    if theme in ("queue", "red_light"):
        stands = np.flatnonzero(speed < 0.3)
        return len(stands) > 0 and bool(speed[stands[0] :].max() > 3.0)
    if theme == "obstacle":
        places = np.array([thing[1:3] for thing in drive.scenario.standing])
        return bool(np.hypot(*(places[:, None] - ego).transpose(2, 0, 1)).min() < 5.0)
    if theme in ("left_turn", "merge"):
        other = drive.boxes[:, 1, :2]
        return bool(np.hypot(*(other - ego).T).min() < 40.0)  # from both ends of a junction
    if theme in ("crossing", "step_out"):
        crossing = [k for k, walker in enumerate(drive.scenario.walkers) if walker.crosses]
        people = drive.record.walkers[:, crossing]
        near = np.hypot(*(people[..., :2] - ego[:, None]).transpose(2, 0, 1)) < 14.0
        return bool((near & (people[..., 3] > 0.0)).any())
    return True


def _cuts_in(drive: Drive) -> bool:
    """Whether the first actor after ego comes from aside into ego's lane, near before ego."""
    ego, other = drive.boxes[:, 0], drive.boxes[:, 1]
    delta = other[:, :2] - ego[:, :2]
    cos, sin = np.cos(ego[:, 4]), np.sin(ego[:, 4])
    ahead, aside = cos * delta[:, 0] + sin * delta[:, 1], cos * delta[:, 1] - sin * delta[:, 0]
    near = (ahead > 5.0) & (ahead < 24.0)
    return bool((near & (np.abs(aside) < 1.0)).sum() > 8 and abs(aside[0]) > 2.0)
