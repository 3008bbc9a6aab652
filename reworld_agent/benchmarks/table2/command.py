"""`python train/benchmark_objectives.py`: what the rivals cost, and how they compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from reworld_agent.benchmarks.table2 import figures
from reworld_agent.benchmarks.table2.costs import cost_table
from reworld_agent.benchmarks.table2.runs import build_trainer, check_count
from reworld_agent.benchmarks.table2.sweeps import SWEEPS, Sweep, check_imagined, run_sweep, summary
from reworld_agent.clips.index import read_index
from reworld_agent.config.fields import blocks_within
from reworld_agent.core.arguments import HELP_WORDS, Words, parse
from reworld_agent.core.errors import ConfigError, UsageError, WeightsError
from reworld_agent.core.provenance import blas_name, code_version
from reworld_agent.core.result_tables import check_writable, write_csv, write_parquet
from reworld_agent.core.text import shown
from reworld_agent.objectives.baselines import REPRESENTATIONS
from reworld_agent.training.loop import engine
from reworld_agent.training.table2.build import Clips
from reworld_agent.training.table2.data import (
    FrameClips,
    at_most,
    fitted_codec,
    held_out_clips,
    open_codec,
    town_index,
)
from reworld_agent.training.table2_protocol import SIZES, Protocol, load_protocol

USAGE = (
    "python train/benchmark_objectives.py [sweep=costs|" + "|".join(SWEEPS) + "] [model=tiny|paper]"
    " [seeds=3] [steps=N] [clips=INDEX.parquet] [vae=DIR] [imagined=N] [output_dir=DIR]"
)
HELP = f"""{USAGE}

