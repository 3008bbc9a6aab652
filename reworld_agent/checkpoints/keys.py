"""Names of one tensor in an ancestor's checkpoint and in ours, in both directions.

The Video DiT of all ancestors has the names of diffusers' LTX transformer, which are ours too.
DriveLaW-Act keeps its planner in the same module, under `action_…`; the authors' ReWorld release
adds `ig_heads.{block}` (mid heads) and `cross_modal_projectors.{block}`. They count blocks from 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

VIDEO, ACTION = "video_dit", "action_dit"
# Parts of the ancestors that ReWorld has no use for: DriveLaW's optional scorer of plans.
LEFT_OUT = ("traj_scorer.", "action_cls_head.")
# One mid head or projector without the number of its block, of early versions of the release.
LEGACY_HEAD = re.compile(r"^ig_(scale_shift_table|proj_out\.(?:weight|bias))$")
LEGACY_PROJECTOR = re.compile(r"^cross_modal_projector\.(.+)$")

# theirs (start of the name) -> ours; whatever follows stays
STARTS = {
    "action_proj_in.": "proj_in.",
    "action_proj_out.": "proj_out.",
    "action_scale_shift_table": "scale_shift_table",
    "action_time_embed.": "time_embed.",
    "action_ego_status_encoder.fc1.": "ego_embed.embed.0.",
    "action_ego_status_encoder.norm.": "ego_embed.embed.2.",
    "action_ego_status_encoder.fc2.": "ego_embed.embed.3.",
    "action_state_film.": "ego_embed.film.",
    "action_blocks.": "blocks.",
}
# inside a block of the planner
INSIDE = {
    ".attn1.": ".attn.",
    ".attn2.": ".cross.",
    ".to_out.0.": ".to_out.",
    ".ff.w12.": ".ff.proj_in.",
    ".ff.w3.": ".ff.proj_out.",
}


@dataclass(frozen=True)
class OurKey:
    """A tensor of ours: its part (`video_dit`, `action_dit`) and its name there."""

    part: str
    name: str


def to_ours(name: str, head: int | None = None, projector: int | None = None) -> OurKey | None:
    """Our name of an ancestor's bare name; None for what is left out.

    Args:
        name: see `tensor_files.bare`.
        head: the block (from 1) of a mid head whose name has no number.
        projector: the block (from 1) of a projector whose name has no number.
    """
    if name.startswith(LEFT_OUT):
        return None
    numbered = re.match(r"^(ig_heads|cross_modal_projectors)\.(\d+)\.(.+)$", name)
    if numbered:
        block, rest = int(numbered[2]) + 1, numbered[3].removeprefix("ig_")
        return _extra(numbered[1] == "ig_heads", block, rest)
    legacy_head, legacy_projector = LEGACY_HEAD.match(name), LEGACY_PROJECTOR.match(name)
    if legacy_head and head is not None:
        return _extra(True, head, legacy_head[1])
    if legacy_projector and projector is not None:
        return _extra(False, projector, legacy_projector[1])
    for theirs, ours in STARTS.items():
        if name.startswith(theirs):
            return OurKey(ACTION, _renamed(ours + name[len(theirs) :], INSIDE))
    return OurKey(VIDEO, name)


def _extra(head: bool, block: int, rest: str) -> OurKey:
    if head:
        return OurKey(VIDEO, f"mid_heads.{block}.{rest.replace('proj_out.', 'proj.')}")
    return OurKey(ACTION, f"projectors.{block}.{rest}")


def _renamed(name: str, pairs: dict[str, str]) -> str:
    for old, new in pairs.items():
        name = name.replace(old, new)
    return name


def to_theirs(key: OurKey) -> str:
    """The ancestor's bare name of a tensor of ours; the inverse of `to_ours`."""
    numbered = re.match(r"^(mid_heads|projectors)\.(\d+)\.(.+)$", key.name)
    if numbered:
        block, rest = int(numbered[2]) - 1, numbered[3]
        if numbered[1] == "projectors":
            return f"cross_modal_projectors.{block}.{rest}"
        return f"ig_heads.{block}.ig_{rest.replace('proj.', 'proj_out.')}"
    if key.part == VIDEO:
        return key.name
    for theirs, ours in STARTS.items():
        if key.name.startswith(ours):
            name = theirs + key.name[len(ours) :]
            inside = {new: old for old, new in INSIDE.items()}
            return _renamed(name, inside) if theirs == "action_blocks." else name
    raise KeyError(key.name)
