"""Train one stage: `python run_training.py agent=reworld stage=1`."""

from __future__ import annotations

from reworld_agent.cli.hydra_run import train
from reworld_agent.cli.old_commands import BY_NAME
from reworld_agent.core.arguments import run_script


def main() -> None:
    """Entry point; exits 0 when the stage ended and its weights were saved, 1 otherwise."""
    run_script(train, BY_NAME["train"].kept)


if __name__ == "__main__":
    main()