The methods of the paper's Table 2 under one protocol: from scratch, no text, two clean latents.

  sweep=costs            time and FLOPs of a step of every method beside vanilla (Table 8)
  sweep=representations  every method, equal budget (Table 2)
  sweep=blocks           where ReWorld's mid head stands (Table 5)
  sweep=gamma            strength of self-guidance (Table 6); needs imagined=
  sweep=convergence      vanilla against ReWorld on the way (Fig. 2b)
                         (Table 7, the factor of L_RDE: python train/sweep_repulsion.py)
  model=tiny|paper       tiny runs on the embedded town; paper needs clips= and vae=
  methods=LIST           of sweep=representations, such as vanilla,sra,reworld (all)
  blocks=LIST            of sweep=blocks, such as 2,8,12 (the paper's; of the tiny model all)
  seeds=N                runs of each kind (3)
  steps=N                optimiser steps; not given: the protocol's
  repeats=N              timed steps of each method (21), of sweep=costs
  clips=INDEX            of `reworld video index frames=25`; its splits train and val are used;
                         root=DIR where its data have moved
  limit=N                training clips at most, spread evenly; held_out=N: validation clips
                         (as many as 4 GiB hold)
  workers=N              processes that decode training clips which memory does not hold (0)
  precision=bf16-mixed   of training (32-true)
  vae=DIR                the vae folder of LTX-Video 0.9.5
  encoder.NAME=DIR       weights of a frozen encoder, such as encoder.repa_dinov2=DIR
  imagined=N             validation clips whose future is imagined for FVD and PSNR (0)
  output_dir=DIR         outputs/table2; a sweep that was stopped goes on there

example: python train/benchmark_objectives.py sweep=convergence seeds=3
"""
ENCODERS = tuple(
    f"encoder.{name}"
    for name in (
        *("repa_dinov2", "repa_videomaev2", "repa_depth_anything3"),
        *("repa_vjepa2", "redi"),
    )
)
KEPT = "finished runs and judgements are kept; the same command goes on"
KNOWN = (
    *("sweep", "model", "seeds", "steps", "repeats", "clips", "limit", "vae", "imagined", "root"),
    *("output_dir", "device", "methods", "blocks", "held_out", "workers", "precision", *ENCODERS),
)


def main(arguments: Sequence[str]) -> int:
    """Run the command; 0, or raises ReWorldError."""
    if HELP_WORDS & set(arguments):
        print(HELP)
        return 0
    engine.quiet()
    words = parse(arguments, KNOWN, USAGE)
    if words.plain:
        raise UsageError(f"cannot read {shown(words.plain[0])}", USAGE)
    name = words.choice("sweep", ("costs", *SWEEPS)) or "costs"
    size = words.choice("model", SIZES) or "tiny"
    given = {"steps": words.number("steps", 1)} if "steps" in words.settings else {}
    protocol = load_protocol(size, given)
    folder = words.path("output_dir") or Path("outputs/table2")
    _check_useful(name, words)
    check_writable(folder)
    if name == "costs":
        device = _device(words)
        repeats = words.number("repeats", 21)
        table = cost_table(protocol, load_protocol("paper"), repeats, device=device)
        print(table.round(4).to_string(index=False))
    else:
        table = run_sweep(name, _sweep(words, protocol, size, folder))
        figures.write(name, table, folder / f"{name}.png")
        print(summary(name, table).round(5).to_string(index=False))
    _keep(folder / name, table, protocol, size)
    return 0


def _sweep(words: Words, protocol: Protocol, size: str, folder: Path) -> Sweep:
    """Clips, codec and settings of a sweep; all words are read before a clip is."""
    methods, blocks = _methods(words), _blocks(words, protocol)
    seeds, workers = range(words.number("seeds", 3)), words.number("workers", 0, least=0)
    imagined = words.number("imagined", 0, least=0)
    counts = {key: words.number(key, 1) for key in ("limit", "held_out") if key in words.settings}
    encoders = _encoders(words)
    trainer = {key: words.settings[key] for key in ("precision",) if key in words.settings}
    build_trainer(protocol, trainer)
    index = words.path("clips")
    if index is None and size != "tiny":
        message = "model=paper is no model for the embedded town"
        raise ConfigError(message, "give clips=INDEX.parquet (reworld video index frames=25 ...)")
    codec = open_codec(protocol, words.path("vae"))
    if index is None:
        train, validation = town_index("town_train", protocol), town_index("town_val", protocol)
    else:
        whole = read_index(index, words.path("root"))
        train, validation = whole.split("train"), whole.split("val")
    train_clips = FrameClips(at_most(train, counts.get("limit", len(train))), protocol)
    check_count(protocol, len(train_clips))
    kept = train_clips.in_memory() if train_clips.fits() else train_clips
    judged = held_out_clips(validation, protocol, counts.get("held_out"))
    codec = fitted_codec(codec, kept)
    return Sweep(
        protocol,
        Clips(kept, judged, codec),
        folder,
        seeds,
        imagined,
        encoders=encoders,
        methods=methods,
        blocks=blocks,
        workers=workers,
        trainer=trainer,
    )


def _encoders(words: Words) -> dict[str, str]:
    """Folders of frozen encoders by representation; WeightsError where one is missing."""
    given = {key: words.settings[key] for key in ENCODERS if key in words.settings}
    for key, folder in given.items():
        if not Path(folder).is_dir():
            raise WeightsError(f"{key}={folder} is no folder", "it has config.json and weights")
    return {key.removeprefix("encoder."): folder for key, folder in given.items()}


def _check_useful(sweep: str, words: Words) -> None:
    """Raise ConfigError for a word that this sweep has no use for, and for one that it lacks."""
    own = {"repeats": ("costs",), "device": ("costs",)}
    own |= {"methods": ("representations",), "blocks": ("blocks",)}
    everywhere = ("sweep", "model", "output_dir")
    for key in words.settings:
        others = tuple(SWEEPS)
        users = own.get(key, ("costs", *others) if key in everywhere else others)
        if sweep not in users:
            message = f"{key}= with sweep={sweep}"
            raise ConfigError(message, f"{key}= is of sweep={' | '.join(users)}: leave it out")
    if sweep == "gamma":
        check_imagined(words.number("imagined", 0, least=0))


def _device(words: Words) -> str:
    """Where steps are timed; ConfigError for a device that torch does not have here."""
    name = words.settings.get("device", "cpu")
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:  # builds without CUDA assert
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device={name}: {reason}", "say device=cpu or device=cuda") from error
    return name


def _methods(words: Words) -> tuple[str, ...]:
    """The methods that are compared; ConfigError for an unknown one, or one named twice."""
    names = tuple(words.settings.get("methods", ",".join(REPRESENTATIONS)).split(","))
    unknown = [name for name in names if name not in REPRESENTATIONS]
    if unknown:
        known = " | ".join(REPRESENTATIONS)
        raise ConfigError(f"methods={unknown[0]} does not exist", f"use {known}")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        message = f"methods= names {twice[0]} twice"
        raise ConfigError(message, "name each once; seeds=N repeats all of them")
    return names


def _blocks(words: Words, protocol: Protocol) -> tuple[int, ...]:
    """The blocks that are compared, each a block of the model; empty where none are named."""
    text = words.settings.get("blocks", "")
    if text and not all(part.isdecimal() for part in text.split(",")):
        raise ConfigError(f"blocks={text} is no list of blocks", "say blocks=2,8,12")
    blocks = tuple(int(part) for part in text.split(",") if part)
    blocks_within("blocks", blocks, protocol.video.num_layers)
    return blocks


def _keep(path: Path, table: pd.DataFrame, protocol: Protocol, size: str) -> None:
    """The table as parquet with its provenance, and its csv twin."""
    about = {"code_version": code_version(), "numpy": np.__version__, "blas": blas_name()}
    provenance = {"protocol": asdict(protocol), "model": size, **about}
    write_parquet(path.with_suffix(".parquet"), table, provenance)
    write_csv(path.with_suffix(".csv"), table)
    print(f"written: {path.with_suffix('.parquet')}")
