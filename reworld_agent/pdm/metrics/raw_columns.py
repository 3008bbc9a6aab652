"""What the kernels find out about one candidate: a row of numbers, each with a name."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Raw = NDArray[np.void]  # structured [N], fields of `RawColumns`


class RawColumns(NamedTuple):
    """The columns of a row. Steps (of 0.1 s), indices and types are −1 where nothing fails.

    `score_states` fills those up to `comfort_excess`, the kernels of EPDMS those up to
    `hc_excess`, and `drivable_area.distances_outside` the last two.
    """

    nc: int
    dac: int
    ttc: int
    comfort: int
    ddc: int  # of PDMS: off the route's lanes counts everywhere
    progress: int  # m along the centreline, not negative
    nc_step: int
    nc_track: int
    nc_type: int  # index into `collision.COLLISION_TYPES`
    ttc_step: int
    ttc_track: int
    ttc_side: int  # index into `ttc.SIDES`
    dac_step: int
    dac_corner: int  # index into `drivable_area.CORNERS`
    comfort_step: int
    comfort_quantity: int  # index into `comfort.QUANTITIES`
    comfort_excess: int  # in the unit of that quantity
    tlc: int
    lk: int
    ddc_off_junctions: int  # of EPDMS: on intersections nothing counts
    tlc_step: int
    tlc_light: int
    lk_step: int
    hc: int
    hc_step: int  # before t0 it is negative; −1000 for none
    hc_quantity: int
    hc_excess: int
    dac_distance: int  # m from the corner off the road to the nearest drivable polygon
    dac_polygon: int  # number of that polygon


RAW = RawColumns(*range(len(RawColumns._fields)))
"""Number of each column, for kernels: numba compiles them in as constants."""

N_RAW = len(RAW)
_DTYPE = np.dtype([(name, np.float64) for name in RawColumns._fields])


def by_name(values: NDArray[np.float64]) -> Raw:
    """Rows [N, N_RAW] of the kernels with named columns, `raw["nc"]` [N]; nothing is copied."""
    return np.ndarray(len(values), _DTYPE, values)
