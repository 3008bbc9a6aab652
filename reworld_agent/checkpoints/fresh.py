"""Parts that an ancestor's checkpoint does not have, and how each of them starts.

Mid heads start as copies of the output layer, as the authors' release has it; the Action DiT and
the projectors of `recipe=release` from a seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn

from reworld_agent.checkpoints.keys import ACTION, VIDEO
from reworld_agent.checkpoints.match import Match
from reworld_agent.model import ReWorldModel
from reworld_agent.planner.heads.action_dit import ActionDiT
from reworld_agent.planner.layers import ReadoutProjector
from reworld_agent.video.context import ContextTokens
from reworld_agent.video.views import view_embedding

SEED = 42
CONTEXT = "context_embed."


@dataclass(frozen=True)
class Fresh:
    """What starts afresh.

    Attributes:
        planner: the whole Action DiT.
        heads, projectors: by block (from 1).
        context: the tokens of ego state and command.
    """

    planner: bool
    heads: tuple[str, ...]
    projectors: tuple[str, ...]
    context: bool = False

    @classmethod
    def of(cls, match: Match, model: ReWorldModel) -> Fresh:
        """Parts of the model of which the match has no tensor at all."""
        video, action = match.part(VIDEO), match.part(ACTION)
        heads = [b for b in model.video_dit.mid_heads if not _any(video, f"mid_heads.{b}.")]
        projectors = [
            b for b in model.action_dit.projectors if not _any(action, f"projectors.{b}.")
        ]
        context = model.config.video.context_tokens and not _any(video, CONTEXT)
        return cls(not action, tuple(heads), tuple(projectors), context)

    def covers(self, part: str, name: str) -> bool:
        """True for a tensor that no file needs to have."""
        if part == ACTION and self.planner:
            return True
        if part == VIDEO and self.context and name.startswith(CONTEXT):
            return True
        if part == VIDEO and name.startswith("view_embed."):
            return True
        stem, blocks = (
            ("mid_heads", self.heads) if part == VIDEO else ("projectors", self.projectors)
        )
        return name.startswith(tuple(f"{stem}.{block}." for block in blocks))

    def start(self, model: ReWorldModel, dtype: torch.dtype) -> list[str]:
        """Give all of them their first values; lines of the card on them."""
        notes = []
        for block in self.heads:
            model.video_dit.start_head_from_output(block)
        views = view_embedding(model.config.video.views, model.config.video.width)
        if views is not None:
            model.parts()[VIDEO].view_embed = views.to(dtype)
            notes.append(f"- embedding of {model.config.video.views} views: zero, untrained")
        if self.heads:
            notes.append(f"- mid heads {_list(self.heads)}: copies of the output layer, untrained")
        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            if self.context:
                tokens = ContextTokens(model.config.video.caption_channels)
                cast(nn.Module, model.video_dit).context_embed = tokens.to(dtype)
                notes.append(f"- context tokens: from seed {SEED}, untrained")
            if self.planner:
                config = model.config
                model.action_dit = ActionDiT.build(config.planner, config.video)
                nn.Module.to(model.parts()[ACTION], dtype)  # ModelMixin's own `to` warns in vain
                return [*notes, f"- Action DiT: from seed {SEED}, untrained"]
            for block in self.projectors:
                layer = model.action_dit.projectors[block].proj
                fresh = ReadoutProjector(layer.in_features, layer.out_features)
                model.action_dit.projectors[block] = fresh.to(dtype)
        if self.projectors:
            notes.append(f"- projectors {_list(self.projectors)}: from seed {SEED}, untrained")
        return notes


def _any(names: Mapping[str, object], start: str) -> bool:
    return any(name.startswith(start) for name in names)


def _list(blocks: tuple[str, ...]) -> str:
    return ", ".join(blocks)
