"""What training a codec takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import Settings, setting
from reworld_agent.core.vocabulary import DEVICES
from reworld_agent.scenes.roots import beside, require_split

_DATA, _LOSS, _RUN = "frames", "the loss", "the run"


@dataclass(frozen=True, kw_only=True)
class CodecTrainSettings(Settings):
    """A codec before its training, and what it is trained on.

    Raises:
        UsageError: a split or an index is not there, nothing is held out, an index is named
            together with a split of scenes, an encoder for alignment is none or not used, or an
            adversarial loss never begins.
    """

    checkpoint_path: Path = setting(
        "weights of `reworld fit-statistics`, of a model with codec.kind=conv or repwam",
        exists="folder",
        metavar="DIR",
    )
    output_dir: Path = setting(
        "OUTPUT_DIR/weights is written: the same weights with the trained codec, for stage 1",
        writes="folder",
        makes=("weights",),
        metavar="DIR",
    )
    data_split: str | None = setting(
        "folder of logs whose 2 Hz frames it learns from (town_train)", None, group=_DATA
    )
    held_out: str | None = setting(
        "folder of logs that it is judged on (town_val, town6_val: beside data_split=); with "
        "clips= a split of the index (val)",
        None,
        group=_DATA,
    )
    scenes: int | None = setting("scenes to learn from, at most (all)", None, least=1, group=_DATA)
    clips: Path | None = setting(
        "index of `reworld video index` in the place of scenes; its split train is learned from",
        None,
        exists="file",
        metavar="INDEX",
        group=_DATA,
    )
    clips_root: Path | None = setting(
        "folder of the index's data, where they have moved",
        None,
        exists="folder",
        metavar="DIR",
        group=_DATA,
    )
    cache_path: Path | None = setting(
        "decoded frames; null = ~/.cache/reworld/training", None, group=_DATA
    )
    judged: int = setting("scenes or clips that it is judged on, at most", 64, least=1, group=_DATA)
    crop: int = setting(
        "latent cells a side of what a step sees, at most; 0 = whole frames", 4, least=0, group=_RUN
    )
    latents: int = setting("latent frames of a step's clips", 2, least=1, group=_RUN)
    batch_size: int = setting("clips of a step", 8, least=1, group=_RUN)
    steps: int = setting("optimiser steps", 2500, least=1, group=_RUN)
    learning_rate: float = setting(
        "of AdamW, cosine after at most 50 steps", 2e-3, above=0, group=_RUN
    )
    ema_decay: float = setting(
        "of the average that is saved; it warms up as 1 - (1 + n)^-.75",
        0.999,
        least=0,
        most=0.99999,
        group=_RUN,
    )
    seed: int = setting("of order, crops and noise", 42, least=0, most=2**31 - 1, group=_RUN)
    precision: Literal["32-true", "bf16-mixed"] = setting(
        "of the convolutions; losses are of float32", "32-true", group=_RUN
    )
    device: str | None = setting(
        "where it is trained (cuda where there is one)", None, choices=DEVICES, group=_RUN
    )
    checkpoint_steps: int = setting("steps between checkpoints", 200, least=1, group=_RUN)
    resume: bool = setting("go on with an unfinished run in the same output_dir", True, group=_RUN)
    mse: float = setting("weight of the squared error", 1.0, least=0, group=_LOSS)
    l1: float = setting("weight of the absolute error", 0.1, least=0, group=_LOSS)
    lpips: float = setting(
        "weight of LPIPS, whose weights are then needed", 0.0, least=0, group=_LOSS
    )
    kl: float = setting(
        "weight of the KL divergence of N(z, spread²) from N(0, 1)", 1e-5, least=0, group=_LOSS
    )
    spread: float = setting(
        "standard deviation of the noise on latents in training", 0.02, least=0, group=_LOSS
    )
    align: float = setting(
        "weight of the distance of latents, averaged over time, to an image encoder's features",
        0.0,
        least=0,
        group=_LOSS,
    )
    align_encoder: Literal["alexnet", "dinov2", "dinov2_registers"] = setting(
        "the frozen encoder; alexnet is of LPIPS's weights file, the others of align_folder",
        "alexnet",
        group=_LOSS,
    )
    align_folder: Path | None = setting(
        "folder with the encoder's weights, in transformers' format",
        None,
        exists="folder",
        metavar="DIR",
        group=_LOSS,
    )
    adversarial: float = setting(
        "weight of the adversarial loss; 0.1 in RepWAM's paper", 0.0, least=0, group=_LOSS
    )
    adversarial_start: int | None = setting(
        "steps before it and its discriminator begin (half of the steps)",
        None,
        least=0,
        group=_LOSS,
    )
    judge_lpips: bool = setting("judge LPIPS beside PSNR", False, group=_LOSS)

    @property
    def learned(self) -> str:
        """Split that is learned from."""
        return "train" if self.clips else self.data_split or "town_train"

    @property
    def validated(self) -> str:
        """Split that is judged on."""
        if self.clips:
            return self.held_out or "val"
        return beside(self.held_out, self.learned, "val", "held_out")

    @property
    def adversary_begins(self) -> int:
        """The step (from 0) from which there is an adversarial loss, where it has a weight."""
        return self.steps // 2 if self.adversarial_start is None else self.adversarial_start

    def check(self) -> None:
        """See the class."""
        if self.clips is not None and self.data_split is not None:
            raise UsageError("clips= and data_split= are both given", "name one of them")
        self._check_alignment()
        self._check_adversary()
        if self.learned == self.validated:
            message = f"held_out={self.validated}: it is learned from, nothing is held out"
            raise UsageError(message, "name another split")
        if self.clips is None:
            for split in (self.learned, self.validated):
                require_split(split)

    def _check_alignment(self) -> None:
        if self.align == 0 and self.align_folder is not None:
            message = f"align_folder={self.align_folder} with align=0: it would not be used"
            raise UsageError(message, "set align=1, or leave align_folder out")
        needed = self.align > 0 and self.align_encoder != "alexnet"
        if needed and self.align_folder is None:
            message = f"align_encoder={self.align_encoder} without its weights"
            raise UsageError(message, "set align_folder= to a folder of transformers' format")
        if self.align > 0 and not needed and self.align_folder is not None:
            message = f"align_folder={self.align_folder}: alexnet takes LPIPS's weights file"
            raise UsageError(message, "leave align_folder out, or name another align_encoder")

    def _check_adversary(self) -> None:
        start = self.adversarial_start
        if self.adversarial == 0 and start is not None:
            message = f"adversarial_start={start} with adversarial=0: it would not be used"
            raise UsageError(message, "set adversarial=0.1, or leave adversarial_start out")
        if self.adversarial > 0 and self.adversary_begins >= self.steps:
            message = f"adversarial_start={start} with steps={self.steps}: it would never begin"
            raise UsageError(message, "use fewer than steps, or leave adversarial_start out")
