"""Scenes of the embedded town against what the stock devkits say of them, stored beside.

Everything that this test reads is the project's own, so that anybody can run it.
"""

from __future__ import annotations

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


@pytest.mark.parametrize("split", ["town_test", "town_val"])
@pytest.mark.parametrize("protocol", [PDMS_V1, EPDMS_V2], ids=lambda protocol: protocol.name)
def test_the_town_is_scored_as_the_devkit_scores_it(protocol: Protocol, split: str) -> None:
    theirs = pd.read_parquet(ANSWERS / f"{protocol.name}.parquet")
    plans = pd.read_parquet(ANSWERS / "trajectories.parquet")
    plans = plans[plans["split"] == split]
    roots = ensure_split(split, cameras=())
    assert len(plans) == {"town_test": 160, "town_val": 48}[split]
    compared: set[str] = set()
    for token, rows in plans.groupby("token", sort=False):
        cache = pdm.build_scene_cache(roots.data_root, roots.maps_root, split, str(token))
        poses = np.stack(rows["poses"].tolist()).reshape(len(rows), 8, 3)
        ours = pdm.score(cache, poses, protocol=protocol.name)
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
                err_msg=f"{token} {column}",
            )
            compared.add(column)
    assert set(theirs.columns[2:]) - compared == UNTOLD[protocol.name]
