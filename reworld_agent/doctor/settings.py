"""What the doctor is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import MOST_WORKERS, Settings, setting

_OF_DATA = ("data", "all")
_SERVES = {
    "train_test_split": ("data", "caches", "all"),
    "data_split": ("data", "caches", "all"),
    "agent": (*_OF_DATA, "alpasim"),
    "stage": _OF_DATA,
    "overrides": (*_OF_DATA, "alpasim"),
    "workers": _OF_DATA,
    "checkpoint_path": ("weights", "all"),
    "cache_dir": ("caches", "all"),
    "drives": ("alpasim",),
}


@dataclass(frozen=True, kw_only=True)
class DoctorSettings(Settings):
    """What is looked at; see `doctor.examine`."""

    subject: Literal["environment", "data", "caches", "weights", "gpu", "alpasim", "all"] = setting(
        "what is looked at", "environment", positional=True
    )
    train_test_split: str | None = setting(
        "data, caches: a split such as town_test or navtest; a folder of logs below navsim_logs, "
        "such as mini, is one too",
        None,
        old_names=("split",),
    )
    data_split: str | None = setting(
        "data, caches: the folder of logs of the split, where it is another", None
    )
    agent: str | None = setting(
        "data, alpasim: whose sensors are wanted, who shall drive (reworld)", None
    )
    stage: Literal["1", "planner", "2", "3", "4"] | None = setting(
        "data: what this training stage opens, instead of what a score does", None
    )
    overrides: tuple[str, ...] = setting(
        "data, alpasim: further settings of `reworld score`, or with stage= of `reworld train`",
        (),
        metavar="[agent.KEY=VALUE,...]",
        collects=("agent.", "train_test_split."),
    )
    workers: int | None = setting(
        "data: processes that read logs, where there are many (one for each core)",
        None,
        least=1,
        cap=MOST_WORKERS,
    )
    checkpoint_path: Path | None = setting(
        "weights: the folder (the shipped weights)",
        None,
        exists="folder",
        metavar="DIR",
        old_names=("path",),
    )
    cache_dir: Path | None = setting(
        "caches: folder of scene caches", None, exists="folder", metavar="DIR"
    )
    drives: int | None = setting(
        "alpasim: plans asked for over TCP, and as many over a Unix socket (200)", None, least=1
    )
    json: bool = setting(
        "findings as a JSON list of name, status, what, fix", False, old_names=("--json",)
    )

    def check(self) -> None:
        """Each setting has a meaning for the subject."""
        for name, subjects in _SERVES.items():
            if getattr(self, name) and self.subject not in subjects:
                message = f"{name}= has no meaning with {self.subject}"
                raise UsageError(message, f"it is of {', '.join(subjects)}: leave it out")
