"""`reworld video index|generate|…`: hands the words to the module that knows them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from reworld_agent.core.arguments import report_error
from reworld_agent.core.errors import ReWorldError, UsageError

# modules are imported when their command is asked for: torch takes seconds
COMMANDS = {
    "index": ("reworld_agent.cli.video.index", "cut recordings into clips"),
    "generate": ("reworld_agent.cli.video.generate", "imagine how clips go on"),
    "latents": ("reworld_agent.cli.video.latents", "encode the clips of an index once"),
    "prompts": ("reworld_agent.cli.video.prompts", "embed the sentences of an index once"),
    "score": ("reworld_agent.video_metrics.command", "FVD and the like of generated clips"),
    "probe": ("reworld_agent.video_metrics.probe.command", "what frozen video states know"),
}
EXAMPLE = """
example: reworld video index source=nuscenes root=/data/nuscenes output=clips.parquet
example: reworld video generate index=clips.parquet row=0:16 output=outputs/generated

exit codes: 0 done; 1 refused or failed; 2 wrong usage.
"""
USAGE = f"reworld video {'|'.join(COMMANDS)} ..."


def main(words: Sequence[str]) -> int:
    """Run the command; its exit code: 0 done, 1 refused, 2 wrong usage."""
    if not words or words[0] in ("-h", "--help", "help"):
        print(USAGE + "\n")
        for name, (_, text) in COMMANDS.items():
            print(f"  {name:<9} {text}; reworld video {name} --help")
        print(EXAMPLE)
        return 0 if words else 2
    try:
        if words[0] not in COMMANDS:
            raise UsageError(f"there is no command video {words[0]}", USAGE)
        module = import_module(COMMANDS[words[0]][0])
        if {"-h", "--help", "help"} & set(words[1:]) and hasattr(module, "HELP"):
            print(module.HELP)
            return 0
        code: int = module.main(words[1:])
    except ReWorldError as error:
        return report_error(error)
    return code
