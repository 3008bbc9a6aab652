"""A codec is trained, judged on held-out frames, and written with the model that it belongs to."""

from __future__ import annotations

import copy
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from reworld_agent.core.errors import ConfigError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import code_version, weights_hash
from reworld_agent.core.result_tables import (
    keep_settings,
    read_frame,
    write_csv,
    write_parquet,
)
from reworld_agent.generation.model_choice import device_of
from reworld_agent.model import ReWorldModel
from reworld_agent.training.codec.adversary import Adversary
from reworld_agent.training.codec.encoders import ENCODERS, Alignment
from reworld_agent.training.codec.frames import Frames, open_frames, some
from reworld_agent.training.codec.loop import CHECKPOINT, CodecRun, train
from reworld_agent.training.codec.settings import CodecTrainSettings
from reworld_agent.training.statistics.prior import fit_prior
from reworld_agent.video.codecs import Codec, TrainableCodec
from reworld_agent.video.codecs.quality import measure_latents, psnr_of, restored
from reworld_agent.video_metrics.lpips_network import Lpips, load_lpips

logger = logging.getLogger(__name__)
RECORD, TABLE = "codec.json", "codec.parquet"
_FIT, _BATCH = 256, 8  # scenes whose latents are measured; clips of one forward
# What changes nothing of the weights.
_FREE = ("output_dir", "checkpoint_steps", "resume", "device", "judged", "judge_lpips", "held_out")


@dataclass(frozen=True)
class TrainedCodec:
    """What was written.

    Attributes:
        weights: the folder, for `agent.init_from=` of Stage 1.
        table: a row for the trained codec and one for patch PCA of equal sizes (that of `conv` is
            the one from which it started).
        earlier: an earlier run in the same folder had finished: nothing was done.
    """

    weights: Path
    table: pd.DataFrame
    earlier: bool = False

    def text(self) -> str:
        """The table in lines."""
        return self.table.to_string(index=False, float_format="{:.3f}".format)


@one_writer
def train_codec(settings: CodecTrainSettings) -> TrainedCodec:
    """Train the codec of a model; a run that was cut short goes on, to the same weights.

    Raises:
        ConfigError: the codec cannot be trained, or `output_dir` holds a run of other settings.
        WeightsError, DataError: weights or frames are not there, or damaged.
    """
    folder, weights = settings.output_dir, settings.output_dir / "weights"
    model = ReWorldModel.from_pretrained(settings.checkpoint_path)
    codec: Codec = model.codec
    if not isinstance(codec, TrainableCodec):
        kind = model.config.codec.kind
        message = f"the codec of {settings.checkpoint_path} (codec.kind={kind}) is not trained"
        raise ConfigError(
            message, "use a model with codec.kind=conv or repwam, such as model=small"
        )
    _keep(settings, weights_hash(model))
    if (folder / TABLE).is_file() and weights.is_dir():
        known = read_frame(folder / TABLE, "set resume=false to start over")
        return TrainedCodec(weights, known, earlier=True)
    learned, judged = open_frames(settings, model.config)
    run = _begin(codec, settings)
    checkpoint = folder / CHECKPOINT
    if checkpoint.is_file():
        run.load(checkpoint)
        logger.info("the run goes on from step %d", run.step)
    network = load_lpips(device=str(_device(settings))) if settings.lpips > 0 else None
    train(run, learned, settings, model.config.codec.spatial_ratio, checkpoint, network)
    codec.cpu().load_state_dict(run.average.cpu().state_dict())
    codec.requires_grad_(False).eval()
    clips = some(learned, _FIT, codec.temporal_ratio).float() / 127.5 - 1
    _measure(model, clips)
    pair: dict[str, Codec] = {model.config.codec.kind: codec, "patch_pca": codec.baseline(clips)}
    table = judge_codecs(pair, judged, settings)
    model.save_pretrained(weights, [f"Codec trained for {settings.steps} steps."])
    origin = {
        "protocol": "codec_1",
        "code_version": code_version(),
        "weights_sha256": weights_hash(model.codec),
        "train": settings.learned,
        "split": settings.validated,
        "steps": settings.steps,
        "seed": settings.seed,
    }
    write_csv((folder / TABLE).with_suffix(".csv"), table)
    write_parquet(folder / TABLE, table, origin)
    checkpoint.unlink(missing_ok=True)
    return TrainedCodec(weights, table)


