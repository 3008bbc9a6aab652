"""Compare generated clips with real ones: `python eval/run_video_score.py --help`."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # run as a file, the checkout is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reworld_agent.cli.old_commands import BY_NAME
from reworld_agent.core.arguments import run_script
from reworld_agent.video_metrics.command import main

if __name__ == "__main__":
    run_script(main, BY_NAME["video"].kept)
