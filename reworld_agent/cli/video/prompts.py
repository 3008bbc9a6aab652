"""`reworld video prompts`: the sentences of an index, embedded once."""

from __future__ import annotations

from collections.abc import Sequence

from reworld_agent.cli.video.model_choice import clip_setting, load_model
from reworld_agent.clips.index import read_index
from reworld_agent.core.arguments import parse
from reworld_agent.core.errors import UsageError
from reworld_agent.core.text import shown
from reworld_agent.training.datasets.prompt_samples import clip_sentences
from reworld_agent.video.text import PromptBook, T5Encoder

USAGE = (
    "reworld video prompts index=FILE output=DIR t5=DIR [checkpoint=DIR] [history=N] [future=N] "
    "[split=NAME]"
)
HELP = f"""{USAGE}

Embed what a model is told of every clip of an index (its motion and command as a sentence), one
safetensors file a sentence, for `run_training.py stage=1 clips=FILE prompts=DIR`. What is there
already is not embedded again.

  index=FILE      of `reworld video index`, with poses; root=DIR where the data have moved
  t5=DIR          folder with text_encoder/ and tokenizer/ (LTX-Video's)
  checkpoint=DIR  whose frames the sentence counts (the shipped tiny weights)
  fps=, history=, future=   where they shall differ from the checkpoint's
  split=NAME      only the clips of train, val or test

example: reworld video prompts index=town.parquet split=train t5=LTX-Video-0.9.5 output=prompts
"""
KNOWN = (
    *("index", "root", "output", "t5", "checkpoint", "fps", "history", "future"),
    "split",
)


def main(arguments: Sequence[str]) -> int:
    """Run the command; 0, or raises ReWorldError."""
    words = parse(arguments, KNOWN, USAGE)
    table, output, t5 = words.path("index"), words.path("output"), words.path("t5")
    if table is None or output is None or t5 is None or words.plain:
        raise UsageError("index=, output= and t5= are needed, and no plain words", USAGE)
    model = load_model(words)
    index = read_index(table, words.path("root"))
    if "split" in words.settings:
        index = index.split(words.settings["split"])
    sentences = clip_sentences(index, clip_setting(words, model, model.config.world_clip))
    PromptBook(output, T5Encoder(t5)).prepare(sentences)
    print(f"{len(set(sentences))} sentences of {len(sentences)} clips are in {shown(output)}")
    return 0
