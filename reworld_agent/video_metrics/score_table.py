"""What a comparison of two sets of clips found: numbers, text and files."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.result_tables import write_with_twin
from reworld_agent.core.setting_paths import with_ending


@dataclass(frozen=True)
class Score:
    """What a comparison found.

    Attributes:
        summary: a row a metric: metric, value, unbiased, low, high, real, generated, few.
        pairs: a row a frame of each pair: clip, frame and the metrics; None where none were asked.
        features: logits float32 [N,400] of both sets and the clips' names, for FVD alone.
        protocol: everything that the numbers depend on.
        written: the files.
    """

    summary: pd.DataFrame
    pairs: pd.DataFrame | None
    features: dict[str, NDArray[Any]] = field(repr=False)
    protocol: dict[str, Any] = field(repr=False)
    written: tuple[Path, ...] = ()

    def text(self) -> str:
        """The table and its protocol as text."""
        protocol = self.protocol
        lines = [f"{'metric':<12}{'value':>10}{'unbiased':>11}   {'95 % interval':<22}clips"]
        for row in self.summary.to_dict("records"):
            interval = f"[{row['low']:.4g}, {row['high']:.4g}]"
            if math.isnan(row["low"]):
                interval = "unknown"
            free = "unknown" if math.isnan(row["unbiased"]) else f"{row['unbiased']:.4f}"
            lines.append(
                f"{row['metric']:<12}{row['value']:>10.4f}{free:>11}   {interval:<22}"
                f"{row['real']:,} real, {row['generated']:,} generated"
                + ("   TOO FEW: worth little" if row["few"] else "")
            )
        resize, crop = protocol["resize"], protocol["crop"]
        rate = "files' own rate" if protocol["fps"] is None else f"{protocol['fps']:g} fps"
        size = "own size" if resize["pairs"] is None else f"{resize['pairs']} px"
        lines += [
            "",
            f"protocol: {protocol['frames']} frames, {rate}; crop real {crop['real']}, generated "
            f"{crop['generated']}; {resize['method']}; fvd, fid at {resize['fvd_fid']} px, pairs "
            f"at {size}; lpips, psnr, ssim are means over clips; weights "
            + ", ".join(f"{k} {v[:8]}" for k, v in protocol["weights_sha256"].items()),
        ]
        return "\n".join(lines)

    def write(self, output: Path) -> tuple[Path, ...]:
        """Write summary, pairs and features; raises DataError where that is impossible."""
        written = [with_ending(output, ending) for ending in (".parquet", ".csv", ".json")]
        write_with_twin(written[0], self.summary, self.protocol)
        rows = [{k: _plain(v) for k, v in row.items()} for row in self.summary.to_dict("records")]
        text = json.dumps({"metrics": rows, "protocol": self.protocol}, indent=2, allow_nan=False)
        write_atomically(
            written[2], lambda partial: partial.write_text(text + "\n", encoding="utf-8")
        )
        if self.pairs is not None:
            written += [with_ending(output, ".pairs.parquet"), with_ending(output, ".pairs.csv")]
            write_with_twin(written[-2], self.pairs, self.protocol)
        if self.features:
            written.append(with_ending(output, ".features.npz"))
            write_atomically(written[-1], lambda partial: _save(partial, self.features))
        return tuple(written)


def _plain(value: Any) -> Any:
    """Numbers that JSON knows; None for NaN and infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _save(partial: Path, arrays: dict[str, Any]) -> None:
    with partial.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
