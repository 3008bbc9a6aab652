"""`reworld video train-actions checkpoint_path=DIR output_dir=DIR`."""

from __future__ import annotations

from reworld_agent.cli.command import OK, Command
from reworld_agent.core.text import shown
from reworld_agent.training import latent_actions
from reworld_agent.training.latent_actions.settings import ActionTrainSettings

COMMAND = Command(
    name="video train-actions",
    summary="learn what happens between two latents, without actions",
    settings=ActionTrainSettings,
    run="reworld_agent.cli.commands.video.train_actions:run",
    about="""
RepWAM's latent actions: a few numbers between two latents of a frozen codec, from which the second
is foreseen (and from the reversed pair the first). On held-out scenes it prints the error beside
those of copying, of another pair's action, of zeros, and of either part of the prediction alone;
R² of the ego's motion from the action, from the latent, and from both, of a supervised network
beside them; and whether each figure is what is asked of latent actions. All are of several seeds.
""",
    examples=(
        "reworld video train-actions checkpoint_path=outputs/codec/weights "
        "output_dir=outputs/actions",
    ),
    exit_codes="0 the latent actions are written, whatever they are worth; 1 refused or failed",
)


def run(settings: ActionTrainSettings) -> int:
    """Print all figures, what is asked of them, and where the latent actions are."""
    found = latent_actions.train_actions(settings)
    print(found.text())
    print(f"latent actions: {shown(found.weights)}")
    return OK
