"""What a pool holds, counted batch by batch while it is written."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reworld_agent.negatives.selection import nearest_unsafe
from reworld_agent.negatives.settings import NegativeSettings


class PoolStatistics:
    """Candidates, scores, and the hard negatives that a selection finds.

    Attributes:
        candidates, failed: rows so far, and those without a score.
        scenes: so far.
        distances: m, of each scene's hard negative from its expert, the mean over the poses.
    """

    def __init__(self, selection: NegativeSettings) -> None:
        self.selection = selection
        self.candidates = self.failed = self.scenes = 0
        self.distances: list[float] = []
        self._sum = 0.0

    def add(self, table: pa.Table, experts: Mapping[str, NDArray[np.floating]]) -> pa.Table:
        """Count the rows of a batch, whole scenes; the table itself is returned.

        Args:
            table: columns token, poses, reason, score.
            experts: the human's poses [L, 3] (m, m, rad; ego frame) by token.
        """
        scores = table["score"].to_numpy()
        poses = table["poses"].combine_chunks().flatten().to_numpy().reshape(len(table), -1, 3)
        tokens = np.array(table["token"].to_pylist())
        self.candidates += len(table)
        self.failed += sum(reason != "" for reason in table["reason"].to_pylist())
        self._sum += float(np.nansum(scores))
        for token in dict.fromkeys(tokens.tolist()):
            rows = tokens == token
            self._add_scene(poses[rows], scores[rows], experts[token])
        return table

    def _add_scene(
        self,
        poses: NDArray[np.floating],
        scores: NDArray[np.floating],
        expert: NDArray[np.floating],
    ) -> None:
        self.scenes += 1
        number = nearest_unsafe(poses, scores, expert, self.selection)
        if number is not None:
            steps = poses[number, :, :2] - expert[:, :2]
            self.distances.append(float(np.hypot(*steps.T).mean()))

    def text(self) -> str:
        """`320000 candidates of 5000 scenes, mean score ...`."""
        found, scored = len(self.distances), self.candidates - self.failed
        mean = self._sum / scored if scored else float("nan")
        distance = np.mean(self.distances) if found else float("nan")
        return (
            f"{self.candidates} candidates of {self.scenes} scenes, mean score {mean:.4f}; "
            f"{found} scenes ({found / max(self.scenes, 1):.1%}) have a negative, "
            f"{distance:.2f} m from the expert on average"
            + (f"; {self.failed} candidates have no score" if self.failed else "")
        )
