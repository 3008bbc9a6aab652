"""Which tensor of which file fills which tensor of ours; and where it does not, exactly why.

Shapes tell depth and width of a checkpoint; its config.json, where there is one, its heads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reworld_agent.checkpoints.keys import ACTION, VIDEO, OurKey, to_ours
from reworld_agent.checkpoints.source import Source
from reworld_agent.config import ModelConfig
from reworld_agent.core.errors import WeightsError
from reworld_agent.model.tensor_files import bare
from reworld_agent.model.weights_folder import key_lines

Origin = tuple[Source, str]


@dataclass
class Match:
    """Tensors found for each part.

    Attributes:
        found: by our key, the source and the name in its files.
        left_out: names in the files that ReWorld has no use for.
    """

    found: dict[OurKey, Origin] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def part(self, part: str) -> dict[str, Origin]:
        """What was found of one part, by our name."""
        return {key.name: origin for key, origin in self.found.items() if key.part == part}


def match_keys(source: Source, config: ModelConfig) -> Match:
    """Our key of every tensor of a source."""
    head = next(iter(config.video.mid_blocks), None)
    projector = next(iter(config.planner.projected_blocks), None)
    match = Match()
    for name in source:
        ours = to_ours(bare(name), head, projector)
        if ours is None:
            match.left_out.append(name)
        else:
            match.found[ours] = (source, name)
    return match


def check_size(source: Source, match: Match, config: ModelConfig) -> None:
    """Raise WeightsError where depth, width, heads or channels are not those of the config."""
    video, planner = config.video, config.planner
    found = {
        "blocks": _depth(match.part(VIDEO), "transformer_blocks"),
        "width": _rows(match, OurKey(VIDEO, "proj_in.bias")),
        "latent channels": _rows(match, OurKey(VIDEO, "proj_out.bias")),
        "planner blocks": _depth(match.part(ACTION), "blocks"),
        "planner width": _rows(match, OurKey(ACTION, "proj_in.bias")),
        "heads": source.config.get("num_attention_heads"),
        "head width": source.config.get("attention_head_dim"),
        "planner heads": source.config.get("action_num_attention_heads"),
        "caption channels": source.config.get("caption_channels"),
    }
    wanted = {
        "blocks": video.num_layers,
        "width": video.width,
        "latent channels": config.codec.latent_channels,
        "planner blocks": video.num_layers,
        "planner width": planner.width,
        "heads": video.num_heads,
        "head width": video.head_dim,
        "planner heads": planner.num_heads,
        "caption channels": video.caption_channels,
    }
    wrong = [
        f"{name}: {value} there, {wanted[name]} in the config"
        for name, value in found.items()
        if value is not None and value != wanted[name]
    ]
    if wrong:
        raise WeightsError(
            f"{source.path} is not of the size of model={config.name}: " + "; ".join(wrong),
            "ReWorld builds on the 2B model, LTX-Video 0.9.5",
        )


def check_config(source: Source, wanted: Mapping[str, Any], fields: Sequence[str]) -> None:
    """Raise WeightsError where fields of the source's config.json are not those wanted."""
    wrong = [
        f"{key}: {source.config[key]} there, {wanted[key]} here"
        for key in fields
        if key in source.config and _plain(source.config[key]) != _plain(wanted[key])
    ]
    if wrong:
        raise WeightsError(
            f"{source.path}/config.json is of another architecture: " + "; ".join(wrong),
            "take the diffusers folder of LTX-Video 0.9.5",
        )


def differences(
    part: str, wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, Origin]
) -> list[str]:
    """Lines on what is missing, unexpected or of another shape in a part."""
    shapes = {name: source.shapes[theirs] for name, (source, theirs) in found.items()}
    origins = {name: source.in_file(theirs) for name, (source, theirs) in found.items()}
    spelled = {name: f"{name} ({own})" for name, own in origins.items() if name != own}
    return [f"{part}: {line}" for line in key_lines(wanted, shapes, spelled)]


def _depth(names: Mapping[str, Any], stem: str) -> int | None:
    numbers = [int(m[1]) for name in names if (m := re.match(rf"{stem}\.(\d+)\.", name))]
    return max(numbers) + 1 if numbers else None


def _rows(match: Match, key: OurKey) -> int | None:
    origin = match.found.get(key)
    return None if origin is None else origin[0].shapes[origin[1]][0]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
