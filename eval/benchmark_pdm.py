"""Benchmark of the scorer, one thread.

`python eval/benchmark_pdm.py data=DIR:SPLIT[,DIR:SPLIT] [scenes=8] [output=pdm_benchmark]
[devkit_python=python with navsim v1.1]`

DIR holds navsim_logs/SPLIT and maps. Writes OUTPUT.csv (table), OUTPUT_growth.csv and
OUTPUT_growth.png; the devkit's column is there if its interpreter can import navsim v1.1.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # run as a file, the checkout is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reworld_agent.benchmarks.scorer import measure as benchmark
from reworld_agent.benchmarks.scorer.picture import draw_growth
from reworld_agent.core.arguments import report_error
from reworld_agent.core.errors import ReWorldError


def main() -> None:
    """Entry point."""
    given = dict(word.partition("=")[::2] for word in sys.argv[1:])
    if not given.get("data") or "--help" in given:
        print(__doc__)
        sys.exit(0 if "--help" in given else 2)
    try:
        sets = [benchmark.DataSet.parse(text) for text in given["data"].split(",")]
        python = given.get("devkit_python", sys.executable)
        ours, curves, devkit = benchmark.run(sets, int(given.get("scenes", "8")), python)
        wall, own = benchmark.first_use_s(sets[0], str(ours["token"].iloc[0]))
    except ReWorldError as error:
        sys.exit(report_error(error))
    table = benchmark.summary(ours, devkit)
    output = given.get("output", "pdm_benchmark")
    table.to_csv(f"{output}.csv", index=False)
    curves.to_csv(f"{output}_growth.csv", index=False)
    draw_growth(curves, Path(f"{output}_growth.png"))
    print(ours[["split", "tracks", "polygons"]].groupby("split", sort=False).median().to_string())
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3g}"))
    print(curves.to_string(index=False, float_format=lambda value: f"{value:.3g}"))
    print(f"first use, compiling everything: {wall:.1f} s, {own:.1f} s of CPU time in its process")


if __name__ == "__main__":
    main()
