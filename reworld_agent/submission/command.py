"""`reworld submit RUN ...` and `reworld submit check=FILE`."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from reworld_agent.core.arguments import FAILED, OK, Words, run_command
from reworld_agent.core.errors import DataError, ReWorldError, UsageError
from reworld_agent.core.findings import FAIL, WARN, Finding, as_text, wants_colours
from reworld_agent.core.text import shown
from reworld_agent.core.vocabulary import LOG_REPLAY
from reworld_agent.submission import expected, reader, writer
from reworld_agent.submission.checks import check
from reworld_agent.submission.contents import (
    FIELDS,
    STAGES,
    Submission,
    check_version,
    field_faults,
)
from reworld_agent.submission.rescore import PROTOCOLS, rescore
from reworld_agent.submission.runs import Run, read_run

HELP = f"""\
reworld submit RUN version=1.1|2.2 output=FILE.pkl team_name=... authors=... [key=value ...]
reworld submit check=FILE.pkl [train_test_split=NAME]

Build the leaderboard's pickle from a run's trajectories.parquet and check it, or check a file that
is there, whoever made it. The devkit need not be installed: its classes are written by name, and a
file is read with an allow-list that runs none of its code.

  RUN                   output folder of `reworld score`, an agent's folder in it, or a parquet file
                        with the columns token and poses
  version=VERSION       1.1: {", ".join(STAGES["1.1"])}
                        2.2: {", ".join(STAGES["2.2"])}
  output=FILE.pkl       written only when every check passes
  {"=, ".join(FIELDS)}=
                        all required by the leaderboards
  second_stage=RUN      version 2.2: where the synthetic scenes' trajectories are, if not in RUN
  train_test_split=NAME the split whose tokens must be there (default: the run's own)
  rescore=false         do not score the logged scenes again

Checked: tokens against the split, shapes, finite numbers, speeds and curvatures, required entries;
then what can be scored here is scored again with the numbers that stand in the file.

example: reworld submit outputs/pdm_score/a version=1.1 output=submission.pkl team_name="Us" \\
             authors="A. One, B. Two" email=one@lab.org institution="Lab" country=Iceland
example: reworld submit check=submission.pkl train_test_split=navtest

exit codes: 0 every check passes; 1 refused, or a check fails; 2 wrong usage.
"""
_KNOWN = ("version", "output", *FIELDS, "second_stage", "train_test_split", "rescore", "check")


def main(arguments: Sequence[str]) -> int:
    """Run the command; its exit code."""
    return run_command(arguments, HELP, _KNOWN, _submit)


def _submit(words: Words) -> int:
    file = words.path("check")
    if (file is not None) == bool(words.plain) or len(words.plain) > 1:
        raise UsageError("name one run, or one file with check=", HELP.partition("\n")[0])
    if file is not None:
        return _check_file(file, words)
    return _build(Path(words.plain[0]), words)


def _check_file(file: Path, words: Words) -> int:
    """Check a file of anyone."""
    show = _Show()
    submission = reader.read(file)
    split = words.settings.get("train_test_split")
    tokens = expected.of_split(split) if split else expected.UNKNOWN
    show.all(check(submission, tokens))
    show.all(_numpy_names(file))
    if words.flag("rescore", True) and tokens.data_split and not show.failed:
        show.all(rescore(submission, tokens.data_split, _parts(file)))
    print(f"{shown(file)}: {'fails' if show.failed else 'passes'}, {_digest(file)}")
    return FAILED if show.failed else OK


def _build(place: Path, words: Words) -> int:
    """Build a file from a run, check it, write it, read it back."""
    version = check_version(words.settings.get("version"))
    output = words.path("output")
    fields = {key: words.settings.get(word, "") for word, key in FIELDS.items()}
    faults = field_faults({key: value or None for key, value in fields.items()})
    if output is None or faults:
        raise UsageError(
            "; ".join(["output= is missing"] * (output is None) + faults), "see --help"
        )
    run = read_run(place)
    submission = Submission(version, fields, _stages(run, version, words.path("second_stage")))
    split = words.settings.get("train_test_split")
    tokens = expected.of_split(split) if split else expected.of_run(run.path)
    show = _Show()
    show.all(check(submission, tokens))
    data_split = tokens.data_split or str(run.provenance.get("split", ""))
    if words.flag("rescore", True) and data_split and not show.failed:
        show.all(rescore(submission, data_split, _parts(output), _table(run, version)))
    if show.failed:
        raise DataError(f"{shown(output)} is not written: a check fails", "fix what fails above")
    writer.write(submission, output)
    _check_written(submission, output)
    size = output.stat().st_size
    print(f"written: {shown(output)}, version {version}, {size:,} bytes, {_digest(output)}")
    return OK


def _stages(run: Run, version: str, second: Path | None) -> dict[str, tuple[dict, ...]]:
    """Plans under the keys of the version."""
    if version == "1.1":
        if second is not None:
            raise UsageError("second_stage= is of version 2.2", "say version=2.2")
        return {STAGES[version][0]: (run.plans,)}
    synthetic = run.synthetic() if second is None else read_run(second).plans
    return dict(zip(STAGES[version], ((run.logged(),), (synthetic,)), strict=True))


def _table(run: Run, version: str) -> pd.DataFrame | None:
    """The run's own scores, where they are of the kind that `rescore` makes.

    Of the version's protocol, of one stage, beside traffic as it was logged.
    """
    path = run.path.parent / "pdm_scores.parquet"
    kind = {"protocol": PROTOCOLS[version].name, "stages": 1, "traffic": LOG_REPLAY}
    found = {"stages": 1, "traffic": LOG_REPLAY, **run.provenance}
    if any(found.get(key) != value for key, value in kind.items()) or not path.is_file():
        return None
    with path.open("rb") as stream:
        return pd.read_parquet(stream)


def _check_written(submission: Submission, output: Path) -> None:
    """Read the file back; raises ReWorldError where it is not what was meant."""
    again = reader.read(output)
    for key, seeds in submission.stages.items():
        for plans, found in zip(seeds, again.stages[key], strict=True):
            same = plans.keys() == found.keys() and all(
                np.array_equal(plan.poses, found[token].poses)
                and plan.interval_s == found[token].interval_s
                for token, plan in plans.items()
            )
            if not same:
                raise ReWorldError(f"{shown(output)}: reads back otherwise", "report this")


def _numpy_names(file: Path) -> Iterable[Finding]:
    """Arrays under a name that the devkit's pinned numpy 1.23 does not know."""
    if b"numpy._core" in file.read_bytes():
        what = "written under numpy 2: numpy 1.23 of the devkit's pinned environment cannot read it"
        yield Finding("numpy", WARN, what, "build it with reworld submit, or under numpy 1")


def _parts(file: Path) -> Path:
    return file.with_name(f".{file.name}.scores")


def _digest(file: Path) -> str:
    return f"sha256 {hashlib.sha256(file.read_bytes()).hexdigest()[:16]}"


class _Show:
    """Prints findings as they come and remembers whether one fails."""

    def __init__(self) -> None:
        self.failed = False
        self._colours = wants_colours(sys.stdout)

    def all(self, findings: Iterable[Finding]) -> None:
        """Print them."""
        for finding in findings:
            print(as_text(finding, self._colours), flush=True)
            self.failed |= finding.status == FAIL
