"""What the paper's extra terms cost, in floating-point operations (meta device).

At the paper's width, with 7 of its 28 blocks, which makes the extra terms look dearer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from reworld_agent.config import load_model_config
from reworld_agent.objectives.alignment import alignment_loss
from reworld_agent.planner.action_dit import ActionDiT
from reworld_agent.planner.sampler import sample_plan
from reworld_agent.sigmas import SCHEDULES
from reworld_agent.video.dit import VideoDiT

DEPTH = 7
PAPER = load_model_config("paper")
VIDEO = dataclasses.replace(PAPER.video, num_layers=DEPTH, mid_blocks=(2,))
PLANNER = PAPER.planner
TOKENS = 196  # 25 frames of 224 x 224, the paper's Table 2


def flops(work: Callable[[], object]) -> int:
    """Operations of matrix products and attention, forward and backward."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def video_step(run_heads: bool) -> int:
    """A Stage 1 step of the Video DiT, with or without its mid head."""
    with torch.device("meta"):
        dit = VideoDiT.build(VIDEO, 128)
        inputs = torch.zeros(1, TOKENS, 128), torch.zeros(1, 1, 4096), torch.zeros(1, TOKENS)
        coords = torch.zeros(1, 3, TOKENS)

        def step() -> None:
            output = dit(*inputs, video_coords=coords, run_heads=run_heads)
            sum([output.sample, *output.mid.values()]).sum().backward()  # type: ignore[union-attr]

        return flops(step)


def action_step(aligned: bool) -> int:
    """A Stage 2 step of the Action DiT, with or without L_align on one block."""
    with torch.device("meta"):
        dit = ActionDiT.build(PLANNER, VIDEO)
        states = [torch.zeros(1, TOKENS, VIDEO.width) for _ in range(DEPTH)]
        actions, t, ego = torch.zeros(1, 8, 3), torch.zeros(1), torch.zeros(1, 8)

        def step() -> None:
            output = dit(actions, t, ego, dit.cache(states), tap=(3,) if aligned else ())
            pairs = [(tap.state, tap.readout) for tap in output.readouts.values()]
            loss = output.velocity.sum() + (alignment_loss(pairs) if aligned else 0)
            loss.backward()

        return flops(step)


def test_intermediate_supervision_is_nearly_free() -> None:
    ratio = video_step(run_heads=True) / video_step(run_heads=False)
    assert 1 < ratio <= 1.001


def test_alignment_is_nearly_free() -> None:
    assert action_step(aligned=True) / action_step(aligned=False) <= 1.001


def test_keys_and_values_once_save_most_of_a_plan() -> None:
    with torch.device("meta"), torch.no_grad():
        dit = ActionDiT.build(PLANNER, VIDEO)
        states = [torch.zeros(1, TOKENS, VIDEO.width) for _ in range(DEPTH)]
        noise, ego, t = torch.zeros(1, 8, 3), torch.zeros(1, 8), torch.zeros(1)
        once = flops(lambda: sample_plan(dit, dit.cache(states), ego, noise, PLANNER))
        steps = SCHEDULES[PLANNER.sigmas](PLANNER.steps)
        again = flops(lambda: [dit(noise, t, ego, dit.cache(states)) for _ in steps])
    assert once / again < 0.3
