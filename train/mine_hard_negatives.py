"""Mine hard negatives: `python train/mine_hard_negatives.py train_test_split=town_train`."""

from __future__ import annotations

from reworld_agent.cli.hydra_run import mine
from reworld_agent.cli.old_commands import BY_NAME
from reworld_agent.core.arguments import run_script


def main() -> None:
    """Entry point; exits 0 when every candidate was scored, 1 otherwise."""
    run_script(mine, BY_NAME["mine"].kept)


if __name__ == "__main__":
    main()
