"""What `reworld serve reward` takes; known without the scorer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reworld_agent.core.settings import MOST_WORKERS, Settings, setting


@dataclass(frozen=True, kw_only=True)
class ServeRewardRun(Settings):
    """The score of plans, asked over HTTP."""

    data_split: str = setting("whose scenes are scored", "town_train")
    caches: Path | None = setting(
        "folder of <token>.npz in the place of the split", None, exists="folder"
    )
    protocol: Literal["pdms_v1", "epdms_v2", "both"] = setting("how", "pdms_v1")
    columns: tuple[str, ...] = setting("of the answer: names, or all", ("score",))
    workers: int = setting("processes that score", 1, least=1, cap=MOST_WORKERS)
    host: str = setting("address to listen on; 0.0.0.0 = every machine may ask", "127.0.0.1")
    port: int = setting("0 takes any that is free", 8400, least=0, most=65535)
    most_candidates: int = setting("plans of one request", 100_000, least=1)
