"""Plans in, rewards out, as NumPy arrays or as torch tensors: torch itself is not imported."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError
from reworld_agent.pdm.poses import as_numbers

_SHAPE = "give plans as [B, N, L, 3]: scenes, candidates, poses; x, y [m], heading [rad]"


def plans_array(poses: Any, n_scenes: int) -> NDArray[np.float64]:
    """Plans as float64 [B, N, L, 3], whatever holds them; gradients are not followed.

    Raises:
        DataError: another shape, plans of several lengths, no numbers, or not one for each scene.
    """
    if is_tensor(poses):
        poses = poses.detach().cpu().double().numpy()
    try:
        array = as_numbers(poses)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"the plans are no one array of numbers ({error})",
            f"plans of one sampling in one call; {_SHAPE}",
        ) from error
    if array.ndim != 4 or array.shape[3] != 3 or 0 in array.shape[1:]:
        raise DataError(f"plans have shape {list(array.shape)}", _SHAPE)
    if len(array) != n_scenes:
        raise DataError(f"{n_scenes} tokens but plans for {len(array)} scenes", _SHAPE)
    return array


def like(values: NDArray[Any], poses: Any) -> Any:
    """Numbers as what the plans were: a tensor on their device, or an array; text stays one."""
    if not is_tensor(poses) or values.dtype.kind not in "biuf":
        return values
    return poses.new_tensor(values, dtype=sys.modules["torch"].float64)


def is_tensor(value: Any) -> bool:
    """Whether this is a tensor of a torch that somebody has imported."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)
