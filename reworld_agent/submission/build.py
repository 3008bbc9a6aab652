"""A submission: built from a run and checked, or checked as it is there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from reworld_agent.core.errors import DataError, ReWorldError
from reworld_agent.core.findings import FAIL, WARN, Finding
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.result_tables import read_frame
from reworld_agent.core.text import shown
from reworld_agent.core.vocabulary import LOG_REPLAY
from reworld_agent.submission import expected, reader, writer
from reworld_agent.submission.checks import check
from reworld_agent.submission.contents import Submission
from reworld_agent.submission.fields import STAGES
from reworld_agent.submission.rescore import PROTOCOLS, rescore
from reworld_agent.submission.runs import Run, read_run
from reworld_agent.submission.settings import SubmitSettings

Show = Callable[[Finding], object]


@dataclass
class Verdict:
    """What was found of a file.

    Attributes:
        file: the submission.
        version: of the leaderboard.
        findings: of all checks.
    """

    file: Path
    version: str
    findings: list[Finding] = field(default_factory=list)

    @property
    def passes(self) -> bool:
        """No check fails."""
        return all(finding.status != FAIL for finding in self.findings)

    @property
    def digest(self) -> str:
        """The beginning of the file's SHA-256, to compare with what was uploaded."""
        return f"sha256 {hashlib.sha256(self.file.read_bytes()).hexdigest()[:16]}"

    def note(self, findings: Iterable[Finding], show: Show) -> None:
        """Keep findings, and show each as it comes."""
        for finding in findings:
            self.findings.append(finding)
            show(finding)


@one_writer
def submit(settings: SubmitSettings, show: Show = lambda finding: None) -> Verdict:
    """Build the leaderboard's file from a run and check it, or check a file that is there.

    Args:
        settings: see there.
        show: called with each finding as it comes.

    Raises:
        DataError: the run or the file cannot be read; a check of a run fails, and no file is
            written.
        ConfigError: the split is not known.
    """
    if settings.checked_file is not None:
        return _check_file(settings.checked_file, settings, show)
    assert settings.run is not None, "checked"
    return _build(settings.run, settings, show)


def _check_file(file: Path, settings: SubmitSettings, show: Show) -> Verdict:
    """Check a file of anyone."""
    submission = reader.read(file)
    split = settings.train_test_split
    tokens = expected.of_split(split) if split else expected.UNKNOWN
    verdict = Verdict(file, submission.version)
    verdict.note(check(submission, tokens), show)
    verdict.note(_numpy_names(file), show)
    if settings.rescore and tokens.data_split and verdict.passes:
        verdict.note(rescore(submission, tokens.data_split, shards_beside(file)), show)
    return verdict


def _build(place: Path, settings: SubmitSettings, show: Show) -> Verdict:
    """Build a file from a run, check it, write it, read it back."""
    version, output, split = settings.version, settings.output, settings.train_test_split
    assert version is not None and output is not None, "checked"
    tokens = expected.of_split(split) if split else None
    run = read_run(place)
    submission = Submission(version, settings.fields, _stages(run, version, settings.second_stage))
    tokens = tokens or expected.of_run(run.path)
    verdict = Verdict(output, version)
    verdict.note(check(submission, tokens), show)
    data_split = tokens.data_split or str(run.provenance.get("split", ""))
    if settings.rescore and data_split and verdict.passes:
        table = _table(run, version)
        verdict.note(rescore(submission, data_split, shards_beside(output), table), show)
    if not verdict.passes:
        raise DataError(f"{shown(output)} is not written: a check fails", "fix what fails above")
    writer.write(submission, output)
    _check_written(submission, output)
    return verdict


def _stages(run: Run, version: str, second: Path | None) -> dict[str, tuple[dict, ...]]:
    """Plans under the keys of the version."""
    if version == "1.1":
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
    return read_frame(path)


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


def shards_beside(file: Path) -> Path:
    """Where scores that are finished are kept while a file is checked."""
    return file.with_name(f".{file.name}.scores")
