"""Metrics of generated video: FVD, FID over a named encoder, LPIPS, PSNR, SSIM.

The protocol travels with the number: `score` returns both, `eval/run_video_score.py` writes both.
"""

from __future__ import annotations

from reworld_agent.video_metrics.frechet import Gaussian, Moments, frechet_distance
from reworld_agent.video_metrics.i3d import i3d_logits
from reworld_agent.video_metrics.lpips import lpips

__all__ = ["Gaussian", "Moments", "frechet_distance", "i3d_logits", "lpips"]
