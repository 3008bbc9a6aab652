"""A design is run: every arm with every seed as documented commands, one after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from reworld_agent.benchmarks.evidence.designs import Design, World, read_designs
from reworld_agent.benchmarks.evidence.settings import EvidenceRun
from reworld_agent.core.errors import ConfigError, UsageError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import code_version
from reworld_agent.core.records.file_hashes import file_sha256
from reworld_agent.core.result_tables import keep_settings
from reworld_agent.core.text import shown
from reworld_agent.model.gate_record import FAILED, NOT_JUDGED, checksums_hash, read_verdict
from reworld_agent.scenes.synthetic.drive import SPLITS
from reworld_agent.training.chain import (
    Command,
    in_a_process,
    read_times,
    run_chain,
    write_times,
)

logger = logging.getLogger(__name__)
RECORD = "evidence.json"
IN_THE_RUNS = "in the runs"  # where the weights are judged of a design that trains from scratch


@dataclass(frozen=True)
class Begun:
    """`evidence.json`: what the runs of a design are made with.

    Attributes:
        design: digest of it; world: that it is about.
        model: the configuration's name, or the hash of its file.
        start: hash of the checksums of the weights that it starts from.
        pool: hash of the file of negatives.
        gate: the verdict on `start`, or IN_THE_RUNS.
        code_version: that began.
    """

    design: str
    world: World
    model: str | None
    start: str | None
    pool: str | None
    gate: str
    code_version: str = ""


def run_home(home: Path, arm: str, seed: int) -> Path:
    """Folder of one run."""
    return home / f"{arm}_seed_{seed}"


def commands(design: Design, world: World, settings: EvidenceRun, seed: int) -> list[Command]:
    """All commands of a seed of a design: first what its arms share, then those of each arm."""
    home = settings.home.absolute()
    shared = {**asdict(world), "model": settings.model, "seed": str(seed)}
    shared |= {"seed_home": str(home / f"seed_{seed}")}
    shared |= {name: str(getattr(settings, name)) for name in design.needs}
    chain = [
        _command(f"seed_{seed}.{number}", words, shared, {})
        for number, words in enumerate(design.before)
    ]
    for arm, slots in design.arms.items():
        place = run_home(home, arm, seed)
        filled = {**shared, "home": str(place)}
        for number, words in enumerate(design.commands):
            chain.append(_command(f"{place.name}.{number}", words, filled, slots))
    return chain


def _command(
    name: str,
    words: Sequence[str],
    places: Mapping[str, str],
    slots: Mapping[str, Sequence[str]],
) -> Command:
    """A command with its places filled in; the folder of a training is known by its output_dir."""
    filled: list[str] = []
    for word in words:
        slot = word[1:-1] if word.startswith("{") and word.endswith("}") else ""
        for text in slots.get(slot, [word]):
            for place, value in places.items():
                text = text.replace(f"{{{place}}}", value)
            filled.append(text)
    output = next((w.partition("=")[2] for w in filled if w.startswith("output_dir=")), "")
    trains = filled[0] == "train" and output
    return Command(name, filled[0], tuple(filled[1:]), Path(output) if trains else None)


@one_writer
def run_evidence(
    settings: EvidenceRun, run: Callable[[Command], int] = in_a_process
) -> list[Command]:
    """Run a design, or what is left of it, a seed after the other; the commands of these seeds.

    Each seed keeps a record of its own, in `seed_N/chain.json`: seeds can be run at the same time,
    in processes and on machines of their own.

    Args:
        settings: see there.
        run: runs one command; its exit code.

    Raises:
        UsageError: the town is of another version than the design's.
        ConfigError: the weights have not passed the gate, or the folder holds runs of another
            design, of other weights or of another version of the town.
        ReWorldError: a command failed; finished ones are kept.
    """
    design, world = begin(settings)
    chains = {seed: commands(design, world, settings, seed) for seed in settings.seed_homes}
    for seed, chain in chains.items():
        place = settings.seed_homes[seed]
        _take_over(settings.home, place, chain)
        run_chain(chain, place, run if settings.gate else past_the_gate(run))
    return [command for chain in chains.values() for command in chain]


def begin(settings: EvidenceRun) -> tuple[Design, World]:
    """The design and its world, once the folder of its runs says that it is theirs.

    Raises:
        UsageError, ConfigError: see `run_evidence`.
    """
    found = read_designs(settings.designs)
    check_town(found.world)
    design = found.designs[settings.design]
    verdict = _verdict(settings, design)
    start = None if settings.start is None else checksums_hash(settings.start)
    named = _identity(settings.model), start, _identity(settings.pool)
    begun = Begun(design.digest, found.world, *named, verdict, code_version())
    about = asdict(begun)
    notes = {"code_version": about.pop("code_version")}
    keep_settings(settings.home / RECORD, about, notes)
    return design, found.world


def _take_over(home: Path, place: Path, chain: list[Command]) -> None:
    """Copy a seed's part of the record of all seeds, which version 0.2 kept in `home`."""
    words = {str(command) for command in chain}
    done = [timing for timing in read_times(home) if timing.command in words]
    if done and not read_times(place):
        write_times(place, done)


def check_town(world: World) -> None:
    """Raise UsageError where an embedded split is of another version of the town."""
    for split in (world.train, world.validation, world.test):
        plan = SPLITS.get(split)
        if plan is not None and plan.version != world.version:
            raise UsageError(
                f"{split} is of version {plan.version} of the town, the designs are of version "
                f"{world.version}",
                "correct the world of the designs, or use the code that has that version",
            )


def past_the_gate(run: Callable[[Command], int]) -> Callable[[Command], int]:
    """Commands of which a gate that is not passed ends none: the verdict lies with the weights."""

    def past(command: Command) -> int:
        code = run(command)
        is_gate = (command.command, *command.arguments[:1]) == ("video", "gate")
        return 0 if is_gate and code == 1 else code

    return past


def gate_of_runs(design: Design, home: Path) -> str:
    """The gate's verdict on runs that train from scratch: the first that is not passed.

    Weights without a planner pass with `video half passed`.
    """
    verdict = NOT_JUDGED
    for seed in design.seeds:
        for arm in design.arms:
            for place in sorted(run_home(home, arm, seed).glob("*/weights/gate.json")):
                verdict = read_verdict(place.parent)
                if verdict == NOT_JUDGED or verdict.startswith(FAILED):
                    return f"{arm}, seed {seed}: {verdict}"
    return verdict


def _identity(named: str | Path | None) -> str | None:
    """A file by its content, all else by its name."""
    if named is None or not Path(named).is_file():
        return None if named is None else str(named)
    return file_sha256(Path(named))


def _verdict(settings: EvidenceRun, design: Design) -> str:
    """The gate's verdict on what the design starts from.

    Raises:
        ConfigError: it has not passed, and `gate` is on.
    """
    if settings.start is None or not design.gated:
        return IN_THE_RUNS
    verdict = read_verdict(settings.start)
    if verdict != NOT_JUDGED and not verdict.startswith(FAILED):
        return verdict
    if settings.gate:
        raise ConfigError(
            f"the weights at {shown(settings.start)} have not passed the gate ({verdict})",
            f"reworld video gate checkpoint_path={shown(settings.start)}; or gate=false: "
            "the table is then marked",
        )
    logger.warning("the weights have not passed the gate (%s): the table says so", verdict)
    return verdict
