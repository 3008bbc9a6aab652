"""`reworld video score real=SET generated=SET output=FILE`."""

from __future__ import annotations

from reworld_agent import video_metrics
from reworld_agent.cli.command import OK, Command
from reworld_agent.core.text import shown
from reworld_agent.video_metrics.settings import ScoreSettings

COMMAND = Command(
    name="video score",
    summary="FVD, FID, LPIPS, PSNR and SSIM of generated clips",
    settings=ScoreSettings,
    run="reworld_agent.cli.commands.video.score:run",
    about="""
Compares a set of generated clips with a set of real ones. Everything that a number depends on is
written beside it.
""",
    examples=(
        "reworld video score real=outputs/generated/real generated=outputs/generated/futures "
        "output=ours_vs_real",
        "reworld video score real=nuscenes.parquet split=val generated=clips/theirs metrics=fvd "
        "frames=24 fps=8 output=theirs",
    ),
    exit_codes="0 scored; 1 refused",
    kept="features of finished clips are kept; the same command goes on",
)


def run(settings: ScoreSettings) -> int:
    """Print the table and its protocol, and name the files."""
    found = video_metrics.score(settings)
    print(found.text())
    print(f"written: {', '.join(shown(path) for path in found.written)}")
    return OK
