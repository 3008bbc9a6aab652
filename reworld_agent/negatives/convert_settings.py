"""What the conversion of a pool takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.core.errors import UsageError
from reworld_agent.core.setting_paths import FOLDER, check_output
from reworld_agent.core.settings import Settings, setting
from reworld_agent.core.text import shown


@dataclass(frozen=True, kw_only=True)
class ConvertPoolSettings(Settings):
    """A pool in one of its two forms; see `negatives.convert_pool`."""

    input: Path = setting(
        "the pool: a parquet file, or a folder of BeyondDrive's pickles",
        exists="any",
        metavar="POOL",
    )
    output: Path = setting(
        "its other form: a folder, one pickle a scene; or a parquet file", metavar="POOL"
    )
    data_split: str | None = setting(
        "of the scenes; needed where the input is a folder: pickles do not say which",
        None,
        old_names=("split",),
    )

    def check(self) -> None:
        """The output is of the other form, and is no input."""
        if self.input.is_dir() and self.data_split is None:
            message = f"input={shown(self.input)} does not say of which split it is"
            raise UsageError(message, "add data_split=NAME")
        kind = ("",) if self.input.is_dir() else FOLDER
        check_output("output", self.output, kind, self.inputs())

    def outputs(self) -> list[tuple[Path, str]]:
        """The output, a file or a folder."""
        output = self.output.absolute()
        return [(output.parent, output.name) if self.input.is_dir() else (output, "")]
