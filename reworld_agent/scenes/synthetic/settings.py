"""What making a split of the embedded town takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import MOST_WORKERS, Settings, setting
from reworld_agent.scenes.camera_names import CAMERA_NAMES
from reworld_agent.scenes.roots import EMBEDDED_SPLITS

CAMERAS = tuple(name.upper() for name in CAMERA_NAMES)
ALL, NONE = "all", "none"


@dataclass(frozen=True, kw_only=True)
class SynthSettings(Settings):
    """A split of the embedded town; see `scenes.synthetic.synth`."""

    data_split: str = setting("which", choices=EMBEDDED_SPLITS, old_names=("split",))
    cameras: tuple[str, ...] = setting(
        "whose images are drawn", ("CAM_F0",), choices=(*CAMERAS, ALL, NONE)
    )
    clips: bool = setting("also clips of the front camera at 8 Hz", False)
    scenes: int | None = setting("at least so many scenes (the split's own number)", None, least=1)
    drives: int | None = setting("instead of scenes, at least so many drives", None, least=1)
    output_dir: Path | None = setting(
        "folder of all splits and the maps (in the cache folder, where other commands look)",
        None,
        writes="folder",
        shared=True,
        metavar="DIR",
        old_names=("root",),
    )
    workers: int | None = setting(
        "processes (2 where there is much to do)", None, least=1, cap=MOST_WORKERS
    )

    @property
    def chosen_cameras(self) -> tuple[str, ...]:
        """The cameras by name."""
        if ALL in self.cameras:
            return CAMERAS
        return () if NONE in self.cameras else self.cameras

    def check(self) -> None:
        """`all` and `none` stand alone, and scenes or drives are counted."""
        if self.scenes is not None and self.drives is not None:
            raise UsageError(
                f"scenes={self.scenes} and drives={self.drives} both say how much",
                "say one of them",
            )
        if len(self.cameras) != 1 and {ALL, NONE} & set(self.cameras):
            raise UsageError(
                f"cameras={','.join(self.cameras)}: all and none stand alone",
                "name cameras, or cameras=all",
            )
