"""`reworld video index source=NAME output=FILE`."""

from __future__ import annotations

from reworld_agent import clips
from reworld_agent.cli.command import OK, Command
from reworld_agent.clips.settings import IndexSettings
from reworld_agent.core.text import shown

COMMAND = Command(
    name="video index",
    summary="cut recordings into clips of a steady rate",
    settings=IndexSettings,
    run="reworld_agent.cli.commands.video.index:run",
    about="""
By nearest timestamp, one row a clip; a clip never reaches over a gap. The clips of one scene are
all of one split. Recordings that cannot be read are named, and listed with the reasons in a csv
beside the index (FILE.refused.csv); the others are indexed. Raw streams (.h264, .hevc) carry no
times: say fps=.
""",
    examples=(
        "reworld video index source=nuscenes root=/data/nuscenes output=nuscenes_8hz.parquet",
        "reworld video index source=town data_split=town_val fps=2 frames=12 output=town.parquet",
    ),
    next="reworld video latents index=FILE, reworld video generate index=FILE",
    exit_codes="0 written; 1 no recording can be read, or they give no clip",
)
_NO_OFFICIAL_SPLIT = (
    "note: nuScenes' own split is not in its tables; this is 80/10/10 by a hash of scene names.\n"
    "  Its own, with the package nuscenes-devkit (then add split=nuscenes.json):"
    '\n  python -c "import json, nuscenes.utils.splits as s; '
    'print(json.dumps(s.create_splits_scenes()))" > nuscenes.json'
)


def run(settings: IndexSettings) -> int:
    """Say what was met, and name the file."""
    made = clips.make_index(settings)
    print(made.text())
    if settings.source == "nuscenes" and settings.split is None:
        print(_NO_OFFICIAL_SPLIT)
    print(f"written: {shown(settings.output)}")
    if made.refused is not None:
        print(f"written: {shown(made.refused)}, what was refused")
    return OK
