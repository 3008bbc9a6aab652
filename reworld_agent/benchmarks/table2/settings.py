"""What the comparison of Table 2's methods takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.config.fields import blocks_within
from reworld_agent.core.errors import ConfigError, UsageError
from reworld_agent.core.setting_paths import require
from reworld_agent.core.settings import MOST_WORKERS, Settings, did_you_mean, setting
from reworld_agent.core.vocabulary import DEVICES
from reworld_agent.objectives.baselines import REPRESENTATIONS
from reworld_agent.training.table2_protocol import SIZES, load_protocol

COSTS = "costs"
SWEEPS = ("representations", "blocks", "gamma", "convergence")
ENCODED = tuple(name for name in REPRESENTATIONS if name.startswith(("repa_", "redi")))
_DATA = "clips and weights"
_SERVES = {
    "repeats": (COSTS,),
    "device": (COSTS,),
    "methods": ("representations",),
    "blocks": ("blocks",),
}
_EVERYWHERE = ("sweep", "model", "output_dir")


@dataclass(frozen=True, kw_only=True)
class Table2Settings(Settings):
    """A sweep over methods under one protocol; see `benchmarks.table2.compare_methods`."""

    sweep: str = setting(
        "costs: time and FLOPs of a step of every method beside vanilla (Table 8); "
        "representations: every method, equal budget (Table 2); blocks: where ReWorld's mid head "
        "stands (Table 5); gamma: strength of self-guidance (Table 6); convergence: vanilla "
        "against ReWorld on the way (Fig. 2b)",
        COSTS,
        choices=(COSTS, *SWEEPS),
    )
    model: str = setting(
        "tiny runs on the embedded town; paper needs clips= and vae=", "tiny", choices=SIZES
    )
    methods: tuple[str, ...] = setting(
        "of sweep=representations (all)", (), choices=REPRESENTATIONS, metavar="LIST"
    )
    blocks: tuple[int, ...] = setting(
        "of sweep=blocks, such as 2,8,12 (the paper's; of the tiny model all)", (), least=1
    )
    seeds: int | None = setting("runs of each kind (3)", None, least=1)
    steps: int | None = setting("optimiser steps (of the protocol)", None, least=1)
    imagined: int | None = setting(
        "validation clips whose future is imagined for FVD and PSNR (none); needed by sweep=gamma",
        None,
        least=0,
    )
    repeats: int | None = setting("of sweep=costs: timed steps of each method (21)", None, least=1)
    device: str | None = setting(
        "of sweep=costs: where steps are timed (cpu)", None, choices=DEVICES, open=True
    )
    precision: str | None = setting(
        "of training (32-true)", None, choices=("32-true", "bf16-mixed", "16-mixed", "bf16-true")
    )
    workers: int | None = setting(
        "processes that decode training clips which memory does not hold (none)",
        None,
        least=0,
        cap=MOST_WORKERS,
    )
    clips: Path | None = setting(
        "index of `reworld video index frames=25`, whose splits train and val are used",
        None,
        exists="file",
        metavar="INDEX",
        group=_DATA,
    )
    clips_root: Path | None = setting(
        "folder of its data, where they have moved",
        None,
        exists="folder",
        metavar="DIR",
        old_names=("root",),
        group=_DATA,
    )
    limit: int | None = setting(
        "training clips at most, spread evenly (all)", None, least=1, group=_DATA
    )
    held_out: int | None = setting(
        "validation clips (as many as 4 GiB hold)", None, least=1, group=_DATA
    )
    vae: Path | None = setting(
        "the vae folder of LTX-Video 0.9.5", None, exists="folder", metavar="DIR", group=_DATA
    )
    encoder_folders: tuple[str, ...] = setting(
        "weights of frozen encoders: " + ", ".join(f"encoder.{name}=" for name in ENCODED),
        (),
        key="encoders",
        collects=("encoder.",),
        metavar="[encoder.NAME=DIR,...]",
        group=_DATA,
    )
    output_dir: Path = setting(
        "tables and figures; a sweep that was stopped goes on there",
        Path("outputs/table2"),
        writes="folder",
        metavar="DIR",
    )

    @property
    def encoders(self) -> dict[str, str]:
        """Folders of frozen encoders by representation; raises UsageError."""
        found = {}
        for text in self.encoder_folders:
            word, _, folder = text.partition("=")
            name = word.removeprefix("encoder.")
            if name not in ENCODED:
                hint = did_you_mean(name, ENCODED, f"one of {', '.join(ENCODED)}", "encoder.{}=")
                raise UsageError(f"{word}= is unknown", hint)
            require(word, Path(folder).expanduser(), "folder")
            found[name] = str(Path(folder).expanduser())
        return found

    def check(self) -> None:
        """Each setting has a use in the sweep, and what it needs is there."""
        for name, value in vars(self).items():
            users = _SERVES.get(name, SWEEPS)
            if value in (None, ()) or name in _EVERYWHERE or self.sweep in users:
                continue
            message = f"{name}= has no meaning with sweep={self.sweep}"
            raise UsageError(message, f"it is of sweep={'|'.join(users)}: leave it out")
        twice = [name for name in self.methods if self.methods.count(name) > 1]
        if twice:
            message = f"methods= names {twice[0]} twice"
            raise UsageError(message, "name each once; seeds=N repeats all of them")
        if self.sweep == "gamma" and not self.imagined:
            raise UsageError("sweep=gamma judges imagined futures", "add imagined=64, or more")
        _ = self.encoders
        try:
            blocks_within("blocks", self.blocks, load_protocol(self.model).video.num_layers)
        except ConfigError as error:
            raise UsageError(error.message, error.hint) from error
        if self.sweep != COSTS and self.model == "paper" and self.clips is None:
            raise UsageError(
                "model=paper is no model for the embedded town",
                "add clips=INDEX.parquet (reworld video index frames=25 ...)",
            )
