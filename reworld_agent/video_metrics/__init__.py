"""Metrics of generated video: FVD, FID over a named encoder, LPIPS, PSNR, SSIM.

The protocol travels with the number: `score` returns both and writes both.
"""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.video_metrics.frechet import Gaussian, Moments, frechet_distance
    from reworld_agent.video_metrics.i3d import i3d_logits
    from reworld_agent.video_metrics.lpips_network import lpips
    from reworld_agent.video_metrics.scoring import Score, score
    from reworld_agent.video_metrics.settings import ScoreSettings

__all__ = [
    "Gaussian",
    "Moments",
    "Score",
    "ScoreSettings",
    "frechet_distance",
    "i3d_logits",
    "lpips",
    "score",
]

__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "frechet": ["Gaussian", "Moments", "frechet_distance"],
        "i3d": ["i3d_logits"],
        "lpips_network": ["lpips"],
        "scoring": ["Score", "score"],
        "settings": ["ScoreSettings"],
    },
)
