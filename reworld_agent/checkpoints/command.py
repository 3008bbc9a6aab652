"""The command of the adapters: from an ancestor's checkpoint to a folder of ours."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from reworld_agent.checkpoints.convert import (
    ANCESTORS,
    TRUNKS,
    Converted,
    Request,
    convert_checkpoint,
)
from reworld_agent.config import RECIPES, ModelConfig, load_model_config
from reworld_agent.core.arguments import Words, run_command
from reworld_agent.core.atomic import partial_path
from reworld_agent.core.errors import UsageError, WeightsError
from reworld_agent.video.prompts import PLANNER_PROMPT
from reworld_agent.video.text import T5Encoder

HELP = """reworld convert from=ltx|drivelaw|reworld source=PATH output=DIR

Turns an ancestor's checkpoint into a weights folder of ReWorld (checkpoint_path=, init_from=).

  source=PATH    its Video DiT: a diffusers folder, or a .safetensors (or torch.save) file
  act=PATH       the checkpoint with the planner (DriveLaW-Act, ReWorld stages 2 and 3), where
                 source= has none
  vae=PATH       diffusers folder of LTX-Video 0.9.5, for its VAE, where source= has no vae/
  t5=PATH        the same for text_encoder/ and tokenizer/: embeds the planner's sentence once
  trunk=act      whose Video DiT is taken where both files have one: act (the planner was trained
                 on it) or source (trained to generate)
  recipe=        paper or release; by default release for from=reworld, else paper
  stage=         from=reworld: the stage that act= has passed, 2 or 3 (default 3)

example:
  reworld convert from=drivelaw source=drivelaw/video.safetensors \\
      act=drivelaw/act vae=LTX-Video-0.9.5 t5=LTX-Video-0.9.5 output=weights/drivelaw

exit codes: 0 written; 1 keys are missing, unexpected or of other shapes (all are listed); 2 wrong
usage.
"""
KNOWN = ("from", "source", "act", "vae", "t5", "trunk", "recipe", "stage", "output")
# Stages that a converted checkpoint counts as having passed, without and with a planner.
PASSED = {
    "ltx": (["statistics"], ["statistics"]),
    "drivelaw": (["statistics", "1"], ["statistics", "1", "planner"]),
    "reworld": (["statistics", "1"], ["statistics", "1", "planner", "2", "3"]),
}


def main(words: Sequence[str]) -> int:
    """Convert as the words say; the exit code."""
    return run_command(words, HELP, KNOWN, _convert)


def _convert(words: Words) -> int:
    ancestor = words.choice("from", ANCESTORS)
    source, output = words.path("source"), words.path("output")
    if ancestor is None or source is None or output is None:
        raise UsageError("from=, source= and output= are needed", HELP.partition("\n")[0])
    if words.plain:
        raise UsageError(f"cannot read {words.plain[0]}", HELP.partition("\n")[0])
    if output.exists():
        raise WeightsError(f"{output} exists", "name another output=, or delete it first")
    recipe = words.choice("recipe", RECIPES) or ("release" if ancestor == "reworld" else "paper")
    request = Request(
        ancestor,
        source,
        words.path("act"),
        words.path("vae"),
        words.choice("trunk", TRUNKS) or "act",
    )
    t5 = words.path("t5")
    stage = words.choice("stage", ("2", "3")) or "3"
    convert_to(request, load_model_config("paper", recipe), output, t5, stage)
    print(f"wrote {output}")
    return 0


def convert_to(
    request: Request,
    config: ModelConfig,
    output: Path,
    t5: Path | None = None,
    stage: str = "3",
    progress: bool = True,
) -> Converted:
    """Convert and write the folder, in one step at the end; see `convert` for what it raises."""
    converted = convert_checkpoint(request, config, progress)
    model = converted.model
    model.history = list(PASSED[request.ancestor][converted.planner])
    if converted.planner and request.ancestor == "reworld" and stage == "2":
        model.history.remove("3")
    if t5 is not None:
        tokens = T5Encoder(t5).encode(PLANNER_PROMPT)
        model.planning_prompt = tokens[None].to(model.video_dit.dtype)
        converted.notes.append(f"- planner's sentence: {tokens.size(0)} tokens of T5, embedded")
    elif converted.planner:
        converted.notes.append(
            "- planner's sentence: none (no t5= was given), though it was trained on one"
        )
    partial = partial_path(output)
    try:
        model.save_pretrained(partial, converted.notes)
        partial.replace(output)
    except OSError as error:
        raise WeightsError(f"{output} could not be written: {error}", "free disk space") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    print("\n".join(converted.notes))
    return converted
