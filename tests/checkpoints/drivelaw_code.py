"""DriveLaW's own modules and functions, from a checkout of it that is not ours to keep.

Their packages import what is not needed here (timm, einops, accelerate ...): modules are imported
beside small stand-ins, and functions are taken out of their files one by one.
"""

from __future__ import annotations

import ast
import importlib
import random
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.checkpoints import ancestors

ACT = "DriveLaW-Act/navsim/agents/videodrive"
TRAINER = f"{ACT}/run_training_videodrive.py"
PIPELINE = f"{ACT}/video_models/pipeline/pipeline_ltx_condition.py"
PACKAGE = "navsim.agents.videodrive.video_models"


class Mlp(nn.Module):
    """timm's MLP, which their ego encoder uses: fc1, GELU, norm, fc2."""

    def __init__(
        self, in_features: int, hidden_features: int, out_features: int, norm_layer: Any
    ) -> None:
        super().__init__()
        self.fc1 = nn.Linear(in_features, hidden_features)
        self.norm = norm_layer(hidden_features)
        self.fc2 = nn.Linear(hidden_features, out_features)

    def forward(self, x: Tensor) -> Tensor:
        """[B, in] to [B, out]."""
        return self.fc2(self.norm(nn.functional.gelu(self.fc1(x))))


@contextmanager
def _stand_ins(checkout: Path) -> Iterator[None]:
    before = dict(sys.modules)
    folder, name = checkout / "DriveLaW-Act", ""
    for part in PACKAGE.split("."):
        folder, name = folder / part, f"{name}.{part}".strip(".")
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    timm: Any = types.ModuleType("timm.models.layers")
    timm.Mlp = Mlp
    einops: Any = types.ModuleType("einops")
    einops.rearrange = None
    stubs = {"timm": types.ModuleType("timm"), "timm.models": types.ModuleType("timm.models")}
    sys.modules.update({**stubs, "timm.models.layers": timm, "einops": einops})
    try:
        yield
    finally:
        for key in set(sys.modules) - set(before):
            if key.startswith(("navsim", "timm", "einops")):
                del sys.modules[key]
        sys.modules.update(before)


def transformer(checkout: Path) -> Any:
    """Their transformer with the planner: small, of random weights."""
    with _stand_ins(checkout):
        code = importlib.import_module(f"{PACKAGE}.ltx_models.transformer_ltx")
    torch.manual_seed(0)
    model = code.LTXVideoTransformer3DModel(
        **ancestors.STOCK,
        action_expert=True,
        action_num_attention_heads=ancestors.PLAN_HEADS,
        action_attention_head_dim=ancestors.PLAN_HEAD_DIM,
    )
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    return model.eval()


def functions(checkout: Path, file: str, *names: str) -> dict[str, Any]:
    """Functions, classes and methods (`Class.method`) of one of their files, by name."""
    tree = ast.parse((checkout / file).read_text(encoding="utf-8"))
    found: dict[str, ast.stmt] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            inside = [n for n in node.body if isinstance(n, ast.FunctionDef)]
            found |= {f"{node.name}.{method.name}": method for method in inside}
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found[node.name] = node
    known: dict[str, Any] = {
        "torch": torch,
        "np": np,
        "F": F,
        "random": random,
        "Tensor": Tensor,
        "NAV_CMDS": ["turn left", "go straight", "turn right"],
        "rearrange": _rearrange,
    }
    for name in names:
        future = ast.parse("from __future__ import annotations").body
        code = ast.Module(body=[*future, found[name]], type_ignores=[])
        exec(compile(code, file, "exec"), known)
    return {name: known[name.rpartition(".")[2]] for name in names}


def _rearrange(x: Tensor, pattern: str) -> Tensor:
    """The one of einops' patterns that their `get_latents` has."""
    assert pattern == "b c m h w -> (b m) c h w"
    return x.transpose(1, 2).flatten(0, 1)
