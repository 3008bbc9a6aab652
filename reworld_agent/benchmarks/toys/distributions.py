"""Distributions whose samples and, for the tree, densities are known.

Shapes: S samples, C values of one.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor

PARTS, DEPTH = 6, 5  # Gaussians along a branch, levels of branches
SIDE = 8  # pixels of a picture


class Toy(Protocol):
    """A distribution of C values.

    Attributes:
        size: C.
    """

    size: int

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """[count, C], float32."""

    def log_likelihood(self, x: Tensor) -> Tensor | None:
        """[S] of [S, C]; None where it is not known."""


class Tree:
    """A mixture of Gaussians along the branches of a binary tree in the plane.

    In the manner of Karras et al. (arXiv 2406.02507, figure 1): thin and branching, so that a weak
    network spreads where nothing is. Scaled to about unit variance.
    """

    size = 2

    def __init__(self) -> None:
        means, spreads = [], []
        for start, angle, length, level in _branches((0.0, -1.0), math.pi / 2, 1.0, 0):
            for k in range(PARTS):
                along = (k + 0.5) / PARTS * length
                means.append(
                    (start[0] + along * math.cos(angle), start[1] + along * math.sin(angle))
                )
                spreads.append(0.045 * 0.75**level)
        self.means = torch.tensor(means)
        self.spreads = torch.tensor(spreads)
        centre, scale = self.means.mean(dim=0), self.means.var(dim=0).mean().sqrt()
        self.means, self.spreads = (self.means - centre) / scale, self.spreads / scale

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """See `Toy`."""
        chosen = torch.randint(len(self.means), (count,), generator=generator)
        noise = torch.randn(count, 2, generator=generator)
        return self.means[chosen] + self.spreads[chosen, None] * noise

    def log_likelihood(self, x: Tensor) -> Tensor:
        """See `Toy`."""
        found = []
        for some in x.double().split(1000):
            square = (some[:, None] - self.means.double()).square().sum(dim=2)
            variance = self.spreads.double().square()
            log = -square / (2 * variance) - (2 * math.pi * variance).log()
            found.append(log.logsumexp(dim=1) - math.log(len(self.means)))
        return torch.cat(found)


def _branches(
    start: tuple[float, float], angle: float, length: float, level: int
) -> list[tuple[tuple[float, float], float, float, int]]:
    """A branch and all that grow from its end."""
    end = (start[0] + length * math.cos(angle), start[1] + length * math.sin(angle))
    found = [(start, angle, length, level)]
    if level + 1 < DEPTH:
        for turn in (0.45, -0.6):
            found += _branches(end, angle + turn, 0.72 * length, level + 1)
    return found


class Shapes:
    """Pictures of 8 x 8 values in [-1, 1]: a bright square, disc, cross or frame somewhere."""

    size = SIDE * SIDE

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """See `Toy`."""
        draws = torch.rand(count, 5, generator=generator)
        kind = (draws[:, 0] * 4).long()[:, None, None]
        half = (1.2 + 1.4 * draws[:, 1])[:, None, None]
        middle = (2.5 + 3.0 * draws[:, 2:4])[:, :, None, None]
        grid = torch.arange(SIDE) + 0.5
        dy = (grid[None, :, None] - middle[:, 0]).abs()
        dx = (grid[None, None, :] - middle[:, 1]).abs()
        away = torch.maximum(dx, dy)
        inside = torch.stack(
            [
                half - away,
                half - (dx.square() + dy.square()).sqrt(),
                torch.minimum(half - away, 0.6 - torch.minimum(dx, dy)),
                torch.minimum(half - away, away - half + 1.0),
            ]
        )
        edge = inside.gather(0, kind[None].expand(1, -1, SIDE, SIDE))[0]
        bright = (0.5 + edge).clamp(0, 1) * (0.6 + 0.4 * draws[:, 4])[:, None, None]
        return (2 * bright - 1).flatten(1)

    def log_likelihood(self, x: Tensor) -> None:
        """See `Toy`."""
        return


TOYS: dict[str, type[Toy]] = {"tree": Tree, "shapes": Shapes}
