"""Stage 1 from cached latents: nothing is decoded and nothing encoded (see `clips.latents`)."""

from __future__ import annotations

from pathlib import Path

from torch.utils.data import Dataset

from reworld_agent.clips.index import ClipIndex
from reworld_agent.config import ClipConfig, CodecConfig, ModelConfig
from reworld_agent.core.errors import ConfigError, DataError, WeightsError
from reworld_agent.core.text import shown
from reworld_agent.model import ReWorldModel
from reworld_agent.model.shipped import shipped_folder
from reworld_agent.model.weights_folder import read_config
from reworld_agent.training.datasets.clip_samples import check_rate, ego_state
from reworld_agent.training.datasets.latents import MANIFEST, LatentCache
from reworld_agent.training.datasets.scene_arrays import Sample

_SHOWN = 3


class LatentSamples(Dataset[Sample]):
    """Samples (features, targets, clip_id): `latents` [C, F, h, w] and `ego` [8]; no targets.

    Args:
        cache: of the clips; every file is there, and its checksum is checked when it is read.
    """

    def __init__(self, cache: LatentCache) -> None:
        self.cache = cache
        self.history = cache.clip.history_frames

    def __len__(self) -> int:
        return len(self.cache)

    def __getitem__(self, number: int) -> Sample:
        motion = self.cache.dataset.motion(number)
        features = {
            "latents": self.cache.read(number),
            "ego": ego_state(motion, self.history - 1),
        }
        return features, {}, motion["clip_id"]


def open_latents(
    folder: Path, model: ReWorldModel, clip: ClipConfig, index: ClipIndex, command: str
) -> LatentSamples:
    """The cached latents of an index, as samples.

    Args:
        folder: filled by `reworld video latents`.
        model: its codec is the one that must have encoded.
        clip: frames and size that must have been encoded.
        index: the clips; their own files may be gone.
        command: what fills the folder, for errors.

    Raises:
        DataError: there are no latents, or clips are missing (names the first).
        ConfigError: the latents are of another codec, size or number of frames, or the clips of
            another rate.
    """
    if not (folder / MANIFEST).is_file():
        raise DataError(f"{shown(folder)} holds no latents", f"make them: {command}")
    check_rate(index, clip)  # no folder of latents would help
    try:
        cache = LatentCache(folder, model, clip, index, command, check=False)
    except ConfigError as error:
        raise ConfigError(error.message, f"name another folder, and fill it: {command}") from error
    absent = cache.absent()
    if absent:
        names = ", ".join(absent[:_SHOWN]) + (" …" if len(absent) > _SHOWN else "")
        message = f"{shown(folder)}: the latents of {len(absent)} of {len(cache)} clips are missing"
        raise DataError(f"{message}: {names}", f"fill the cache: {command}")
    return LatentSamples(cache)


def latents_command(
    table: Path,
    split: str,
    folder: Path,
    clip: ClipConfig,
    config: ModelConfig,
    checkpoint: Path | None,
) -> str:
    """The command that encodes one split of an index for a clip, as a run of this model does.

    Args:
        table: the index.
        split: of it.
        folder: for the latents.
        clip: frames and size.
        config: of the run's model.
        checkpoint: weights that the run starts from; None = those shipped for its model.
    """
    weights = checkpoint or shipped_folder(config.name)
    arguments = [f"index={shown(table)}", f"split={split}", f"output_dir={shown(folder)}"]
    if weights != shipped_folder("tiny"):  # which the command takes by itself
        arguments.append(f"checkpoint_path={shown(weights)}")
    arguments += [f"size={clip.height}x{clip.width}"]
    arguments += [f"history={clip.history_frames}", f"future={clip.future_frames}"]
    arguments += _unlike_the_weights(config.codec, weights)
    return " ".join(["reworld video latents", *arguments])


def _unlike_the_weights(codec: CodecConfig, weights: Path) -> list[str]:
    """Arguments for what a run encodes otherwise than its weights say."""
    wanted = {"posterior": codec.posterior, "tiled": str(codec.tiled).lower()}
    try:
        own = read_config(weights).codec
    except WeightsError:  # a checkpoint without a configuration
        return [f"{name}={value}" for name, value in wanted.items()]
    return [f"{n}={v}" for n, v in wanted.items() if getattr(own, n) != getattr(codec, n)]
