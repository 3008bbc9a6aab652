"""What an imagined future is held against: the codec's own restoration, and the frame that stays.

A future cannot be nearer to the real one than the codec brings it; and one that is no nearer than
the present frame, repeated, shows nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from reworld_agent.clips.video_out import write_video
from reworld_agent.config import ClipConfig
from reworld_agent.generation.futures import decode_latents
from reworld_agent.generation.jobs import Job
from reworld_agent.generation.samples import Clip, Sample, View
from reworld_agent.model import ReWorldModel
from reworld_agent.video.encoding import encode_clip

RESTORED, REPEATED = FLOORS = ("codec", "repeated")


def write_floors(
    model: ReWorldModel, clip: ClipConfig, jobs: Sequence[Job], output: Path, view: View, tile: int
) -> None:
    """Write both floors of every clip whose future is known; what is there is left alone.

    Args:
        model: its codec restores.
        clip: rate and lengths.
        jobs: the clips.
        output: files are `FLOOR/NAME.mp4` below it, without loss.
        view: which of several cameras is written.
        tile: see `Sampling`.
    """
    missing = [
        job
        for job in jobs
        if not all((output / floor / f"{job.name}.mp4").is_file() for floor in FLOORS)
    ]
    for job in tqdm(missing, desc="floors", unit=" clips", delay=5.0):
        sample = job.read()
        if sample.real is None:
            continue
        floors = {
            RESTORED: restored_future(model, clip, sample, tile),
            REPEATED: np.repeat(sample.history[-1:], clip.future_frames, axis=0),
        }
        for name, frames in floors.items():
            file = output / name / f"{sample.name}.mp4"
            write_video(file, view.of(frames), clip.fps, lossless=True)


@torch.no_grad()
def restored_future(model: ReWorldModel, clip: ClipConfig, sample: Sample, tile: int) -> Clip:
    """The real future [T, 3, V H, W] of a clip that has one, encoded and decoded."""
    history, future = (
        torch.from_numpy(np.ascontiguousarray(frames))[None].to(model.device)
        for frames in (sample.history, sample.real)
    )
    latents = encode_clip(model.codec, clip, history, future)
    frames: Clip = decode_latents(model, clip, latents, tile)[0].numpy()
    return frames
