"""What is scored and how: every setting that changes a number, and those that only cost time."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from reworld_agent.core.errors import ConfigError
from reworld_agent.core.provenance import code_version
from reworld_agent.core.text import shown
from reworld_agent.video_metrics.estimate import ENOUGH
from reworld_agent.video_metrics.i3d import I3D_WEIGHTS, MIN_FRAMES, SIZE
from reworld_agent.video_metrics.lpips import LPIPS_WEIGHTS
from reworld_agent.video_metrics.pairs import PAIR_METRICS
from reworld_agent.video_metrics.views import Crop

SET_METRICS = ("fvd", "fid")
METRICS = (*SET_METRICS, *PAIR_METRICS)
_RESIZE = "bilinear, no antialiasing, aspect not kept"


@dataclass(frozen=True)
class Side:
    """How one of the two sets is read.

    Attributes:
        path: folder of clips, or index.
        crop: part of each frame.
        start: first frame of each clip, at `fps`.
        root: folder of an index's data; None = where they lay when it was made.
    """

    path: Path
    crop: Crop = field(default_factory=Crop)
    start: int = 0
    root: Path | None = None


@dataclass(frozen=True)
class ScoreSettings:
    """A whole comparison.

    Attributes:
        real, generated: the two sets.
        metrics: of METRICS.
        frames: of each clip; None where all are equally long.
        fps: rate that files are read at; None for their own.
        split: of indexes; None for all.
        size: pixels a side for FVD and FID.
        pair_size: pixels a side for LPIPS, PSNR and SSIM; None for the frames' own size.
        lpips_network: alex or vgg; also the encoder of FID.
        allow_few: let FVD and FID of fewer than 256 clips pass, marked.
        resamples, seed: of the intervals.
        generator: how the generated clips were made, in words; stored with the numbers.
        i3d_weights, lpips_weights: files to take weights from.
        device, batch: where the networks run, clips at a time.
        cache_dir: of what is computed of each clip.
    """

    real: Side
    generated: Side
    metrics: tuple[str, ...] = ("fvd", *PAIR_METRICS)
    frames: int | None = None
    fps: float | None = None
    split: str | None = None
    size: int = SIZE
    pair_size: int | None = SIZE
    lpips_network: str = "alex"
    allow_few: bool = False
    resamples: int = 200
    seed: int = 1
    generator: str = ""
    i3d_weights: Path | None = field(default=None, compare=False)
    lpips_weights: Path | None = field(default=None, compare=False)
    device: str = field(default="cpu", compare=False)
    batch: int = field(default=1, compare=False)
    cache_dir: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        unknown = [name for name in self.metrics if name not in METRICS]
        if unknown or not self.metrics:
            raise ConfigError(
                f"metrics={','.join(self.metrics)}: {(unknown or ['nothing'])[0]} is unknown",
                f"say metrics={','.join(METRICS)}, or some of them",
            )
        if self.lpips_network not in LPIPS_WEIGHTS:
            known = " | ".join(LPIPS_WEIGHTS)
            raise ConfigError(f"lpips={self.lpips_network} is unknown", f"say lpips={known}")
        if self.frames is not None and "fvd" in self.metrics and self.frames < MIN_FRAMES:
            raise ConfigError(
                f"frames={self.frames}: FVD needs at least {MIN_FRAMES}",
                "score longer clips, or leave fvd out of metrics=",
            )
        if self.size != SIZE and "fvd" in self.metrics:
            raise ConfigError(
                f"size={self.size}: I3D sees {SIZE} pixels; FVD at another size has no meaning",
                f"say size={SIZE}; pair_size= sets that of LPIPS, PSNR and SSIM",
            )
        if self.device.partition(":")[0] not in ("cpu", "cuda"):
            raise ConfigError(f"device={self.device} is unknown", "say device=cpu or device=cuda")
        if self.device.startswith("cuda") and not torch.cuda.is_available():
            raise ConfigError(f"device={self.device}: no CUDA device here", "say device=cpu")

    @property
    def fid_name(self) -> str:
        """FID by the name of its encoder: it is not the Inception network of the original."""
        return {"alex": "fid_alexnet", "vgg": "fid_vgg16"}[self.lpips_network]

    def wants(self, *names: str) -> bool:
        """Whether any of these metrics is asked for."""
        return any(name in self.metrics for name in names)

    def protocol(self, frames: int, real: int, generated: int) -> dict[str, Any]:
        """What a number must be printed with to mean anything."""
        sides = {"real": self.real, "generated": self.generated}
        few = min(real, generated) < ENOUGH and self.wants(*SET_METRICS)
        hashes = {}
        if self.wants("fvd"):
            hashes[I3D_WEIGHTS.name] = I3D_WEIGHTS.sha256
        if self.wants("fid", "lpips"):
            source = LPIPS_WEIGHTS[self.lpips_network]
            hashes[source.name] = source.sha256
        return {
            "protocol": "video_score_1",
            "code_version": code_version(),
            "metrics": list(self.metrics),
            "clips": {"real": real, "generated": generated},
            "too_few_clips": few,
            "frames": frames,
            "fps": self.fps,
            "split": self.split,
            "paths": {name: shown(side.path) for name, side in sides.items()},
            "start": {name: side.start for name, side in sides.items()},
            "crop": {name: str(side.crop) for name, side in sides.items()},
            "resize": {"method": _RESIZE, "fvd_fid": self.size, "pairs": self.pair_size},
            "fid_encoder": self.fid_name if self.wants("fid") else None,
            "weights_sha256": hashes,
            "bootstrap": {"resamples": self.resamples, "seed": self.seed},
            "generator": self.generator,
            "torch": torch.__version__,
        }
