"""What an explanation takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.analysis.picture_kinds import KINDS, require_kind
from reworld_agent.analysis.tables.files import EXPLANATIONS
from reworld_agent.analysis.tables.settings import RunSettings
from reworld_agent.core.errors import UsageError
from reworld_agent.core.setting_paths import require_writable
from reworld_agent.core.settings import setting


@dataclass(frozen=True, kw_only=True)
class ExplainSettings(RunSettings):
    """Failures of a run, or of one scene; see `analysis.explain`."""

    token: str | None = setting("one scene, with everything that was tried", None)
    picture: Path | None = setting(
        f"of that scene: .{', .'.join(KINDS)}; .gif and .mp4 show its 4 s",
        None,
        writes=("",),
        metavar="FILE",
    )
    metric: str | None = setting(
        "only failures of one metric, by its short name: NC, DAC, TTC, EP (below 0.5) ...", None
    )
    show: int = setting("sentences to print, worst scenes first", 20, least=0)
    pictures: bool = setting(
        "also a picture of each scene that is shown, in the folder `pictures` of output_dir", False
    )
    output_dir: Path | None = setting(
        "where explanations.parquet and .csv go (the run's folder)",
        None,
        writes="folder",
        metavar="DIR",
        old_names=("output",),
    )

    @property
    def output(self) -> Path:
        """Where the tables go."""
        return self.output_dir or self.folder

    def outputs(self) -> list[tuple[Path, str]]:
        """The tables of all scenes, the pictures with them, or the picture of one."""
        picture = self.picture
        if self.token is None:
            return [(self.output, EXPLANATIONS)]
        return [] if picture is None else [(picture.absolute().parent, picture.name)]

    def check(self) -> None:
        """One scene or all, and a place to write to."""
        super().check()
        if self.token is None and self.picture is not None:
            raise UsageError("picture= is of one scene", "add token=TOKEN, or use pictures=true")
        if self.picture is not None:
            require_kind("picture", self.picture)
        if self.token is not None:
            for name, given in (("pictures", self.pictures), ("metric", self.metric)):
                if given:
                    message = f"{name}= is of all scenes, token= of one"
                    raise UsageError(message, f"leave {name}= out, or token=")
        elif self.output_dir is None:
            require_writable("output_dir", self.folder)
