"""`reworld train`, also `python run_training.py`."""

from __future__ import annotations

from reworld_agent import training
from reworld_agent.cli.command import OK
from reworld_agent.cli.hydra_command import SPLITS, HydraCommand
from reworld_agent.training import AgentTrainRun, TrainRun

COMMAND = HydraCommand(
    name="train",
    summary="train one stage of ReWorld, or another agent",
    settings=TrainRun,
    run="reworld_agent.cli.commands.train:run",
    config="reworld_run_training",
    read="reworld_agent.training.from_config:settings_of",
    about="""
Each stage starts from the weights of the one before (agent.init_from=) and writes its own into
OUTPUT_DIR/weights. A finished run is left alone, and resume=false trains it anew. Settings of a
stage are changed by agent.overrides.NAME=VALUE; the arguments of Lightning's Trainer are
trainer.params.NAME=VALUE. --cfg job prints every setting and runs nothing.

Another agent (agent=ego_status_mlp, or your own) is trained by its own loss and optimiser for
trainer.params.max_epochs=100, and its weights are OUTPUT_DIR/agent.ckpt, which
agent.checkpoint_path= reads.

"""
    + SPLITS
    + "\n",
    examples=(
        "reworld train agent=reworld stage=1 trainer.params.max_steps=100 output_dir=outputs/1",
        "reworld train agent=reworld stage=1 protocol=table2 representation=sra",
    ),
    next="which files a stage needs: reworld doctor data stage=1; the stage after it takes "
    "agent.init_from=OUTPUT_DIR/weights",
    exit_codes="0 the stage ended and its weights are saved; 1 refused or failed",
    kept="a checkpoint is kept from every checkpoint_steps= on; the same command with its "
    "output_dir= goes on from the last one, or starts anew where there is none yet",
)


def run(settings: TrainRun | AgentTrainRun) -> int:
    """Train, and say where the weights are."""
    trained = training.run(settings)
    if not trained.is_first:
        return OK
    if trained.earlier:
        print(f"{trained.title} is done already: {trained.weights}")
        print("  next: resume=false trains it anew, another output_dir beside it")
    else:
        print(f"{trained.title} is done: {trained.weights}")
    return OK
