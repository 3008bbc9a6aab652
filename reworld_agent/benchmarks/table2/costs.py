"""What a training step costs under each method, beside vanilla flow matching (paper, Table 8).

The codec is left out, as in the paper; encoders, teachers and heads are counted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from reworld_agent.objectives.baselines import REPRESENTATIONS
from reworld_agent.objectives.baselines.build import build_representation
from reworld_agent.training.table2.module import WorldModule, grid_of
from reworld_agent.training.table2_protocol import Protocol
from reworld_agent.video.codecs.patch_pca import PatchPCACodec

BASE = "vanilla"


def _module(protocol: Protocol, name: str) -> WorldModule:
    torch.manual_seed(0)
    method = build_representation(name, protocol.shape, small=protocol.small_encoders)
    # the codec does not run here: the cheapest one stands for it
    return WorldModule(protocol, method, PatchPCACodec(1, 8, 1)).train()


def _inputs(protocol: Protocol, batch: int, device: torch.device) -> tuple[Tensor, Tensor]:
    clip, grid = protocol.clip, grid_of(protocol)
    generator = None if device.type == "meta" else torch.Generator(device).manual_seed(0)
    shape = (batch, grid.tokens, protocol.codec.latent_channels)
    latents = torch.randn(shape, generator=generator, device=device)
    size = (batch, protocol.frames, 3, clip.height, clip.width)
    frames = torch.zeros(size, dtype=torch.uint8, device=device)
    return latents, frames


def step_flops(protocol: Protocol, name: str) -> int:
    """Floating-point operations of one step (forward, backward) on one clip, on the meta device."""
    meta = torch.device("meta")
    with meta:
        module = _module(protocol, name)
    latents, frames = _inputs(protocol, 1, meta)
    with FlopCounterMode(display=False) as counter:
        module.loss(latents, frames)[0].backward()
    return int(counter.get_total_flops())


def parameters(protocol: Protocol, name: str) -> int:
    """Parameters that learn."""
    with torch.device("meta"):
        module = _module(protocol, name)
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def step_times(
    protocol: Protocol,
    names: Sequence[str],
    repeats: int = 21,
    batch: int = 1,
    device: str = "cpu",
    progress: bool = True,
) -> pd.DataFrame:
    """Seconds of each repeat and method [repeats, methods]: all methods take turns in one run.

    A step is forward, backward, optimiser and the update of the average where it teaches.
    """
    place = torch.device(device)
    modules = {name: _module(protocol, name).to(place) for name in names}
    optimizers = {
        name: torch.optim.AdamW([p for p in module.parameters() if p.requires_grad], 1e-4)
        for name, module in modules.items()
    }
    latents, frames = _inputs(protocol, batch, place)
    rows = []
    for repeat in tqdm(range(-2, repeats), desc="steps of each method", disable=not progress):
        row = {
            name: _timed_step(module, optimizers[name], latents, frames)
            for name, module in modules.items()
        }
        if repeat >= 0:  # the first ones warm up
            rows.append(row)
    return pd.DataFrame(rows)


def _timed_step(
    module: WorldModule, optimizer: torch.optim.Optimizer, latents: Tensor, frames: Tensor
) -> float:
    start = time.perf_counter()
    optimizer.zero_grad()
    module.loss(latents, frames)[0].backward()
    optimizer.step()
    if module.representation.has_teacher:
        module.follow()
    if latents.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def cost_table(
    timed: Protocol,
    counted: Protocol,
    repeats: int = 21,
    batch: int = 1,
    device: str = "cpu",
    names: Sequence[str] = REPRESENTATIONS,
) -> pd.DataFrame:
    """One row a method: time and FLOPs of a step beside vanilla's.

    Args:
        timed: the protocol whose steps are timed.
        counted: the protocol whose operations and parameters are counted, on the meta device.
        repeats: timed steps of each method, in turns; the ratio is the median of the ratios to
            vanilla's step of the same turn.
        batch, device: of the timed steps.
        names: methods; vanilla among them.

    Returns:
        Columns method, step_ms, time_ratio, time_ratio_low, time_ratio_high (quartiles), gflops,
        flops_ratio, parameters_m.
    """
    times = step_times(timed, names, repeats, batch, device)
    ratios = times.div(times[BASE], axis=0)
    flops = {name: step_flops(counted, name) for name in tqdm(names, desc="counting")}
    rows = []
    for name in names:
        low, middle, high = np.quantile(ratios[name], [0.25, 0.5, 0.75])
        rows.append(
            {
                "method": name,
                "step_ms": 1000 * times[name].median(),
                "time_ratio": middle,
                "time_ratio_low": low,
                "time_ratio_high": high,
                "gflops": flops[name] / 1e9,
                "flops_ratio": flops[name] / flops[BASE],
                "parameters_m": parameters(counted, name) / 1e6,
            }
        )
    return pd.DataFrame(rows)
