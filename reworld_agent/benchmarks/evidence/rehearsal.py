"""A rehearsal: each command of a design on a few scenes for a few steps, before the hours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from reworld_agent.benchmarks.evidence.designs import Contrast, Design
from reworld_agent.benchmarks.evidence.measured import arm_curves, arm_values
from reworld_agent.benchmarks.evidence.run import begin, commands, past_the_gate
from reworld_agent.benchmarks.evidence.settings import EvidenceRun
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.training.chain import Command, in_a_process, run_chain

_SCENES = "train_test_split.scene_filter.max_scenes"
# What makes a command small; commands that are not named are run as they are.
_SMALL: dict[str, dict[str, str]] = {
    "train": {
        "trainer.params.max_steps": "2",
        _SCENES: "32",
        "validation.every": "1",
        "validation.samples": "8",
    },
    "fit-statistics": {_SCENES: "32"},
    "mine": {_SCENES: "4"},
    "score": {_SCENES: "4"},
    "evidence oracle": {"scenes": "32", "steps": "2"},
    "video train-codec": {"scenes": "32", "steps": "2"},
    "video train-actions": {"scenes": "32", "steps": "2", "probe_steps": "2"},
    "video gate": {"clips": "8", "fit_clips": "32"},
    "video generate": {"row": "0:4", "steps": "2"},
    "video score": {"allow_few": "true"},
    "video probe": {"scenes": "64"},
}


@one_writer
def rehearse_evidence(
    settings: EvidenceRun, run: Callable[[Command], int] = in_a_process
) -> list[Command]:
    """Run every arm with the first seed, small, and read what the contrasts measure.

    Nothing is decided by it: no gate ends it, and it lies apart from the runs.

    Args:
        settings: see there.
        run: runs one command; its exit code.

    Returns:
        The commands as they were run.

    Raises:
        ReWorldError: as `run_evidence`; or a command left behind no such measure.
    """
    design, world = begin(settings)
    ((seed, place),) = settings.seed_homes.items()
    chain = [made_small(command) for command in commands(design, world, settings, seed)]
    run_chain(chain, place, past_the_gate(run))
    rehearsed = replace(design, seeds=[seed])
    for contrast in design.contrasts.values():
        _read(rehearsed, contrast, settings, world.test)
    return chain


def made_small(command: Command) -> Command:
    """The command with fewer scenes and steps, where it is known how it takes them."""
    names = (command.command, " ".join((command.command, *command.arguments[:1])))
    small = next((_SMALL[name] for name in names if name in _SMALL), {})
    kept = [word for word in command.arguments if word.partition("=")[0] not in small]
    return replace(command, arguments=(*kept, *(f"{key}={small[key]}" for key in small)))


def _read(design: Design, contrast: Contrast, settings: EvidenceRun, split: str) -> None:
    """Read a contrast's measures of all its arms; raises DataError where one is not there."""
    arms = [arm for arm in dict.fromkeys([*contrast.arms, *contrast.among]) if arm in design.arms]
    for name in filter(None, (contrast.measure, contrast.choose)):
        measure = design.measures[name]
        for arm in arms:
            if contrast.kind == "speedup":
                arm_curves(design, measure, arm, settings.home)
            else:
                arm_values(design, measure, arm, settings.home, split)
