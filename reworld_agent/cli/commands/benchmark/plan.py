"""`reworld benchmark plan`."""

from __future__ import annotations

from reworld_agent.benchmarks import plan
from reworld_agent.benchmarks.plan.settings import PlanBenchmarkSettings
from reworld_agent.cli.command import OK, Command
from reworld_agent.core.setting_paths import with_ending
from reworld_agent.core.text import shown

COMMAND = Command(
    name="benchmark plan",
    summary="latency of a plan, part by part: steps, early exit, dtype, batch",
    settings=PlanBenchmarkSettings,
    run="reworld_agent.cli.commands.benchmark.plan:run",
    about="""
With random weights, whose values change no time. A plan is: encode (the codec), video (one Video
DiT forward up to the last block that is read), kv (keys and values of its states), steps (the
planner's). Rows with keys_values = each step compute them at every step, as DriveLaW's code does
(10 steps, one scene, all blocks there); the plan is the same. Rows of fewer blocks leave the Video
DiT early: planner.read_blocks, a field of the model that is free at use (agent.model_overrides=).
""",
    examples=(
        "reworld benchmark plan",
        "reworld benchmark plan model=paper device=cuda dtypes=bfloat16 blocks=[7,14,28]",
    ),
    exit_codes="0 measured; 1 refused or failed",
)


def run(settings: PlanBenchmarkSettings) -> int:
    """Print the table."""
    table = plan.benchmark_plan(settings)
    print(table.to_string(index=False, float_format=lambda value: f"{value:.2f}"))
    print(f"written: {shown(with_ending(settings.output, '.csv'))}")
    return OK
