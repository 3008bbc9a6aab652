"""What the conversion of other people's weights takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reworld_agent.config import RECIPES
from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import Settings, setting
from reworld_agent.core.text import shown

ANCESTORS = ("ltx", "drivelaw", "reworld")
TRUNKS = ("act", "source")


@dataclass(frozen=True, kw_only=True)
class ConvertSettings(Settings):
    """An ancestor's checkpoint, and where ours goes; see `checkpoints.convert_to_folder`."""

    ancestor: str = setting("whose weights", key="from", choices=ANCESTORS)
    source: Path = setting(
        "its Video DiT: a diffusers folder, or a .safetensors (or torch.save) file", exists="any"
    )
    output_dir: Path = setting(
        "the weights folder that is written", writes="folder", metavar="DIR", old_names=("output",)
    )
    act: Path | None = setting(
        "the checkpoint with the planner (DriveLaW-Act, ReWorld stages 2 and 3), where source= has "
        "none",
        None,
        exists="any",
    )
    vae: Path | None = setting(
        "diffusers folder of LTX-Video 0.9.5, for its VAE, where source= has no vae/",
        None,
        exists="folder",
        metavar="DIR",
    )
    t5: Path | None = setting(
        "the same for text_encoder/ and tokenizer/: embeds the planner's sentence once",
        None,
        exists="folder",
        metavar="DIR",
    )
    trunk: str = setting(
        "whose Video DiT is taken where both files have one: act (the planner was trained on it) "
        "or source (trained to generate)",
        "act",
        choices=TRUNKS,
    )
    recipe: str | None = setting(
        "of the configuration (release for from=reworld, else paper)", None, choices=RECIPES
    )
    stage: Literal["2", "3"] = setting("from=reworld: the stage that act= has passed", "3")

    @property
    def recipe_used(self) -> str:
        """The recipe; where none is named, the ancestor's own."""
        return self.recipe or ("release" if self.ancestor == "reworld" else "paper")

    def outputs(self) -> list[tuple[Path, str]]:
        """The folder, which is put in its place as a whole."""
        output = self.output_dir.absolute()
        return [(output.parent, output.name)]

    def check(self) -> None:
        """A folder that is there is not written into."""
        if self.output_dir.exists():
            message = f"output_dir={shown(self.output_dir)} exists"
            raise UsageError(message, "name another output_dir=, or delete it first")
