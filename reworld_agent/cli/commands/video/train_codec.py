"""`reworld video train-codec checkpoint_path=DIR output_dir=DIR`."""

from __future__ import annotations

from reworld_agent.cli.command import OK, Command
from reworld_agent.core.text import shown
from reworld_agent.training import codec
from reworld_agent.training.codec.settings import CodecTrainSettings

COMMAND = Command(
    name="video train-codec",
    summary="train the codec between pixels and latents, before stage 1",
    settings=CodecTrainSettings,
    run="reworld_agent.cli.commands.video.train_codec:run",
    about="""
A codec of kind `conv` starts as the patch PCA that `reworld fit-statistics` has fitted, and learns
what convolutions add to it; one of kind `repwam` starts from nothing. align=1 holds its latents,
averaged over time, to a frozen image encoder's features (RepWAM). adversarial=0.1 adds the loss of
a discriminator of frames, which learns beside the codec and is not written with it. The average of
the codec's weights is judged on held-out frames (PSNR, and with judge_lpips=true LPIPS, beside
patch PCA's of equal sizes) and written with the rest of the model. The statistics of its latents
are those of training scenes.
A run that was stopped goes on, to the same weights.
""",
    examples=(
        "reworld fit-statistics model=small output_dir=outputs/statistics",
        "reworld video train-codec checkpoint_path=outputs/statistics/weights "
        "output_dir=outputs/codec",
        "reworld video train-codec checkpoint_path=outputs/repwam/weights output_dir=outputs/vitok "
        "mse=0 l1=1 lpips=1 align=1 learning_rate=1e-3 crop=0",
    ),
    next="reworld train model=FILE.yaml stage=1 agent.init_from=outputs/codec/weights",
    exit_codes="0 the weights folder is written; 1 refused or failed",
    kept="the last checkpoint is kept; the same command goes on",
)


def run(settings: CodecTrainSettings) -> int:
    """Print how well frames are restored, and name the weights."""
    found = codec.train_codec(settings)
    print(found.text())
    print(f"{'trained earlier: ' if found.earlier else 'weights: '}{shown(found.weights)}")
    return OK
