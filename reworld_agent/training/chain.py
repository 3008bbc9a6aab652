"""The whole chain of stages as the documented commands, one after the other, with their times.

statistics -> codec, where the model has one that learns -> latent actions, where it has some -> 1
-> planner -> 2 -> mine -> 3, the last two in one or more rounds, with a score after every stage
that plans.
"""

from __future__ import annotations

import logging
import os
import re
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd
import torch

from reworld_agent.config import load_model_config
from reworld_agent.core.errors import DataError, ReWorldError
from reworld_agent.core.guards.parents import ending_with_us
from reworld_agent.core.records import read_record, write_record
from reworld_agent.core.result_tables import write_csv
from reworld_agent.evaluation.tables import average_of
from reworld_agent.scenes.roots import beside
from reworld_agent.training.demo_settings import TrainDemoSettings
from reworld_agent.training.loop.records import is_finished
from reworld_agent.video.codecs import TrainableCodec, build_codec

logger = logging.getLogger(__name__)
RECORD = "chain.json"
TABLE = "stages.csv"
SCORES = "pdm_scores.csv"
KEPT = "finished commands and checkpoints are kept; the same command goes on"
TRAINED_ON, SCORED_ON = "town_train", "town_test"  # what the commands take by default
# How codecs are trained where it is not as the command does: RepWAM's losses, with the AlexNet of
# LPIPS as the encoder that latents are aligned with, on clips of 9 latents, present and future.
TRAINED_CODECS = {
    "repwam": (
        *("mse=0", "l1=1", "lpips=1", "align=1", "crop=0", "latents=9", "batch_size=4"),
        "learning_rate=1e-3",
    ),
}
SPARSE = 4  # neighbouring windows share nearly all of their frames: negatives of every fourth do


@dataclass(frozen=True)
class Command:
    """One command of the chain.

    Attributes:
        name: for the reader.
        command: of `reworld`.
        arguments: what it takes.
        training: the folder of a stage that it trains; None = it trains none.
    """

    name: str
    command: str
    arguments: tuple[str, ...]
    training: Path | None = None

    def __str__(self) -> str:
        """As one would type it."""
        return shlex.join(["reworld", self.command, *self.arguments])


@dataclass(frozen=True)
class Timing:
    """What a command took: seconds on the clock, and of all processors together."""

    command: str
    wall_s: float
    cpu_s: float

    def __post_init__(self) -> None:
        """Raise DataError for a time that none can take."""
        if min(self.wall_s, self.cpu_s) < 0:
            raise DataError(f"{self.command} took less than no time", "delete the record")


def setting(key: str, value: object) -> str:
    """`key=value` as Hydra reads it: what its grammar would split or take apart stands in quotes.

    Inside of its quotes `'` is escaped, and so are backslashes before one or at the end.
    """
    text = str(value)
    if re.fullmatch(r"[A-Za-z0-9_./-]+", text):
        return f"{key}={text}"
    escaped = re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), text)
    return f"{key}='{escaped}'"


def commands(output: Path, settings: TrainDemoSettings) -> list[Command]:
    """The chain; each command starts from the weights of the one before.

    A codec that learns (see `TrainableCodec`) is trained before Stage 1, and after it the latent
    actions of a model with `actions`. Rounds after the first mine what the weights of the round
    before plan, and go on from these (`stage_3_2`, ...).

    Args:
        output: every command writes into a folder of its own below.
        settings: of model, splits and seed; steps and scenes are of a trial.
    """
    most, seed = settings.max_scenes, settings.seed
    scenes = (f"train_test_split.scene_filter.max_scenes={most}",) if most else ()
    steps = (f"trainer.params.max_steps={settings.max_steps}",) if settings.max_steps else ()
    data = _unless("train_test_split", settings.data_split, TRAINED_ON)
    every = settings.frame_interval
    learned = (*data, *([_every(every)] if every > 1 else []))
    sparse = (*data, _every(max(every, SPARSE)))
    judged = _unless("train_test_split", settings.tested, SCORED_ON)
    model = _unless("agent.model", settings.model, "tiny")

    def place(name: str) -> str:
        return setting("output_dir", output / name)

    def train(stage: str, before: str, *more: str, again: str = "") -> Command:
        start = setting("agent.init_from", output / before / "weights")
        name = f"stage_{stage}{again}"
        words = ("agent=reworld", f"stage={stage}", start, place(name), f"seed={seed}")
        words = (*words, *model, *steps, *scenes, *more)
        return Command(name, "train", words, output / name)

    def score(stage: str) -> Command:
        weights = setting("agent.checkpoint_path", output / f"stage_{stage}" / "weights")
        words = ("agent=reworld", weights, place(f"score_{stage}"), *model, *judged)
        return Command(f"score_{stage}", "score", words)

    fitted = tuple(word.removeprefix("agent.") for word in model)
    statistics = (*fitted, place("statistics"), f"seed={seed}", *learned, *scenes)
    codec = _codec(output, settings)
    actions = _actions(output, codec[0].name if codec else "statistics", settings)
    start = next((one.name for one in (*actions, *codec)), "statistics")

    def mined(before: str, again: str) -> list[Command]:
        """A round: negatives of weights' plans, Stage 3 from these weights, its score."""
        weights = setting("agent.checkpoint_path", output / before / "weights")
        pool = f"pool{again}"
        words = (weights, place(pool), f"candidates.seed={seed}", *model, *sparse, *scenes)
        found = setting("hard_negatives.pool", output / pool / "pool.parquet")
        return [
            Command(f"mine{again}", "mine", words),
            train("3", before, found, *sparse, again=again),
            score(f"3{again}"),
        ]

    rounds, before = [], "stage_2"
    for again in ("", *(f"_{number}" for number in range(2, settings.rounds + 1))):
        rounds += mined(before, again)
        before = f"stage_3{again}"
    return [
        Command("statistics", "fit-statistics", statistics),
        *codec,
        *actions,
        train("1", start, *learned),
        train("planner", "stage_1", *learned),
        score("planner"),
        train("2", "stage_planner", *learned),
        score("2"),
        *rounds,
    ]


