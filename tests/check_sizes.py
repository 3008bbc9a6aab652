"""Size limits of the house: `python -m tests.check_sizes` (part of `make check`)."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

FILE_MEDIAN, FILE_MAX = 150, 500
FUNCTION_MEDIAN, FUNCTION_MAX = 12, 80
FOLDER_MAX = 20  # modules of a package folder
PACKAGES = ("reworld_agent", "hydra_plugins", "navsim_configs", "train", "eval")


def function_sizes(path: Path) -> list[tuple[str, int]]:
    """Name and length in lines of every function of a file."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    functions = [n for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [
        (f"{path}:{n.lineno} {n.name}", (n.end_lineno or n.lineno) - n.lineno + 1)
        for n in functions
    ]


def main() -> int:
    """Print what is over the limits; 0 when nothing is."""
    listing = subprocess.run(
        ["git", "ls-files", "*.py"], capture_output=True, text=True, check=True
    )
    paths = [Path(name) for name in listing.stdout.split() if Path(name).exists()]
    ours = [path for path in paths if path.parts[0] in PACKAGES]
    lines = {str(path): path.read_text(encoding="utf-8").count("\n") for path in paths}
    functions = [item for path in paths for item in function_sizes(path)]
    faults = [
        f"{name}: {size} lines (at most {FILE_MAX})"
        for name, size in lines.items()
        if size > FILE_MAX
    ]
    faults += [
        f"{name}: {size} lines (at most {FUNCTION_MAX})"
        for name, size in functions
        if size > FUNCTION_MAX
    ]
    folders = Counter(str(path.parent) for path in ours)
    faults += [
        f"{name}: {count} files (at most {FOLDER_MAX})"
        for name, count in folders.items()
        if count > FOLDER_MAX
    ]
    file_median = statistics.median(lines[str(path)] for path in ours)
    function_median = statistics.median(size for path in ours for _, size in function_sizes(path))
    if file_median > FILE_MEDIAN:
        faults.append(f"median file {file_median} lines (at most {FILE_MEDIAN})")
    if function_median > FUNCTION_MEDIAN:
        faults.append(f"median function {function_median} lines (at most {FUNCTION_MEDIAN})")
    print(
        f"sizes: {len(ours)} files, median {file_median:g}; functions, median {function_median:g}"
    )
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
