"""The files of one drive: its log, and what its cameras see."""

from __future__ import annotations

from pathlib import Path

from reworld_agent.scenes.synthetic.logs import log_bytes
from reworld_agent.scenes.synthetic.rollout import make_drive
from reworld_agent.scenes.synthetic.store import write_bytes


def write_drive(split: str, index: int, root: Path, cameras: tuple[str, ...], clips: bool) -> None:
    """Write what is missing of one drive: log, images of the cameras, clip."""
    drive = make_drive(split, index)
    if cameras or clips:
        # OpenCV draws the images; a split without them is made by the base installation too
        from reworld_agent.scenes.synthetic.drive_images import write_images  # noqa: PLC0415

        write_images(drive, root, cameras, clips)
    log = root / "navsim_logs" / split / f"{drive.name}.pkl"
    if not log.exists():
        write_bytes(root, log, log_bytes(drive))
