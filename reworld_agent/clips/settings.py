"""What making an index of clips takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.clips.sources import CLIP_SOURCES
from reworld_agent.core.errors import UsageError
from reworld_agent.core.setting_paths import require
from reworld_agent.core.settings import Settings, did_you_mean, setting
from reworld_agent.scenes import synthetic

TOWN = "town"
_SOME = "of some sources alone"


@dataclass(frozen=True, kw_only=True)
class IndexSettings(Settings):
    """Recordings on disk, and how they are cut into clips; see `clips.make_index`."""

    source: str = setting(
        "nuscenes (its json tables), nuplan (.db files), openscene (NAVSIM's logs: 2 Hz only), "
        "folder (videos, or folders of images, with an optional csv of poses), town, or "
        "package.module:name of your own",
        choices=CLIP_SOURCES.names,
        open=True,
    )
    root: Path | None = setting(
        "folder of the data, from which paths in the index start; not needed for the town's own "
        "folder, which `reworld synth data_split=town_train clips=true` fills",
        None,
        exists="folder",
        metavar="DIR",
    )
    output: Path = setting("the index, a row a clip", writes=("",), metavar="FILE.parquet")
    fps: float | None = setting("frames a second (8; openscene: 2)", None, above=0)
    frames: int = setting("frames of a clip: 9 of history, 24 to imagine", 33, least=1)
    stride: int = setting("frames from one clip to the next", 12, least=1)
    split: str | None = setting(
        "80/10/10 by a hash of the scene's name; train, val or test for all; a csv with columns "
        "scene, split; or a json with lists of scenes by split (what the folder of the logs says: "
        "train_boston, val, test; the town's; 80/10/10 for others)",
        None,
        metavar="A/B/C|NAME|FILE",
    )
    camera: str | None = setting("the camera's name (the front camera)", None)
    content: bool = setting(
        "checksums over all bytes of the images, not over names and sizes", False
    )
    data_split: str | None = setting(
        "v1.0-trainval of nuscenes; mini, test ... of openscene; town_test ... of town",
        None,
        old_names=("part",),
        group=_SOME,
    )
    images: Path | None = setting(
        "nuplan's images, where they are not in a folder sensor_blobs",
        None,
        exists="folder",
        metavar="DIR",
        group=_SOME,
    )
    licence: str | None = setting("of a folder of one's own, kept in every row", None, group=_SOME)

    @property
    def town_root(self) -> Path:
        """Where the town lies if root= is not given: that of the version that the split is of."""
        if self.data_split is None:
            return synthetic.default_root()
        return synthetic.default_root(synthetic.SPLITS[self.data_split].version)

    def check(self) -> None:
        """The source is known and has a folder; a split of the town, a table of splits is there."""
        CLIP_SOURCES.require(self.source, "source")
        if self.root is None and self.source != TOWN:
            raise UsageError("root= is missing", "add root=DIR, the folder of the data")
        part, known = self.data_split, list(synthetic.SPLITS)
        if self.root is None and part is not None and part not in known:
            hint = did_you_mean(part, known, f"one of {', '.join(known)}", "data_split={}")
            raise UsageError(f"data_split={part} is no split of the town", hint)
        if self.split is not None and self.split.endswith((".csv", ".json")):
            require("split", Path(self.split).expanduser(), "file")
