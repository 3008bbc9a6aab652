"""`reworld benchmark guidance`."""

from __future__ import annotations

from reworld_agent.benchmarks import toys
from reworld_agent.benchmarks.toys.settings import GuidanceSettings
from reworld_agent.cli.command import OK, Command
from reworld_agent.core.setting_paths import with_ending
from reworld_agent.core.text import shown

COMMAND = Command(
    name="benchmark guidance",
    summary="self-guidance on distributions that are known: a tree in the plane, shapes",
    settings=GuidanceSettings,
    run="reworld_agent.cli.commands.benchmark.guidance:run",
    about="""
A small network with a velocity head in its middle is trained from scratch for every seed, and
sampled by the sampler of the Video DiT at several strengths of self-guidance (Eq. 9), from the same
noise. Measured against the distribution itself: Fréchet distance, outliers, log-likelihood (tree).
Some 20 s a seed.
""",
    examples=(
        "reworld benchmark guidance",
        "reworld benchmark guidance toy=shapes width=128 seeds=5 output=outputs/shapes",
    ),
    exit_codes="0 measured; 1 refused or failed",
)


def run(settings: GuidanceSettings) -> int:
    """Print the mean over seeds at every strength."""
    table = toys.benchmark_guidance(settings)
    means = table.drop(columns=["toy", "seed"]).groupby("gamma", dropna=False).mean()
    print(means.to_string(float_format=lambda value: f"{value:.4f}"))
    print("gamma NaN: as many real samples")
    print(f"written: {shown(with_ending(settings.output, '.csv'))}")
    return OK
