"""`reworld video probe output=FILE`."""

from __future__ import annotations

from reworld_agent.cli.command import OK, Command
from reworld_agent.core.text import shown
from reworld_agent.video_metrics import probe
from reworld_agent.video_metrics.probe.settings import ProbeSettings

COMMAND = Command(
    name="video probe",
    summary="what frozen video states know of a scene",
    settings=ProbeSettings,
    run="reworld_agent.cli.commands.video.probe:run",
    about="""
Linear models are fitted to frozen states of the Video DiT, averaged over tokens, block by block,
and scored on other logs: curvature and lead_distance by ridge regression (R²), lead_present and
braking by logistic regression (area under the ROC curve). Block 0 stands for the codec's latents.
""",
    examples=(
        "reworld video probe scenes=400 output=probe",
        "reworld video probe checkpoint_path=outputs/1/weights ucf=/data/UCF-101 output=probe_ucf",
    ),
    exit_codes="0 scored; 1 refused",
    kept="states of finished scenes are kept; the same command goes on",
)


def run(settings: ProbeSettings) -> int:
    """Print the table and name the files."""
    found = probe.fit_probe(settings)
    print(found.text())
    print(f"written: {', '.join(shown(path) for path in found.written)}")
    return OK
