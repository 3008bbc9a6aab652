"""Hard negatives as training targets, the same for our host and for the devkit's builders."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reworld_agent.negatives.beyonddrive import import_pool
from reworld_agent.negatives.pool import MINE, NegativePool, pool_of, read_pool
from reworld_agent.negatives.settings import NegativeSettings

logger = logging.getLogger(__name__)


class NegativeTargets:
    """The hard negative of each scene, and how many scenes have none.

    No pool, a scene that is not in it, and a scene without an unsafe candidate are no errors:
    L_RDE is 0 there.

    Args:
        pool: the pool; None = no scene has a negative.
        selection: what counts as unsafe and as near.
        identity: changes with the content of the pool and the selection; names caches of targets.

    Attributes:
        asked, absent, found: scenes so far: all, those that are not in the pool, those that have
            a negative.
    """

    def __init__(
        self, pool: NegativePool | None, selection: NegativeSettings, identity: str = "none"
    ) -> None:
        self.pool, self.selection, self.identity = pool, selection, identity
        self.asked = self.absent = self.found = 0

    @classmethod
    def open(cls, selection: NegativeSettings, split: str | None) -> NegativeTargets:
        """Read the pool of some settings, where there is one.

        The pool is a parquet file, or a folder of BeyondDrive's pickles, which name no split.

        Args:
            selection: with its pool.
            split: the training split; None = unknown.

        Raises:
            DataError: the pool is damaged, or of another split.
        """
        path = selection.pool
        if path is None:
            logger.warning("no pool of hard negatives: L_RDE is 0 (hard_negatives.pool=FILE)")
            return cls(None, selection)
        if not path.exists():
            logger.warning(
                "the pool of hard negatives %s is missing: no scene has a negative, L_RDE is 0; %s",
                *(path, MINE),
            )
            return cls(None, selection)
        pool = pool_of(import_pool(path), {}) if path.is_dir() else read_pool(path, split)
        return cls(pool, selection, _identity(path, selection))

    def nearest(self, token: str, expert: NDArray[np.floating]) -> NDArray[np.float32] | None:
        """The hard negative [L, 3] (m, m, rad; ego frame) of a scene, or None; counted."""
        self.asked += 1
        if self.pool is None or token not in self.pool.poses:
            self.absent += 1
            return None
        poses = self.pool.nearest(token, expert, self.selection)
        self.found += poses is not None
        return poses

    def targets(self, token: str, expert: NDArray[np.floating]) -> dict[str, Tensor]:
        """`hard_negative` float32 [L, 3], zeros where there is none, and `hard_negative_valid`."""
        poses = self.nearest(token, expert)
        return negative_targets(poses, expert)

    def summary(self) -> str:
        """`3 of 10 scenes have a hard negative, 2 are not in the pool`."""
        return (
            f"{self.found} of {self.asked} scenes have a hard negative, "
            f"{self.absent} are not in the pool"
        )


def negative_targets(
    poses: NDArray[np.float32] | None, expert: NDArray[np.floating]
) -> dict[str, Tensor]:
    """The two targets of a scene; an explicit mark says whether it has a negative."""
    blank = np.zeros(expert.shape, dtype=np.float32)
    return {
        "hard_negative": torch.from_numpy(blank if poses is None else poses),
        "hard_negative_valid": torch.tensor(poses is not None),
    }


def _identity(path: Path, selection: NegativeSettings) -> str:
    digest = hashlib.sha256()
    for file in sorted(path.glob("*.pkl")) if path.is_dir() else [path]:
        digest.update(file.read_bytes())
    chosen = {"delta": selection.delta, "space": selection.space}
    digest.update(json.dumps(chosen, sort_keys=True).encode())
    return digest.hexdigest()[:12]