def _keep(settings: CodecTrainSettings, start: str) -> None:
    """Note what the weights depend on; ConfigError where the folder holds a run of others."""
    folder = settings.output_dir
    if not settings.resume:
        for name in (RECORD, TABLE, CHECKPOINT):
            (folder / name).unlink(missing_ok=True)
    about = {k: v for k, v in settings.as_dict().items() if k not in _FREE}
    about["adversarial"] = settings.adversarial or None  # as of runs from before there was one
    keep_settings(folder / RECORD, {**about, "checkpoint_path": start})


def _device(settings: CodecTrainSettings) -> torch.device:
    return torch.device(device_of(settings.device))


def _begin(codec: Codec, settings: CodecTrainSettings) -> CodecRun:
    """What learns: that of the codec, the projection of its alignment, and its discriminator."""
    torch.manual_seed(settings.seed)
    codec.requires_grad_(False)
    learned = codec.learned()
    for parameter in learned:
        parameter.requires_grad_(True)
    codec.to(_device(settings)).train()
    average = copy.deepcopy(codec).requires_grad_(False).eval()
    align = None
    if settings.align > 0:
        encoder = ENCODERS[settings.align_encoder](settings.align_folder)
        align = Alignment(encoder, codec.latents_mean.numel())
        align.to(_device(settings))
        learned = [*learned, *align.project.parameters()]
    optimizer = torch.optim.AdamW(
        learned, settings.learning_rate, betas=(0.9, 0.99), weight_decay=0.0
    )
    adversary = Adversary(settings.seed, _device(settings)) if settings.adversarial > 0 else None
    return CodecRun(codec, average, optimizer, align, adversary)


@torch.no_grad()
def _measure(model: ReWorldModel, pixels: Tensor) -> None:
    """Latent statistics of the histories (frames alone) and futures of training scenes."""
    found = [
        model.codec.encode(batch).latent_dist.mode().transpose(0, 1).flatten(1)
        for batch in pixels.split(_BATCH)
    ]
    latents = torch.cat(found, dim=1)[None, :, :, None, None]
    measure_latents(model.codec, latents, model.codec.spread())
    fit_prior(model, pixels)


@torch.no_grad()
def judge_codecs(
    codecs: dict[str, Codec], frames: Frames, settings: CodecTrainSettings
) -> pd.DataFrame:
    """PSNR and, where asked, LPIPS of round trips, and what encoding costs.

    Columns: codec, clips, psnr_db (of whole sequences), psnr_alone_db (of each first frame, as the
    history is encoded), lpips (NaN where not asked), encode_ms and encode_gflop (of a frame).
    """
    network = load_lpips() if settings.judge_lpips else None
    rows = []
    for name, codec in codecs.items():
        clips = some(frames, settings.judged, codec.temporal_ratio)
        squares, firsts, distances = [], [], []
        seconds = 0.0
        for batch in clips.split(_BATCH):
            pixels = batch.float() / 127.5 - 1
            begun = time.perf_counter()
            codec.encode(pixels)
            seconds += time.perf_counter() - begun
            error = (restored(codec, pixels) - pixels).square()
            squares.append(error.mean(dim=(1, 2, 3, 4)))
            alone = pixels[:, :, :1]
            firsts.append((restored(codec, alone) - alone).square().mean(dim=(1, 2, 3, 4)))
            if network is not None:
                distances.append(_distance(network, restored(codec, pixels), pixels))
        count = clips.size(0) * clips.size(2)
        rows.append(
            {
                "codec": name,
                "clips": len(clips),
                "psnr_db": psnr_of(torch.cat(squares).mean()),
                "psnr_alone_db": psnr_of(torch.cat(firsts).mean()),
                "lpips": float(np.mean(distances)) if distances else float("nan"),
                "encode_ms": 1e3 * seconds / count,
                "encode_gflop": encode_operations(codec, clips[:1]) / clips.size(2) / 1e9,
            }
        )
    return pd.DataFrame(rows)


def encode_operations(codec: Codec, clips: Tensor) -> int:
    """Floating-point operations of encoding uint8 clips [B, 3, T, H, W]."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        codec.encode(clips.float() / 127.5 - 1)
    return counter.get_total_flops()


def _distance(network: Lpips, found: Tensor, pixels: Tensor) -> float:
    pair = [x.transpose(1, 2).flatten(0, 1) for x in (found, pixels)]
    return float(network.distance(*(network.features(x) for x in pair)).mean())
