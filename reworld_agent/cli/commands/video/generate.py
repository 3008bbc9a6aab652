"""`reworld video generate clip=FILE | index=FILE | token=TOKEN`."""

from __future__ import annotations

from reworld_agent import generation
from reworld_agent.cli.command import OK, Command
from reworld_agent.config import CONFIG_NAMES
from reworld_agent.core.text import shown
from reworld_agent.generation.settings import GenerateSettings
from reworld_agent.training.stages import STAGES, load_stage

KEPT = "finished futures are kept; the same command goes on"
COMMAND = Command(
    name="video generate",
    summary="imagine how clips and scenes go on",
    settings=GenerateSettings,
    run="reworld_agent.cli.commands.video.generate:run",
    about="""
Each future is written as mp4, beside what really came: clips/ (history and future), side_by_side/
(mp4 and png), and without loss futures/ and real/, which `reworld video score` takes. What is there
already is not made again; with another other= it is drawn again. An index must have the model's
rate or a higher one, and clips that hold history and future: the shipped model sees 4 frames and
imagines 8, at 2 frames a second. floors=true writes what a future is held against: no model can be
nearer to the real one than codec/, and one that is no nearer than repeated/ shows nothing. plan=
asks a model with actions for what would come if the ego drove that plan.
""",
    examples=(
        "reworld video generate clip=drive.mp4 fps=2",
        "reworld video generate index=town.parquet row=0:4 gamma=1.4 output_dir=outputs/generated",
        "reworld video generate token=d29c3bf01629ee6e data_split=town_test",
        "reworld video generate checkpoint_path=outputs/stage_1/weights token=d29c3bf01629ee6e "
        "plan=outputs/score/trajectories.parquet",
    ),
    next="reworld video score real=DIR/real generated=DIR/futures output=FILE",
    kept=KEPT,
    former={"scene": ""},
)


def run(settings: GenerateSettings) -> int:
    """Say how many futures were written, and what they lack."""
    made = generation.generate_futures(settings)
    stage = _planning_stage(made.model, made.stages)
    if stage:
        print(
            f"note: stage {stage} trained this Video DiT to plan, without a loss on video; for "
            "futures take weights of stage 1"
        )
    if made.without_real:
        frames, fps = made.clip.history_frames + made.clip.future_frames, made.clip.fps
        print(
            f"note: {made.without_real} of {made.written} clips end before their future does, so "
            f"that it cannot be compared with what came: {frames} frames at {fps:g} fps are wanted"
        )
    again = f", {made.drawn} drawn again" if made.drawn else ""
    print(f"{made.written} futures written to {shown(made.output_dir)}{again}")
    return OK


def _planning_stage(model: str, passed: tuple[str, ...]) -> str:
    """The last stage that trained the Video DiT without a video loss; "" where none did."""
    size = model if model in CONFIG_NAMES else "paper"
    stages = [load_stage(name, model=size) for name in passed if name in STAGES]
    later = [stage.name for stage in stages if "video_dit" in stage.trainable and stage.plans]
    return later[-1] if later else ""
