"""`reworld doctor`: which checks run, and how their findings are told."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial, update_wrapper
from typing import Any

from reworld_agent.core.arguments import FAILED, HELP_WORDS, Words, parse, report_error
from reworld_agent.core.arguments import OK as DONE
from reworld_agent.core.errors import ReWorldError, UsageError
from reworld_agent.core.extras import installed
from reworld_agent.core.findings import FAIL, Check, as_text, run_checks, wants_colours
from reworld_agent.doctor.caches import check_caches
from reworld_agent.doctor.data import check_data
from reworld_agent.doctor.disk import check_disk
from reworld_agent.doctor.gpu import check_gpu
from reworld_agent.doctor.host import check_navsim
from reworld_agent.doctor.numerics import check_linear_algebra
from reworld_agent.doctor.versions import check_extras, check_libraries
from reworld_agent.doctor.weights import check_weights
from reworld_agent.pdm.golden import check_golden

USAGE = "reworld doctor [environment|data|caches|weights|gpu|all] [key=value ...] [--json]"
HELP = f"""{USAGE}

May the numbers of this installation be trusted, and would a run finish? Each finding is ok, warn or
fail, and names its fix.

  environment (default)  libraries and versions, linear algebra on this CPU, the golden scene, room
              on the disk; where torch is installed also which navsim is imported and from where,
              GPU, shipped weights
  data        every log, image, point cloud and map that a run would open; what is missing, and how
              many GB there are to fetch
  caches      scene caches: whole, of this version, of the scenes that they say
  weights     a folder of weights: files, hashes, configuration, NaN
  gpu         a GPU that works
  all         all of these

  split=NAME             data, caches: a train_test_split (town_test, navtest), or a folder of
                         logs (mini)
  agent=NAME             data: whose sensors (reworld); other Hydra words are passed on
  stage=1|planner|2|3    data: what this training stage opens, instead of what a score does
  path=FOLDER            weights
  cache_dir=DIR          caches
  --json                 findings as a JSON list of name, status, what, fix

example: reworld doctor
example: reworld doctor data split=navtest agent=reworld
example: reworld doctor data split=navtrain stage=1 --json
example: reworld doctor weights path=outputs/3/weights

exit codes: 0 nothing fails; 1 something does; 2 wrong usage.
"""
SUBJECTS = ("environment", "data", "caches", "weights", "gpu", "all")
_SETTINGS = ("split", "stage", "path", "cache_dir")
_DATA_SPLIT = "train_test_split.data_split"


def main(arguments: Sequence[str] = ()) -> int:
    """Run the checks that the words ask for, print what they find; the exit code."""
    if HELP_WORDS & set(arguments):
        print(HELP)
        return DONE
    as_json = "--json" in arguments
    try:
        checks = choose([word for word in arguments if word != "--json"])
    except ReWorldError as error:
        return report_error(error)
    findings = []
    colours = wants_colours(sys.stdout)
    for finding in run_checks(checks):
        findings.append(finding)
        if not as_json:
            print(as_text(finding, colours), flush=True)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    return FAILED if any(finding.status == FAIL for finding in findings) else DONE


def choose(arguments: Sequence[str]) -> list[Check]:
    """The checks that the words ask for.

    Raises:
        UsageError: a word is unknown.
    """
    subjects = [word for word in arguments if "=" not in word]
    unknown = [word for word in subjects if word not in SUBJECTS]
    if unknown or len(subjects) > 1:
        raise UsageError(f"cannot read {' '.join(unknown or subjects)}", USAGE)
    subject = subjects[0] if subjects else "environment"
    # Words that are none of ours are Hydra's, and only the check of data has use for them.
    given = [word for word in arguments if "=" in word]
    own = [word for word in given if word.partition("=")[0] in _SETTINGS]
    words = parse(own if subject in ("data", "all") else given, _SETTINGS, USAGE)
    overrides = [word for word in given if word not in own]
    return list(_checks(subject, words, overrides))


def _checks(subject: str, words: Words, overrides: list[str]) -> Iterator[Check]:
    if subject in ("environment", "all"):
        yield from (check_libraries, check_extras, check_linear_algebra, check_golden, check_disk)
        if installed("torch"):  # without it agents do not run, and what they need says nothing
            yield from (check_navsim, check_gpu)
            if words.path("path") is None:
                yield check_weights
    if subject == "gpu":
        yield _with(check_gpu, asked=True)
    if subject == "weights" or (subject == "all" and words.path("path") is not None):
        yield _with(check_weights, folder=words.path("path"))
    if subject in ("data", "all"):
        stage = words.settings.get("stage")
        yield _with(check_data, [*_split_words(words), *overrides], stage)
    if subject in ("caches", "all"):
        yield _with(check_caches, words.path("cache_dir"), words.settings.get("split"))


def _with(check: Any, *arguments: Any, **settings: Any) -> Check:
    bound: Check = update_wrapper(partial(check, *arguments, **settings), check)
    return bound


def _split_words(words: Words) -> list[str]:
    """`split=` names a train_test_split where there is one, else a folder of logs."""
    from reworld_agent.doctor.data import compose

    split = words.settings.get("split")
    if split is None:
        return []
    try:
        compose([f"train_test_split={split}"])
    except ReWorldError:
        return [f"{_DATA_SPLIT}={split}"]
    return [f"train_test_split={split}"]
