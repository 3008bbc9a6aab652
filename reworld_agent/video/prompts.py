"""Text conditioning: kinematics and command as one sentence (DriveLaW, arXiv 2512.23421).

The paper's s and g reach the video branch as text alone; the planner's prompt is always the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from reworld_agent.core.errors import ConfigError

VIEW = "A high-quality, photorealistic dashboard camera view of autonomous driving."
QUALITY = (
    "Maintain temporal consistency, stable camera perspective, natural motion flow without jitter "
    "or artifacts, clear details, and realistic physics."
)
# DriveLaW's planner was trained and is evaluated on this sentence, to the letter.
PLANNER_PROMPT = (
    f"{VIEW} Based on the past 2 seconds videos, predict and generate the next 4 seconds of "
    f"realistic driving continuation, {QUALITY} "
)
# What DriveLaW's planner sees in its place where captions are dropped, in training.
DROPPED_PROMPT = (
    "worst quality, low quality, blurry, jittery, distorted, motion blur, ghosting, flickering, "
    "stuttering, camera shake, unstable footage, warping, trailing artifacts, temporal "
    "inconsistency, jerky motion, choppy framerate"
)
# What classifier-free guidance leads away from (LTX-Video's short default).
NEGATIVE_PROMPT = "worst quality, inconsistent motion, blurry, jittery, distorted"
LOW_SPEED, HIGHWAY_SPEED = 5.0, 15.0  # m/s
STEADY = 0.5  # m/s²
COMMANDS = {
    "left": ("turning left", "controlled steering"),
    "straight": ("driving straight ahead", "stable lane keeping"),
    "right": ("turning right", "controlled steering"),
    "unknown": ("driving straight ahead", "stable lane keeping"),
}
NAVSIM_COMMANDS = ("left", "straight", "right", "unknown")  # the order of NAVSIM's one-hot


@dataclass(frozen=True)
class Motion:
    """What the car did over the history, in the ego frame of its last moment.

    Attributes:
        forward, lateral: metres covered, lateral to the left.
        yaw: degrees turned, to the left.
        speed: m/s at the end; acceleration: m/s², its magnitude.
        command: one of COMMANDS.
    """

    forward: float
    lateral: float
    yaw: float
    speed: float
    acceleration: float
    command: str = "unknown"

    def __post_init__(self) -> None:
        if self.command not in COMMANDS:
            message = f"command={self.command} does not exist"
            raise ConfigError(message, "use " + " | ".join(COMMANDS))


def world_prompt(motion: Motion, past: float, future: float) -> str:
    """The sentence of a sample of video training: `past` and `future` in seconds."""
    if motion.speed < LOW_SPEED:
        speed = "low"
    else:
        speed = "moderate" if motion.speed < HIGHWAY_SPEED else "highway"
    steady = motion.acceleration < STEADY
    change = "steady motion" if steady else "gradually changing speed"
    trend, steering = COMMANDS[motion.command]
    technical = (
        f"[Technical: forward {motion.forward:.2f}m, lateral {motion.lateral:.2f}m, "
        f"yaw {motion.yaw:.1f}°, speed {motion.speed:.2f}m/s]"
    )
    return (
        f"{VIEW} Based on the past {past:g} seconds, predict and generate the next {future:g} "
        f"seconds of realistic driving continuation. moving at {speed} speed with {change}, "
        f"{trend} with {steering}, smoothly continue for the next {future:g} seconds. "
        f"{QUALITY} {technical}"
    )
