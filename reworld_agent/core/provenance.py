"""Where a number comes from: written into every result table."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
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
        **gate_of(agent),
        "split": data_split,
        "tokens": tokens,
        "numpy": np.__version__,
        "blas": blas_name(),
    }


def gate_of(agent: Any) -> dict[str, str]:
    """`gate`: the verdict of `reworld video gate` on a video model; nothing for other agents."""
    verdict = getattr(agent, "gate", None)
    return {"gate": verdict} if isinstance(verdict, str) else {}


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


@lru_cache(maxsize=1)
def code_hash() -> str:
    """SHA-256 over the package's modules and their paths in it."""
    folder, digest = Path(reworld_agent.__file__).parent, hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(f"{file.relative_to(folder)}|".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def weights_hash(agent: Any) -> str:
    """SHA-256 over names, dtypes and bytes of all tensors; "" for an agent without weights.

    Tensors count wherever an agent keeps them: as a module, or in modules among its attributes
    (in a list, tuple or dict of them too).
    """
    torch = sys.modules.get("torch")  # who has tensors has imported it
    if torch is None:
        return ""
    state = dict(_tensors(agent, torch))
    if not state:
        return ""
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        flat = _dense(tensor.detach()).cpu().contiguous().reshape(-1)
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _tensors(agent: Any, torch: Any) -> Iterator[tuple[str, Any]]:
    """Named tensors; what else a state_dict holds (`get_extra_state`) is no weight."""
    if not isinstance(agent, torch.nn.Module) or "_parameters" not in vars(agent):
        # the devkit's constant_velocity_agent never calls Module.__init__: it has no state_dict
        for name, module in _modules(getattr(agent, "__dict__", {}), torch):
            yield from ((f"{name}.{key}", value) for key, value in _tensors(module, torch))
        return
    for name, value in agent.state_dict().items():
        # of a layer without a size yet, or on the meta device, there are no bytes
        known = isinstance(value, torch.Tensor) and not value.is_meta
        if known and not torch.nn.parameter.is_lazy(value):
            yield name, value


def _modules(held: dict[str, Any], torch: Any) -> Iterator[tuple[str, Any]]:
    """Modules among attributes, by name."""
    for name, value in held.items():
        if isinstance(value, torch.nn.Module):
            yield name, value
        elif isinstance(value, dict | list | tuple):
            listed = value.items() if isinstance(value, dict) else enumerate(value)
            yield from ((f"{name}.{k}", v) for k, v in listed if isinstance(v, torch.nn.Module))


def _dense(tensor: Any) -> Any:
    """A tensor whose bytes are all that it holds, where a layer is sparse or quantised."""
    if tensor.is_quantized:
        return tensor.dequantize()
    return tensor if str(tensor.layout) == "torch.strided" else tensor.to_dense()


def blas_name() -> str:
    """Name and version of the BLAS that numpy was built with."""
    try:
        config: Any = np.show_config(mode="dicts")
        blas = config["Build Dependencies"]["blas"]
        return f"{blas['name']} {blas['version']}"
    except (KeyError, TypeError):
        return "unknown"
