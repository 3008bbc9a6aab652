"""What looking at scenes takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.analysis.picture_kinds import MOVING, STILLS, kind_of
from reworld_agent.analysis.tables.files import run_tables
from reworld_agent.analysis.tables.settings import RunSettings
from reworld_agent.core.errors import UsageError
from reworld_agent.core.setting_paths import require_writable
from reworld_agent.core.settings import setting
from reworld_agent.scenes.camera_names import CAMERA_NAMES

HTML, RERUN = "html", "rerun"
VIEWS = (HTML, RERUN, "gif", "mp4", "png")
ENDING = {HTML: "html", RERUN: "rrd"}
ALL, NONE = "all", "none"
PAGE_SCENES = 500
"""Scenes of one page; more make several pages."""


@dataclass(frozen=True, kw_only=True)
class LookSettings(RunSettings):
    """Scenes of a run, moving; see `analysis.look`."""

    token: str | None = setting("one scene; without it the worst ones", None)
    view: str = setting(
        "html: a page that plays; rerun: a recording for Rerun's viewer; gif, mp4, png: of one "
        "scene",
        HTML,
        choices=VIEWS,
    )
    output: Path | None = setting(
        "the file (look.html, look.rrd ... in the run's folder)",
        None,
        writes=("",),
        metavar="FILE",
    )
    beside: Path | None = setting(
        "another run, drawn in the same scenes, with the paired difference",
        None,
        exists="any",
        metavar="RUN",
    )
    show: int = setting(
        f"scenes, worst first; a page holds {PAGE_SCENES}, more make several", 24, least=1
    )
    cameras: tuple[str, ...] = setting(
        "whose pictures are shown", ("cam_f0",), choices=(*CAMERA_NAMES, ALL, NONE)
    )
    key_frames: bool | None = setting(
        "only pictures of 0 s and of the failure; null = where more than 24 scenes are shown", None
    )

    @property
    def file(self) -> Path:
        """Where it is written."""
        return self.output or self.folder / f"look.{ENDING.get(self.view, self.view)}"

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The cameras by their names."""
        if NONE in self.cameras:
            return ()
        return tuple(CAMERA_NAMES) if ALL in self.cameras else self.cameras

    @property
    def few_frames(self) -> bool:
        """Whether only key frames are shown."""
        return self.show > 24 if self.key_frames is None else self.key_frames

    def check(self) -> None:
        """A file of the right kind that can be written, of one scene where it holds one."""
        super().check()
        if self.view in (*STILLS, *MOVING) and self.token is None:
            raise UsageError(f"view={self.view} is of one scene", "add token=TOKEN")
        wanted = ENDING.get(self.view, self.view)
        if self.output is not None and kind_of(self.output) != wanted:
            raise UsageError(
                f"output={self.output}: view={self.view} writes .{wanted}",
                f"name a file that ends with .{wanted}, or choose another view=",
            )
        if self.output is None:
            require_writable("output", self.folder)

    def outputs(self) -> list[tuple[Path, str]]:
        """The page, the film or the picture."""
        return [(self.file.absolute().parent, self.file.name)]

    def inputs(self) -> list[tuple[str, Path]]:
        """The tables of both runs."""
        other = run_tables(self.beside) if self.beside is not None else []
        return [*super().inputs(), *(("beside", path) for path in other)]
