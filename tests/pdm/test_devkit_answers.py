"""Scenes of the embedded town against what the stock devkits say of them, stored beside.

Everything that this test reads is the project's own, so that anybody can run it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reworld_agent import pdm
from reworld_agent.pdm.metrics.definition.protocol import Protocol
from reworld_agent.pdm.metrics.table import EPDMS_V2, PDMS_V1
from reworld_agent.scenes.synthetic import ensure_split

ANSWERS = Path(__file__).parent / "devkit_answers"
# names here of columns of v2.2: before the human filter, the score is `pdm_score`
SAME = {"score_unfiltered": "pdm_score", "pdm_score_unfiltered": "pdm_score"}
PRODUCT = "multiplicative_metrics_prod"  # of columns that are compared
UNTOLD = {"pdms_v1": set(), "epdms_v2": {PRODUCT, f"{PRODUCT}_unfiltered"}}


FOLDERS = {"": 208, "samplings": 200}  # and how many trajectories each has


@pytest.fixture(scope="module")
def cache_of() -> Callable[[str, str], pdm.SceneCache]:
    """The scene cache of a split's token, built once."""

    @lru_cache
    def build(split: str, token: str) -> pdm.SceneCache:
        roots = ensure_split(split, cameras=())
        return pdm.build_scene_cache(roots.data_root, roots.maps_root, split, token)

    return build


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("protocol", [PDMS_V1, EPDMS_V2], ids=lambda protocol: protocol.name)
def test_the_town_is_scored_as_the_devkit_scores_it(
    protocol: Protocol, folder: str, cache_of: Callable[[str, str], pdm.SceneCache]
) -> None:
    theirs = pd.read_parquet(ANSWERS / folder / f"{protocol.name}.parquet")
    plans = pd.read_parquet(ANSWERS / folder / "trajectories.parquet")
    plans["count"] = plans["poses"].map(len) // 3
    plans = plans.assign(interval_s=plans.get("interval_s", 0.5))
    assert len(plans) == FOLDERS[folder]
    compared: set[str] = set()
    alike = ["split", "token", "count", "interval_s"]
    for _, rows in plans.groupby(alike, sort=False):
        split, token, count, interval = rows[alike].iloc[0]
        poses = np.stack(rows["poses"].tolist()).reshape(len(rows), count, 3)
        cache = cache_of(split, token)
        ours = pdm.score(cache, poses, protocol=protocol.name, interval_s=interval)
        answers = rows[["token", "candidate"]].merge(theirs, validate="one_to_one")
        for column in answers.columns[2:]:
            own = SAME.get(column, column)
            if own not in ours:
                continue
            close = column.removesuffix("_unfiltered") in ("ego_progress", "score", "pdm_score")
            np.testing.assert_allclose(
                ours[own],
                answers[column],
                rtol=0,
                atol=1e-9 if close else 0,
                err_msg=f"{token} {count} x {interval} s {column}",
            )
            compared.add(column)
    assert set(theirs.columns[2:]) - compared == UNTOLD[protocol.name]
