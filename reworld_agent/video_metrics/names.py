"""Names and sizes of the video metrics, known without their networks."""

from __future__ import annotations

SET_METRICS = ("fvd", "fid")
PAIR_METRICS = ("lpips", "psnr", "ssim")
METRICS = (*SET_METRICS, *PAIR_METRICS)
NETWORKS = ("alex", "vgg")
"""Networks of LPIPS; also the encoders of FID."""

SIZE = 224  # pixels, both sides, of what I3D sees
MIN_FRAMES = 9  # fewer leave nothing for I3D's last pool, which spans two of T/8 steps
ENOUGH = 256  # clips, below which a Fréchet distance over 400 features says little
