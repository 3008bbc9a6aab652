"""DriveLaW's own modules and ours on the same random weights.

Skips unless DRIVELAW_CHECKOUT names a checkout of github.com/xiaomi-research/drivelaw.
"""

from __future__ import annotations

import importlib
import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from reworld_agent.checkpoints.convert import Request, convert_checkpoint
from reworld_agent.video.conditioning import Grid, video_coords
from tests.checkpoints import ancestors

CHECKOUT = os.environ.get("DRIVELAW_CHECKOUT", "")
pytestmark = pytest.mark.skipif(not CHECKOUT, reason="DRIVELAW_CHECKOUT is not set")
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

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, in] to [B, out]."""
        return self.fc2(self.norm(nn.functional.gelu(self.fc1(x))))


@pytest.fixture
def their_model(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Their transformer with the planner, random weights, small."""
    folder, name = Path(CHECKOUT) / "DriveLaW-Act", ""
    for part in PACKAGE.split("."):
        folder, name = folder / part, f"{name}.{part}".strip(".")
        module = types.ModuleType(name)
        module.__path__ = [str(folder)]
        monkeypatch.setitem(sys.modules, name, module)
    timm: Any = types.ModuleType("timm.models.layers")
    timm.Mlp = Mlp
    einops: Any = types.ModuleType("einops")
    einops.rearrange = None
    stubs = {"timm": types.ModuleType("timm"), "timm.models": types.ModuleType("timm.models")}
    for key, stub in {**stubs, "timm.models.layers": timm, "einops": einops}.items():
        monkeypatch.setitem(sys.modules, key, stub)
    code = importlib.import_module(f"{PACKAGE}.ltx_models.transformer_ltx")
    torch.manual_seed(0)
    model = code.LTXVideoTransformer3DModel(
        **ancestors.STOCK,
        action_expert=True,
        action_num_attention_heads=ancestors.PLAN_HEADS,
        action_attention_head_dim=ancestors.PLAN_HEAD_DIM,
    )
    for loaded in [key for key in sys.modules if key.startswith("navsim")]:
        monkeypatch.delitem(sys.modules, loaded)
    return model.eval()


@torch.no_grad()
def test_states_and_velocity_are_theirs(ltx: Path, tmp_path: Path, their_model: Any) -> None:
    for parameter in their_model.parameters():
        nn.init.normal_(parameter, std=0.2)
    state = their_model.state_dict()
    assert {k: tuple(v.shape) for k, v in state.items() if k.startswith("action_")} == (
        ancestors.planner_shapes()
    )
    file = ancestors.write(state, tmp_path / "act.safetensors")
    config = ancestors.small_config("release")
    ours = convert_checkpoint(Request("drivelaw", file, vae=ltx), config).model
    grid = Grid.of(config.clip, config.codec)
    coords = video_coords(config.clip, config.codec)
    tokens, text = torch.randn(2, grid.tokens, 128), torch.randn(2, 5, ancestors.CAPTION)
    times = grid.token_times(torch.ones(2)) * 1000
    actions, t, ego = torch.randn(2, 8, 3), torch.tensor([0.8583, 0.29]), torch.randn(2, 8)
    theirs = their_model(
        tokens,
        text,
        times,
        torch.ones(2, 5),
        video_coords=coords,
        action_states=actions,
        action_timestep=(t * 1000).round().long()[:, None].expand(-1, 8),
        return_action=True,
        return_video=True,
        store_buffer=True,
        context_dict={"vel": ego[:, :2], "acc": ego[:, 2:4], "cmd_onehot": ego[:, 4:]},
    ).sample
    output = ours.video_dit(
        tokens,
        text,
        times,
        torch.ones(2, 5),
        video_coords=coords,
        tap=range(1, ancestors.DEPTH + 1),
    )
    velocity = ours.action_dit(actions, t, ego, ours.action_dit.cache(output.states)).velocity
    gaps = {
        "states": max(
            float((a - b).abs().max())
            for a, b in zip(theirs["video_states_buffer"], output.states, strict=True)
        ),
        "video velocity": float((theirs["video"] - output.sample).abs().max()),
        "action velocity": float((theirs["action"] - velocity).abs().max()),
    }
    assert max(gaps.values()) < 1e-5, gaps
