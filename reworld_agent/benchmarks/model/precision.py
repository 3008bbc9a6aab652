"""Which precision a device is timed in where none is asked for."""

from __future__ import annotations

import torch


def computes_bfloat16(device: str) -> bool:
    """Whether a device has instructions for products of bfloat16.

    Where it has none (AVX2 alone, GPUs before Ampere) they are emulated, many times slower than
    in float32: such a time says nothing of the model.
    """
    if device == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is not None and bool(supported())


def chosen_dtype(asked: str | None, device: str) -> torch.dtype:
    """The type that is asked for, or bfloat16 where the device computes it, else float32."""
    if asked is not None:
        return {"bfloat16": torch.bfloat16, "float32": torch.float32}[asked]
    return torch.bfloat16 if computes_bfloat16(device) else torch.float32
