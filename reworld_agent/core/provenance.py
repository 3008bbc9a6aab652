"""Where a number comes from: written into every result table."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import reworld_agent


def provenance(
    agent_name: str, agent: Any, data_split: str, tokens: int, protocol: str
) -> dict[str, Any]:
    """Protocol, code, agent, weights, data and numerics of a result."""
    return {
        "protocol": protocol,
        "code_version": code_version(),
        "agent": agent_name,
        "weights_sha256": weights_hash(agent),
        "split": data_split,
        "tokens": tokens,
        "numpy": np.__version__,
        "blas": blas_name(),
    }


@lru_cache(maxsize=1)
def code_version() -> str:
    """Version of the package; from a checkout also its commit, with `dirty` where changed."""
    folder = Path(reworld_agent.__file__).parent.parent
    if not (folder / ".git").exists():
        return reworld_agent.__version__
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty=.dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return reworld_agent.__version__
    return f"{reworld_agent.__version__}+{done.stdout.strip()}"


def weights_hash(agent: Any) -> str:
    """SHA-256 over names, dtypes and bytes of all tensors; "" for an agent without weights."""
    torch = sys.modules.get("torch")  # who has tensors has imported it
    if torch is None or not isinstance(agent, torch.nn.Module):
        return ""
    # the devkit's constant_velocity_agent never calls Module.__init__, and has no state_dict then
    state = agent.state_dict() if "_parameters" in vars(agent) else {}
    if not state:
        return ""
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def blas_name() -> str:
    """Name and version of the BLAS that numpy was built with."""
    try:
        config: Any = np.show_config(mode="dicts")
        blas = config["Build Dependencies"]["blas"]
        return f"{blas['name']} {blas['version']}"
    except (KeyError, TypeError):
        return "unknown"
