"""Imagined futures of a sweep's runs, judged by FVD and PSNR once and kept."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from reworld_agent.benchmarks.table2.imagined import fvd, i3d_features, imagine, pixel_psnr
from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import DataError
from reworld_agent.core.provenance import weights_hash
from reworld_agent.core.records import read_record, write_record
from reworld_agent.core.text import shown
from reworld_agent.training.table2.module import WorldModule

JUDGED = "judged"
Row = dict[str, Any]


@dataclass(frozen=True)
class Judged:
    """What was found of one run."""

    fvd: float
    psnr_db: float
    clips: int


@dataclass(frozen=True)
class Judge:
    """Compares futures that a model imagines with those that really came.

    FVD takes seconds a clip: what is found lies in `<folder>/judged`, under a name that changes
    with the clips, the weights and the sampler, and is read there the next time.

    Attributes:
        clips: real ones, uint8 [M, T, 3, H, W].
        history: frames of each that the model sees.
        folder: of the sweep.
        steps: Euler steps of the sampler.
    """

    clips: Tensor
    history: int
    folder: Path
    steps: int

    def row(self, module: WorldModule, label: str, gamma: float) -> Row:
        """`fvd`, `psnr_db` and the number of `clips`, of a run's averaged weights.

        Args:
            module: the run, in evaluation mode.
            label: its name.
            gamma: self-guidance (Eq. 9); 1 = the plain velocity.
        """
        about = f"{self._stamp} {weights_hash(module.averaged)} {self.steps} {gamma}"
        mark = hashlib.sha256(about.encode()).hexdigest()[:12]
        file = self.folder / JUDGED / f"{label}_gamma{gamma:g}_{mark}.json"
        if file.is_file():
            return asdict(read_record(file, Judged, "delete it: it is judged again"))
        future = imagine(module, self.clips, gamma, self.steps)
        row = Judged(
            fvd=fvd(self.features, future),
            psnr_db=pixel_psnr(future, self.clips[:, self.history :]),
            clips=len(self.clips),
        )
        write_record(file, row)
        return asdict(row)

    @cached_property
    def features(self) -> NDArray[np.float64]:
        """I3D logits [M, 400] of what really came."""
        file = self.folder / JUDGED / f"real_{self._stamp}.npy"
        if not file.is_file():
            found = i3d_features(self.clips[:, self.history :])

            def write(partial: Path) -> None:
                with partial.open("wb") as stream:  # given a name, numpy would end it in .npy
                    np.save(stream, found)

            write_atomically(file, write)
        try:
            kept: NDArray[np.float64] = np.load(file, allow_pickle=False)
        except Exception as error:  # damaged headers make numpy raise nearly anything
            message = f"{shown(file)} cannot be read ({error})"
            raise DataError(message, "delete it: it is made again") from error
        return kept

    @cached_property
    def _stamp(self) -> str:
        digest = hashlib.sha256(f"{tuple(self.clips.shape)} {self.history}".encode())
        digest.update(self.clips.contiguous().numpy().data)
        return digest.hexdigest()[:12]
