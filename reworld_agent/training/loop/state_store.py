"""Video states on disk: what a frozen Video DiT makes of scenes, computed once for many runs.

Arms and seeds of a comparison, a resumed run and the ranks of one all plan from the same states.
`cache_path=` (`$REWORLD_HOME/training`) holds folders `states_*` of `states.npy` float16
[S, blocks, N, D] and `states.json`, the SHA-256 of it. A folder's name is a hash of all that the
states depend on: the bytes of the weights before the planner and of every scene's features, the
model's configuration, the code, torch and the kind of device.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from reworld_agent.core.atomic import only_process, whole_folder
from reworld_agent.core.errors import DataError
from reworld_agent.core.provenance import code_hash, weights_hash
from reworld_agent.core.records import read_record, write_record
from reworld_agent.core.records.file_hashes import file_hashes, file_sha256
from reworld_agent.model import ReWorldModel
from reworld_agent.training.datasets.loading import Samples
from reworld_agent.training.datasets.scene_arrays import Sample, check_space, default_cache
from reworld_agent.training.loop.state_cache import BATCH, fill_states, states_shape

logger = logging.getLogger(__name__)

_STATES, _RECORD = "states.npy", "states.json"
_HINT = "set +agent.overrides.store_states=false, or cache_path= to another disk"


@dataclass(frozen=True)
class _Record:
    """The record of a folder of states: SHA-256 of its array."""

    sha256: str


def stored_states(dataset: Samples, model: ReWorldModel, cache: Path | None = None) -> Tensor:
    """States float16 [S, blocks, N, D] of all scenes, memory-mapped; made where they are not there.

    Of several processes that ask for them at once, one makes them and the others wait.

    Args:
        dataset: whose scenes they are of.
        model: its codec and Video DiT make them.
        cache: folder of the folders of states; None = `$REWORLD_HOME/training`.

    Raises:
        DataError: no space for them, or their bytes have changed.
    """
    folder = (cache or default_cache()) / f"states_{_key(dataset, model)[:16]}"
    with only_process(folder.with_suffix(".lock"), _HINT):
        if not (folder / _RECORD).is_file():
            _write(folder, dataset, model)
    logger.info("video states: %s", folder)
    fix = f"delete {folder}: they are made again"
    sha256 = read_record(folder / _RECORD, _Record, fix).sha256
    if file_hashes(folder, [folder / _STATES]) != [sha256]:
        raise DataError(f"{folder / _STATES} is not as it was made: its bytes have changed", fix)
    # copy-on-write: torch has no read-only tensors, and the file must stay as it is
    return torch.from_numpy(np.load(folder / _STATES, mmap_mode="c"))


def _key(dataset: Samples, model: ReWorldModel) -> str:
    """A hash of all that the states depend on."""
    weights = weights_hash(SimpleNamespace(codec=model.codec, video_dit=model.video_dit))
    place = torch.device(model.device).type
    made_by = [weights, model.config.to_dict(), code_hash(), torch.__version__, place]
    digest = hashlib.sha256(json.dumps(made_by, sort_keys=True).encode())
    if model.planning_prompt is not None:
        digest.update(model.planning_prompt.cpu().float().numpy().tobytes())
    loader: DataLoader[Sample] = DataLoader(dataset, BATCH)  # type: ignore[arg-type]
    for features, _, _ in tqdm(loader, desc="looking for video states", delay=5.0):
        for name in sorted(features):
            digest.update(f"{name}{tuple(features[name].shape)}".encode())
            digest.update(features[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


def _write(folder: Path, dataset: Samples, model: ReWorldModel) -> None:
    """Write the states beside the folder, then move them into place at once."""
    shape = states_shape(dataset, model)
    try:
        check_space(folder.parent, 2 * int(np.prod(shape)), "the video states", _HINT)
        with whole_folder(folder, _RECORD) as draft:
            states = np.lib.format.open_memmap(draft / _STATES, "w+", np.float16, shape)
            fill_states(torch.from_numpy(states), dataset, model)
            states.flush()
            write_record(draft / _RECORD, _Record(file_sha256(draft / _STATES)))
    except OSError as error:
        raise DataError(
            f"the video states could not be written to {folder}: {error}", _HINT
        ) from error
