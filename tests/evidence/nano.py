"""Two small designs, what stands for their commands, and how the tests run and table them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reworld_agent.benchmarks.evidence import (
    EvidenceRun,
    EvidenceTable,
    measured,
    table_evidence,
)
from reworld_agent.core.result_tables import write_csv, write_parquet
from reworld_agent.training.chain import Command

TOWNS_OF = measured.towns_of  # the tests' own drives are in no split
GAIN = {"with": 0.05, "without": 0.0, "harmful": -0.1}
SCORE = {"file": "score/pdm_scores.parquet", "column": "score"}
BIG = {"low_above": 0.02}
SMALL = {"high_below": 0.02}


def nano() -> dict[str, Any]:
    """Two designs of two commands a run, as a file of designs has them."""
    common: dict[str, Any] = {"source": "a test", "seeds": [1, 2, 3]}
    score = ["score", "--weights={home}/train", "--split={test}", "--seed={seed}"]
    return {
        "world": {
            "version": "6",
            "train": "town6_train",
            "validation": "town6_val",
            "test": "town6_test",
        },
        "designs": {
            "gain": {
                **common,
                "claim": "with is better than without",
                "needs": ["start"],
                "before": [["prepare", "from={start}", "{seed_home}"]],
                "arms": {name: {"words": [f"gain={GAIN[name]:g}"]} for name in GAIN},
                "commands": [["train", "seed={seed}", "output_dir={home}/train", "{words}"], score],
                "measures": {"pdms": SCORE, "chosen_by": SCORE},
                "contrasts": {
                    "better": {
                        "measure": "pdms",
                        "arms": {"with": 1, "without": -1},
                        "supported": BIG,
                        "refuted": SMALL,
                    },
                    "best_of_all": {
                        "measure": "pdms",
                        "choose": "chosen_by",
                        "among": ["with", "harmful"],
                        "arms": {"chosen": 1, "without": -1},
                        "supported": BIG,
                        "refuted": SMALL,
                    },
                },
            },
            "faster": {
                **common,
                "claim": "it learns faster",
                "gated": False,
                "arms": {"slow": {}, "fast": {}},
                "commands": [["train", "output_dir={home}/train"]],
                "measures": {"loss": {"file": "train/validation.csv", "column": "generation"}},
                "contrasts": {
                    "steps": {
                        "kind": "speedup",
                        "measure": "loss",
                        "arms": {"fast": 1, "slow": -1},
                        "supported": {"low_above": 1.5},
                        "refuted": {"high_below": 1.2},
                    }
                },
            },
            "later": {
                **common,
                "claim": "nobody knows",
                "lacks": "an oracle",
                "arms": {"one": {}},
                "commands": [],
                "measures": {"pdms": SCORE},
                "contrasts": {
                    "any": {
                        "measure": "pdms",
                        "arms": {"one": 1},
                        "supported": BIG,
                        "refuted": SMALL,
                    }
                },
            },
        },
    }


class Machine:
    """Stands for the commands: leaves behind what they would, and counts."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.done: list[str] = []
        self.stop_after = stop_after

    def __call__(self, command: Command) -> int:
        if self.stop_after is not None and len(self.done) >= self.stop_after:
            raise KeyboardInterrupt
        self.done.append(str(command))
        if command.command == "train":
            (output,) = (w for w in command.arguments if w.startswith("output_dir="))
            place = Path(output.partition("=")[2])
            place.mkdir(parents=True, exist_ok=True)
            (place / "words").write_text(" ".join(command.arguments))
            fast = 2.0 if "fast_seed" in str(place) else 1.0
            steps = np.arange(0, 1001, 50)
            falling = 2.0 * np.exp(-fast * steps / 400)
            rows = pd.DataFrame({"step": steps, "generation": falling})
            write_csv(place / "validation.csv", rows)
        elif command.command == "score":
            self._score(Path(command.arguments[0].partition("=")[2]), int(command.arguments[2][-1]))
        return 0

    def _score(self, train: Path, seed: int) -> None:
        words = (train / "words").read_text()
        gain = float(words.partition("gain=")[2].split()[0])
        rng = np.random.default_rng(seed)
        scores = 0.7 + gain + rng.normal(0, 0.01) + np.random.default_rng(9).normal(0, 0.05, 24)
        tokens = [f"t{k}" for k in range(24)]
        logs = [f"drive{k // 4}" for k in range(24)]
        folder = train.parent / "score"
        table = pd.DataFrame({"token": [*tokens, "average"], "score": [*scores, scores.mean()]})
        write_parquet(folder / "pdm_scores.parquet", table, {})
        record = pd.DataFrame({"token": tokens, "log_name": logs})
        write_parquet(folder / "inference.parquet", record, {})


def settings(place: Path, design: str = "gain", **changes: Any) -> EvidenceRun:
    given: dict[str, Any] = {
        "designs": place / "designs.yaml",
        "start": place / "weights" if design == "gain" else None,
        "output_dir": place / "evidence",
    }
    return EvidenceRun(design=design, **(given | changes))


def tabled(place: Path, **changes: Any) -> Any:
    chosen = EvidenceTable(
        output_dir=place / "evidence",
        designs=place / "designs.yaml",
        output=place / "table",
        resamples=400,
        **changes,
    )
    return table_evidence(chosen)
