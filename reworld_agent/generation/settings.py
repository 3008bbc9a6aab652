"""What the commands take that show clips to a model, and what generating futures takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from reworld_agent.clips.stored import Range, read_range
from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import Settings, setting
from reworld_agent.core.sizes import read_size
from reworld_agent.core.vocabulary import DEVICES
from reworld_agent.scenes.camera_names import CAMERA_NAMES
from reworld_agent.scenes.roots import require_split

ALL_CAMERAS = "all"
TILE = 512  # pixels; neighbours overlap by an eighth and are blended
_MODEL = "the model, and the clips that it sees"
_SOURCE = "what is imagined: one of clip=, index= and token="
_ROWS = re.compile(r"(\d+)(:(\d+))?|all")


@dataclass(frozen=True, kw_only=True)
class ModelSettings(Settings):
    """A model, and where its clips differ from its configuration."""

    checkpoint_path: Path | None = setting(
        "weights folder (the shipped tiny weights)",
        None,
        exists="any",
        metavar="DIR",
        old_names=("checkpoint",),
        group=_MODEL,
    )
    size: tuple[int, int] | None = setting(
        "pixels of a frame, such as 704x1280 (of the weights)",
        None,
        read=read_size,
        metavar="HxW",
        group=_MODEL,
    )
    fps: float | None = setting("frames a second (of the weights)", None, above=0, group=_MODEL)
    history: int | None = setting(
        "frames that are seen (of the weights)", None, least=1, group=_MODEL
    )
    future: int | None = setting("frames that follow (of the weights)", None, least=1, group=_MODEL)
    device: str | None = setting(
        "where the model runs (cuda where there is one)", None, choices=DEVICES, group=_MODEL
    )


@dataclass(frozen=True, kw_only=True)
class IndexedSettings(ModelSettings):
    """Clips of an index, for a model."""

    index: Path = setting("clips of `reworld video index`", exists="file", metavar="FILE")
    split: str | None = setting("only clips of one split", None)
    root: Path | None = setting(
        "folder of the index's data, where they have moved", None, exists="folder", metavar="DIR"
    )


@dataclass(frozen=True, kw_only=True)
class GenerateSettings(ModelSettings):
    """Futures of clips and scenes; see `generation.generate_futures`."""

    clip: Path | None = setting(
        "a video, a folder of images, or a .npy array; where it gives no times, fps= is its rate",
        None,
        exists="any",
        metavar="FILE",
        group=_SOURCE,
    )
    start: int | None = setting("of clip=: first frame (0)", None, least=0, group=_SOURCE)
    range: Range | None = setting(
        "of clip=: black and white of floats in a .npy file: [-1,1], [0,1] or [0,255]",
        None,
        read=read_range,
        metavar="[A,B]",
        group=_SOURCE,
    )
    index: Path | None = setting(
        "clips of `reworld video index`", None, exists="file", metavar="FILE", group=_SOURCE
    )
    row: str | None = setting(
        "of index=: 3, 0:16 or all, counted in split= where it is given (0)",
        None,
        metavar="N|A:B|all",
        group=_SOURCE,
    )
    split: str | None = setting("of index=: only clips of one split", None, group=_SOURCE)
    root: Path | None = setting(
        "of index=: folder of its data, where they have moved",
        None,
        exists="folder",
        metavar="DIR",
        group=_SOURCE,
    )
    token: str | None = setting("a scene of NAVSIM or the town", None, group=_SOURCE)
    data_split: str | None = setting(
        "of token=: folder of logs below navsim_logs (town_test)", None, group=_SOURCE
    )
    camera: str | None = setting(
        "of token=, where the model sees several cameras: the one that is written (its first), or "
        "all, one below the other; all are imagined",
        None,
        choices=(*CAMERA_NAMES, ALL_CAMERAS),
    )
    plan: Path | None = setting(
        "of token=, of a model with actions: a trajectories.parquet (token, poses), whose plan of "
        "the scene is imagined",
        None,
        exists="file",
        metavar="FILE",
    )
    chunked: bool = setting(
        "imagine chunk after chunk, of a model whose backbone world_action has the option chunk",
        False,
    )
    gamma: float | None = setting("self-guidance, 1 = off (of the weights)", None, above=0)
    steps: int | None = setting("Euler steps (of the weights)", None, least=1)
    cfg: float | None = setting(
        "classifier-free guidance, of models with prompts, 1 = off (of the weights)", None, above=0
    )
    t5: Path | None = setting(
        "T5 encoder, of models with prompts: a folder with text_encoder and tokenizer",
        None,
        exists="folder",
        metavar="DIR",
    )
    seed: int = setting("clip number k gets the noise of seed + k", 0, least=0)
    batch_size: int = setting("clips at once", 1, least=1, old_names=("batch",))
    tile: int = setting("decode in tiles of so many pixels, 0 = whole frames", TILE, least=0)
    other: Path | None = setting(
        "another model's future, shown beside ours; with index= a folder of NAME.mp4",
        None,
        exists="any",
        metavar="FILE",
    )
    floors: bool = setting(
        "also codec/, the real future through the codec, and repeated/, the present frame that "
        "stays: what a future is held against",
        False,
    )
    output_dir: Path = setting(
        "where the futures go",
        Path("outputs/generated"),
        writes="folder",
        makes=("clips", "futures", "real", "side_by_side", "codec", "repeated"),
        metavar="DIR",
        old_names=("output",),
    )

    @property
    def rows(self) -> tuple[int, int | None]:
        """First row, and the one behind the last; (0, None) = all."""
        found = _ROWS.fullmatch(self.row or "0")
        assert found is not None, "checked"
        if found[0] == "all":
            return 0, None
        first = int(found[1])
        return first, int(found[3]) if found[3] else first + 1

    def check(self) -> None:
        """One source, and nothing that is of another."""
        of: dict[str, dict[str, object]] = {
            "clip": {"start": self.start, "range": self.range},
            "index": {"row": self.row, "split": self.split, "root": self.root},
            "token": {"data_split": self.data_split, "camera": self.camera, "plan": self.plan},
        }
        given = [name for name in of if getattr(self, name) is not None]
        if len(given) != 1:
            said = f"{' and '.join(given)} are given" if given else "nothing to imagine is named"
            raise UsageError(said, "name one of clip=, index= and token=")
        for name, settings in of.items():
            strange = [key for key, value in settings.items() if value is not None]
            if strange and name not in given:
                raise UsageError(f"{strange[0]}= is of {name}=, not of {given[0]}=", "leave it out")
        if self.token is not None:
            require_split(self.data_split or "town_test")
        self._check_rows()

    def _check_rows(self) -> None:
        hint = "for example row=3, row=0:16 or row=all"
        if self.row is None:
            return
        if _ROWS.fullmatch(self.row) is None:
            raise UsageError(f"row={self.row} names no rows", hint)
        first, last = self.rows
        if last is not None and first >= last:
            raise UsageError(
                f"row={self.row} names no rows: the first must be below the last", hint
            )
