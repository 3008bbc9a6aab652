"""Are weights whole, finite, and those of their configuration?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reworld_agent.core.errors import DataError, WeightsError
from reworld_agent.core.findings import FAIL, OK, WARN, Finding
from reworld_agent.core.records import read_record
from reworld_agent.core.records.file_hashes import file_sha256

_SHOWN = 3


def check_weights(folder: Path | None = None) -> Iterator[Finding]:
    """A folder of `save_pretrained`, tensor by tensor: never the whole model in memory.

    Args:
        folder: None takes the shipped tiny weights.

    Raises:
        WeightsError: no configuration is there, or it cannot be read.
    """
    import torch

    from reworld_agent.model import ReWorldModel
    from reworld_agent.model.shipped import shipped_folder
    from reworld_agent.model.weights_folder import (
        PART_FILE,
        TRAIN_HINT,
        read_training,
        trusted_config,
        verify,
    )

    name = "shipped weights" if folder is None else "weights"
    folder = folder or shipped_folder("tiny")
    if folder.is_file():
        raise WeightsError(
            f"{folder} is a file", "name a folder with config.json, such as OUTPUT_DIR/weights"
        )
    config = trusted_config(folder)
    with torch.device("meta"):
        model = ReWorldModel(config)
    faults, files = [], []
    other: list[Finding] = []
    for part, module in model.parts().items():
        files.append(folder / part / PART_FILE)
        faults += _faults(files[-1], module.state_dict())
        other += _config_differs(name, folder / part / "config.json", module)
    files.append(folder / "normalisation.safetensors")
    faults += _faults(files[-1], model.normaliser.state_dict())
    yield from other
    if faults:
        yield from (Finding(name, FAIL, fault, TRAIN_HINT) for fault in faults)
        return
    try:
        if not other:  # else what is wrong is known already
            verify(folder)
    except WeightsError as error:
        yield Finding(name, FAIL, error.message, error.hint or "")
        return
    count = sum(p.numel() for p in model.parameters())
    stages = ", ".join(read_training(folder).stages) or "unknown"
    hashes = ", ".join(f"{file.relative_to(folder)} {file_sha256(file)[:12]}" for file in files)
    what = f"{config.name}, {count:,} parameters, passed stages: {stages}"
    yield Finding(name, OK, f"{what}; sha256 {hashes}")


def _faults(file: Path, wanted: dict[str, Any]) -> list[str]:
    """What is wrong with one file beside the tensors that the configuration asks for."""
    import torch
    from safetensors import SafetensorError, safe_open

    from reworld_agent.model.weights_folder import key_difference

    if not file.is_file():
        return [f"{file} is missing"]
    found: dict[str, torch.Tensor] = {}
    broken = []
    try:
        with safe_open(file, framework="pt") as archive:
            for key in archive.keys():  # noqa: SIM118 - it is no dictionary
                tensor = archive.get_tensor(key)
                found[key] = torch.empty(tensor.shape, device="meta")
                if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                    broken.append(key)
    except (SafetensorError, OSError) as error:
        return [f"{file} is no whole safetensors file ({error})"]
    faults = [f"{file}: {line}" for line in key_difference(wanted, found)]
    if broken:
        rest = f" and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
        faults.append(f"{file}: NaN or infinite values in {', '.join(broken[:_SHOWN])}{rest}")
    return faults


def _config_differs(name: str, file: Path, module: Any) -> Iterator[Finding]:
    """A part's own config.json beside what the folder's config.json makes of it."""
    from reworld_agent.core.text import config_difference

    try:
        saved: dict[str, Any] = read_record(file, dict[str, Any], "save the weights again")
    except DataError as error:
        yield Finding(name, WARN, error.message, error.hint or "")
        return
    built = json.loads(module.to_json_string())
    shared = [key for key in saved if key in built and not key.startswith("_")]
    lines = config_difference({k: built[k] for k in shared}, {k: saved[k] for k in shared})
    if lines:
        what = f"{file} disagrees with config.json: {'; '.join(lines[:_SHOWN])}"
        yield Finding(name, FAIL, what, "take the folder from where it was saved, whole")
