"""`reworld doctor`."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator

from reworld_agent import doctor
from reworld_agent.cli.command import FAILED, OK, Command
from reworld_agent.closed_loop import serving
from reworld_agent.core.findings import FAIL, Finding, as_text, wants_colours
from reworld_agent.doctor.settings import DoctorSettings

COMMAND = Command(
    name="doctor",
    summary="is this installation, this data, this cache to be trusted?",
    settings=DoctorSettings,
    run="reworld_agent.cli.commands.doctor:run",
    about="""
May the numbers of this installation be trusted, and would a run finish? Each finding is ok, warn or
fail, and names its fix.

  environment  libraries and versions, which navsim is imported and from where, linear algebra on
               this CPU, the golden scene, room on the disk, shipped weights, GPU
  data         every log, image, point cloud and map that a run would open; what is missing, and
               how many GB there are to fetch
  caches       scene caches: whole, of this version, of the scenes that they say
  weights      a folder of weights: files, hashes, configuration, NaN
  gpu          a GPU that works
  all          all of these
  alpasim      an agent as the driver of AlpaSim's challenge: drives over TCP and a Unix socket,
               .1 s each, two sessions at once, 16 GiB, no network, nothing written (extra loop)
""",
    examples=(
        "reworld doctor",
        "reworld doctor data train_test_split=navtest agent=reworld",
        "reworld doctor data train_test_split=navtrain stage=1 json=true",
        "reworld doctor weights checkpoint_path=outputs/3/weights",
        "reworld doctor alpasim agent=reworld drives=1000",
    ),
    exit_codes="0 nothing fails; 1 something does",
)


def run(settings: DoctorSettings) -> int:
    """Print the findings as they come, or all as JSON."""
    findings, colours = [], wants_colours(sys.stdout)
    for finding in _examined(settings):
        findings.append(finding)
        if not settings.json:
            print(as_text(finding, colours), flush=True)
    if settings.json:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    return FAILED if any(finding.status == FAIL for finding in findings) else OK


def _examined(settings: DoctorSettings) -> Iterator[Finding]:
    """Findings, as they come."""
    if settings.subject != "alpasim":
        return doctor.examine(settings)
    return serving.examine_driver(settings)
