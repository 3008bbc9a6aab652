"""`reworld convert from=ltx|drivelaw|reworld source=PATH output_dir=DIR`."""

from __future__ import annotations

from reworld_agent import checkpoints
from reworld_agent.checkpoints.settings import ConvertSettings
from reworld_agent.cli.command import OK, Command
from reworld_agent.core.text import shown

COMMAND = Command(
    name="convert",
    summary="weights of LTX-Video, DriveLaW or the authors' release as a folder of ours",
    settings=ConvertSettings,
    run="reworld_agent.cli.commands.convert:run",
    about="""
Turns an ancestor's checkpoint into a weights folder of ReWorld (agent.checkpoint_path=,
agent.init_from=). Every tensor of both sides is accounted for; what the ancestor lacks starts
afresh, and is named.
""",
    examples=(
        "reworld convert from=ltx source=LTX-Video-0.9.5 output_dir=weights/ltx",
        "reworld convert from=drivelaw source=drivelaw/video.safetensors act=drivelaw/act "
        "vae=LTX-Video-0.9.5 t5=LTX-Video-0.9.5 output_dir=weights/drivelaw",
    ),
    next="reworld train agent=reworld model=paper stage=1 agent.init_from=DIR",
    exit_codes=(
        "0 written; 1 keys are missing, unexpected or of other shapes (all are listed), or failed"
    ),
)


def run(settings: ConvertSettings) -> int:
    """Say where the parts come from, and name the folder."""
    converted = checkpoints.convert_to_folder(settings)
    print("\n".join(converted.notes))
    print(f"written: {shown(settings.output_dir)}")
    return OK