def _every(frames: int) -> str:
    return f"train_test_split.scene_filter.frame_interval={frames}"


def _unless(key: str, value: str, default: str) -> tuple[str, ...]:
    """The setting, where it is not what the commands take anyway; a file by its whole path."""
    if value == default:
        return ()
    return (setting(key, Path(value).absolute() if Path(value).is_file() else value),)


def _codec(output: Path, settings: TrainDemoSettings) -> list[Command]:
    """The command that trains the model's codec; none where it is fitted in closed form."""
    config = load_model_config(settings.model).codec
    with torch.device("meta"):
        codec = build_codec(config)
    if not isinstance(codec, TrainableCodec):
        return []
    words = ("train-codec", *_frozen(output, "statistics", "codec", settings))
    return [Command("codec", "video", (*words, *TRAINED_CODECS.get(config.kind, ())))]


def _actions(output: Path, before: str, settings: TrainDemoSettings) -> list[Command]:
    """The command that trains the model's latent actions; none where it has none."""
    if load_model_config(settings.model).actions is None:
        return []
    words = ("train-actions", *_frozen(output, before, "actions", settings))
    return [Command("actions", "video", words)]


def _frozen(output: Path, before: str, name: str, settings: TrainDemoSettings) -> list[str]:
    """What commands take that train what is frozen later."""
    return [
        setting("checkpoint_path", output / before / "weights"),
        setting("output_dir", output / name),
        setting("data_split", settings.data_split),
        f"seed={settings.seed}",
        *([f"scenes={settings.max_scenes}"] if settings.max_scenes else []),
        *([f"steps={settings.max_steps}"] if settings.max_steps else []),
        f"held_out={beside(settings.held_out, settings.data_split, 'val', 'held_out')}",
    ]


def in_a_process(command: Command) -> int:
    """Run a command as a user would; its exit code.

    The number of threads is fixed: the order of sums, and with it the weights, depends on it.
    """
    environment = {**ending_with_us(), "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    words = [sys.executable, "-m", "reworld_agent.cli.main", command.command, *command.arguments]
    return subprocess.run(words, env=environment).returncode


def run_chain(chain: Sequence[Command], output: Path, run: Callable[[Command], int]) -> None:
    """Run the commands in order and note the time of each in `chain.json`.

    A chain that was cut short goes on: commands that were done, with the same words and after the
    same commands, are left out. All others are run, trainings that finished earlier included: the
    record tells what each of them took.

    Raises:
        ReWorldError: a command failed.
    """
    done = read_times(output)
    same = [timing.command == str(step) for timing, step in zip(done, chain, strict=False)]
    kept = done[: same.index(False) if False in same else len(same)]
    for command in chain[len(kept) :]:
        logger.info("$ %s", command)
        wall, cpu = time.monotonic(), _processor_time()
        code = run(_anew(command))
        if code:
            hint = f"fix what it says above; then go on with the same output {output}"
            raise ReWorldError(f"{command.name} ended with code {code}", hint)
        wall, cpu = time.monotonic() - wall, _processor_time() - cpu
        kept.append(Timing(str(command), round(wall, 1), round(cpu, 1)))
        logger.info("%s: %.0f s, %.0f s of processor time", command.name, wall, cpu)
        write_times(output, kept)


def _anew(command: Command) -> Command:
    """The command; where its folder holds a finished training, with the word that repeats it."""
    if command.training is None or not is_finished(command.training):
        return command
    return replace(command, arguments=(*command.arguments, "resume=false"))


def stage_scores(output: Path) -> pd.DataFrame:
    """The average row of every score of a chain, one row a stage; also written as `stages.csv`.

    Raises:
        DataError: there is no score below `output`.
    """
    rows = []
    for folder in sorted(output.glob("score_*"), key=lambda path: path.stat().st_mtime):
        if (folder / SCORES).is_file():
            average = average_of(folder / SCORES)
            rows.append({"stage": folder.name.removeprefix("score_"), **average})
    if not rows:
        raise DataError(f"{output} holds no score", "reworld train-demo makes it")
    table = pd.DataFrame(rows)
    write_csv(output / TABLE, table)
    return table


def seed_table(outputs: Sequence[Path]) -> pd.DataFrame:
    """Mean and spread over chains of different seeds, one row a stage.

    Columns: stage, seeds, then for every metric its mean and `<metric>_std`, the standard
    deviation of a sample (NaN with one chain).

    Raises:
        DataError: one of them holds no score.
    """
    rows = pd.concat([stage_scores(output) for output in outputs], ignore_index=True)
    groups = rows.drop(columns="valid").groupby("stage", sort=False)
    table = groups.mean().join(groups.std().add_suffix("_std"))
    table.insert(0, "seeds", groups.size())
    return table.reset_index()


def _processor_time() -> float:
    """Seconds of all finished child processes and of this one."""
    usages = [resource.getrusage(w) for w in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def read_times(output: Path) -> list[Timing]:
    """What the commands took that were done, in order; raises DataError where it is damaged."""
    file = output / RECORD
    if not file.is_file():
        return []
    return read_record(file, list[Timing], "delete it to start over")


def write_times(output: Path, timings: Sequence[Timing]) -> None:
    """Write what `read_times` reads."""
    write_record(output / RECORD, [asdict(timing) for timing in timings])
