"""`reworld train-demo`, also `make train-demo`."""

from __future__ import annotations

from reworld_agent import training
from reworld_agent.cli.command import OK, Command
from reworld_agent.training.demo_settings import TrainDemoSettings

COMMAND = Command(
    name="train-demo",
    summary="the whole chain of stages on the embedded split",
    settings=TrainDemoSettings,
    run="reworld_agent.cli.commands.train_demo:run",
    about="""
Statistics, the codec where the model's learns, 1, planner, 2, mining and 3, as the documented
commands, one after the other, with a score after every stage that plans. With the default seed the
weights are the shipped ones. A chain that was stopped goes on where it stopped.
""",
    examples=(
        "reworld train-demo output_dir=outputs/train_demo",
        "reworld train-demo table=[outputs/seed_42,outputs/seed_43,outputs/seed_44]",
    ),
    exit_codes="0 done; 1 a command failed",
    kept="finished commands and checkpoints are kept; the same command goes on",
)


def run(settings: TrainDemoSettings) -> int:
    """Print the scores."""
    print(training.train_demo(settings).to_string(index=False))
    return OK
