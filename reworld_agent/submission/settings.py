"""What building and checking a submission takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import Settings, setting
from reworld_agent.submission.fields import FIELDS, STAGES, field_faults

_BUILD = "to build a file"
_RUN = (
    "output folder of `reworld score`, an agent's folder in it, or a parquet file with the columns "
    "token and poses (and interval_s, where they are not 8 at 2 Hz or 40 at 10 Hz)"
)


@dataclass(frozen=True, kw_only=True)
class SubmitSettings(Settings):
    """A run to build a submission from, or a file to check; see `submission.submit`."""

    run: Path | None = setting(_RUN, None, exists="any", positional=True)
    checked_file: Path | None = setting(
        "instead: a file that is there, whoever made it",
        None,
        key="check",
        exists="file",
        metavar="FILE.pkl",
    )
    train_test_split: str | None = setting(
        "the split whose tokens must be there (the run's own)", None
    )
    rescore: bool = setting("score the logged scenes again, as they stand in the file", True)
    version: Literal["1.1", "2.2"] | None = setting(
        "; ".join(f"{version}: {', '.join(stages)}" for version, stages in STAGES.items()),
        None,
        group=_BUILD,
    )
    output: Path | None = setting(
        "written only when every check passes",
        None,
        writes=("",),
        metavar="FILE.pkl",
        group=_BUILD,
    )
    team_name: str | None = setting("required by the leaderboards", None, group=_BUILD)
    authors: str | None = setting("likewise", None, group=_BUILD)
    email: str | None = setting("likewise", None, group=_BUILD)
    institution: str | None = setting("likewise", None, group=_BUILD)
    country: str | None = setting("likewise", None, group=_BUILD)
    second_stage: Path | None = setting(
        "version 2.2: where the synthetic scenes' trajectories are, if not in RUN",
        None,
        exists="any",
        metavar="RUN",
        group=_BUILD,
    )

    @property
    def fields(self) -> dict[str, str]:
        """The required entries under the keys of the file."""
        return {key: getattr(self, word) or "" for word, key in FIELDS.items()}

    def inputs(self) -> list[tuple[str, Path]]:
        """The file that is checked, or the runs' files."""
        found = super().inputs()
        folders = [(name, path) for name, path in found if path.is_dir()]
        return [
            *(item for item in found if item not in folders),
            *(
                (name, file)
                for name, path in folders
                for ending in ("*.parquet", "*.csv")
                for file in path.glob(ending)
            ),
        ]

    def check(self) -> None:
        """A run with all that the leaderboards want, or a file."""
        if (self.run is None) == (self.checked_file is None):
            raise UsageError("name one run, or one file with check=", "reworld submit --help")
        building = ("version", "output", "second_stage", *FIELDS)
        if self.checked_file is not None:
            given = [name for name in building if getattr(self, name) is not None]
            if given:
                message = f"{given[0]}= is of a file that is built, check= names one that is there"
                raise UsageError(message, f"leave {given[0]}= out")
            return
        missing = [
            f"{name}= is missing" for name in ("version", "output") if not getattr(self, name)
        ]
        faults = field_faults({key: value or None for key, value in self.fields.items()})
        if missing or faults:
            hint = "version=1.1 is of the PDMS leaderboards, version=2.2 of EPDMS, two stages"
            raise UsageError("; ".join([*missing, *faults]), hint)
        if self.version == "1.1" and self.second_stage is not None:
            raise UsageError("second_stage= is of version 2.2", "set version=2.2")
