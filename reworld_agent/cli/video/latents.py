"""`reworld video latents`: the latents of an index, computed once."""

from __future__ import annotations

from collections.abc import Sequence

from reworld_agent.cli.video.model_choice import clip_setting, load_model
from reworld_agent.clips.index import read_index
from reworld_agent.core.arguments import parse
from reworld_agent.core.errors import UsageError
from reworld_agent.core.text import shown
from reworld_agent.training.datasets.latents import LatentCache

USAGE = (
    "reworld video latents index=FILE output=DIR [checkpoint=DIR] [size=HxW] [history=N] "
    "[future=N] [split=NAME] [forecast=true]"
)
HELP = f"""{USAGE}

Encode every clip of an index and keep the latents, one safetensors file a clip. Says first how
much disk they take. Can be stopped and started again, and run by several processes at once.

  index=FILE      of `reworld video index`; root=DIR where the data have moved
  checkpoint=DIR  whose codec encodes (the shipped tiny weights)
  size=HxW, fps=N, history=N, future=N   where they shall differ from the checkpoint's
  split=NAME      only the clips of train, val or test
  device=NAME     cpu or cuda (cuda where there is one)
  forecast=true   say the size and stop

The index must have the model's rate: 2 frames a second for the shipped one, 8 for model=paper.

example: reworld video index source=town part=town_train fps=2 frames=12 output=town.parquet
         reworld video latents index=town.parquet split=train output=latents
"""
KNOWN = (
    *("index", "root", "output", "checkpoint", "size", "fps", "history", "future"),
    *("split", "device", "forecast"),
)


def main(arguments: Sequence[str]) -> int:
    """Run the command; 0, or raises ReWorldError."""
    words = parse(arguments, KNOWN, USAGE)
    table, output = words.path("index"), words.path("output")
    if table is None or output is None or words.plain:
        raise UsageError("index= and output= are needed, and no plain words", USAGE)
    model = load_model(words)
    index = read_index(table, words.path("root"))
    if "split" in words.settings:
        index = index.split(words.settings["split"])
    cache = LatentCache(output, model, clip_setting(words, model, model.config.world_clip), index)
    print(f"latents: {cache.forecast()} in {shown(output)}")
    if words.flag("forecast"):
        return 0
    done = cache.fill()
    print(f"{done} clips encoded, {len(cache) - done} were there")
    return 0
