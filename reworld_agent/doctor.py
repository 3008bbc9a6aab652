"""`reworld doctor`: can a score made here be trusted, and would a run finish?

Each check gives a `Finding`; an `error` makes the exit code non-zero and names the mend. The
golden scene is also scored before every evaluation (`require_golden`).
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata, resources

import numpy as np

from reworld_agent.errors import ReWorldError

GOLDEN_TOLERANCE = 1e-6
CANARY_TOLERANCE = 1e-6
LIBRARIES = ("torch", "diffusers", "numpy", "numba", "scipy", "pandas", "shapely", "hydra-core")
MARKS = {"ok": "ok     ", "warning": "warning", "error": "ERROR  "}


@dataclass(frozen=True)
class Finding:
    """One check: its `level` is `ok`, `warning` or `error`; `mend` says what to do."""

    check: str
    level: str
    detail: str
    mend: str = ""


def golden_deviation() -> float:
    """Largest difference between the golden scene's scores here and as shipped.

    The scene and its scores (one row a candidate) were made by `make golden` from the embedded
    town; the same code is tested against the stock devkit's scores.
    """
    from reworld_agent import pdm

    folder = resources.files("reworld_agent").joinpath("golden")
    expected = json.loads(folder.joinpath("scores.json").read_text(encoding="utf-8"))
    with resources.as_file(folder.joinpath("scene.npz")) as path:
        found = pdm.score(pdm.load(path), np.array(expected["poses"]))
    differences = [np.abs(found[k] - np.array(v)).max() for k, v in expected["scores"].items()]
    return float(np.max(differences))  # NaN stays NaN, and no tolerance admits it


def require_golden() -> None:
    """Raise ReWorldError where the golden scene does not score as it must: no number is safe."""
    finding = check_golden()
    if finding.level == "error":
        raise ReWorldError(f"refusing to score: {finding.detail}", finding.mend)


def check_golden() -> Finding:
    """The golden scene, scored now."""
    deviation = golden_deviation()
    if deviation <= GOLDEN_TOLERANCE:
        return Finding("golden scene", "ok", f"scores as shipped (difference {deviation:.1e})")
    detail = f"the golden scene's scores differ by {deviation:.3g} (at most {GOLDEN_TOLERANCE:g})"
    mend = (
        "reinstall the pinned versions: pip install -c constraints.txt -e . ; then reworld doctor"
    )
    return Finding("golden scene", "error", detail, mend)


def check_linear_algebra() -> Finding:
    """`np.linalg.pinv` on the tracker's own kind of matrix.

    OpenBLAS 0.3.20 (numpy 1.23) returns wrong values here on CPUs with avx512_bf16; the devkit
    computes its velocity profile with it, and its scores go wrong without a word. Our scorer uses
    `solve` and is not affected.
    """
    steps, dt = 40, 0.1
    rows = np.tri(steps, steps - 1, -1) * dt**2
    heading = np.linspace(0.0, 1.2, steps)
    design = np.concatenate([np.full((steps, 1), dt), rows], axis=1)
    stacked = np.concatenate([design * np.cos(heading)[:, None], design * np.sin(heading)[:, None]])
    normal = stacked.T @ stacked + 1e-4 * np.eye(steps)
    deviation = float(np.abs(np.linalg.pinv(normal) @ normal - np.eye(steps)).max())
    if deviation <= CANARY_TOLERANCE:
        return Finding("linear algebra", "ok", f"pinv is right (error {deviation:.1e})")
    detail = f"np.linalg.pinv is wrong on this CPU (error {deviation:.3g}): devkit scores are too"
    mend = "install numpy >= 1.26, and make the devkit's metric caches anew"
    return Finding("linear algebra", "error", detail, mend)


def check_navsim() -> Finding:
    """Which `navsim` an import finds, and from where."""
    from reworld_agent import compat

    found = compat.find_navsim()
    if found.kind == "absent":
        return Finding("navsim", "ok", "not installed: the built-in host is used")
    if found.kind == "devkit":
        return Finding("navsim", "ok", f"devkit v{found.version} at {found.path}")
    level = "warning" if found.kind == "unrelated" else "error"
    mend = "pip uninstall navsim" if found.kind == "unrelated" else compat.INSTALL_HINT
    return Finding("navsim", level, f"{found.kind}, at {found.path}: {found.reason}", mend)


def check_versions() -> Finding:
    """Versions of the libraries that numbers depend on."""
    versions = []
    for name in LIBRARIES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            mend = "pip install -c constraints.txt -e ."
            return Finding("libraries", "error", f"{name} is not installed", mend)
    return Finding("libraries", "ok", f"Python {platform.python_version()}, " + ", ".join(versions))


def check_weights() -> Finding:
    """The shipped weights load."""
    from reworld_agent.config import load_model_config
    from reworld_agent.weights import load_checkpoint

    model = load_checkpoint(None, load_model_config("tiny"))
    count = sum(p.numel() for p in model.parameters())
    return Finding("shipped weights", "ok", f"tiny, {count:,} parameters")


CHECKS: tuple[Callable[[], Finding], ...] = (
    check_versions,
    check_navsim,
    check_linear_algebra,
    check_golden,
    check_weights,
)


def diagnose() -> list[Finding]:
    """Run every check; one that fails in an unforeseen way is an error, not a crash."""
    findings = []
    for check in CHECKS:
        name = check.__name__.removeprefix("check_").replace("_", " ")
        try:
            findings.append(check())
        except ReWorldError as error:
            findings.append(Finding(name, "error", error.message, error.hint or ""))
        except Exception as error:
            findings.append(Finding(name, "error", f"{type(error).__name__}: {error}"))
    return findings


def main(as_json: bool = False) -> int:
    """Print the findings; 0 when none is an error, else 1."""
    findings = diagnose()
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(f"{MARKS[finding.level]}  {finding.check}: {finding.detail}")
            if finding.mend:
                print(f"         next: {finding.mend}")
    return 1 if any(finding.level == "error" for finding in findings) else 0
