"""Which checks answer what the doctor is asked."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial, update_wrapper
from typing import Any

from reworld_agent.core.errors import ReWorldError
from reworld_agent.core.extras import is_installed
from reworld_agent.core.findings import Check, Finding, run_checks
from reworld_agent.doctor.caches import check_caches
from reworld_agent.doctor.data import check_data
from reworld_agent.doctor.disk import check_disk
from reworld_agent.doctor.gpu import check_gpu
from reworld_agent.doctor.host import check_navsim
from reworld_agent.doctor.numerics import check_linear_algebra
from reworld_agent.doctor.settings import DoctorSettings
from reworld_agent.doctor.start_up import check_start_up
from reworld_agent.doctor.versions import check_extras, check_libraries
from reworld_agent.doctor.weights import check_weights
from reworld_agent.pdm.golden.finding import check_golden

_DATA_SPLIT = "train_test_split.data_split"


def examine(settings: DoctorSettings) -> Iterator[Finding]:
    """Findings, as they come; what a check raises is a finding too."""
    yield from run_checks(choose(settings))


def choose(settings: DoctorSettings) -> Iterator[Check]:
    """The checks of a subject."""
    subject, weights = settings.subject, settings.checkpoint_path
    if subject in ("environment", "all"):
        yield from (check_libraries, check_extras, check_start_up)
        yield from (check_linear_algebra, check_golden, check_disk)
        if is_installed("torch"):  # without it agents do not run, and what they need says nothing
            yield from (check_navsim, check_gpu)
            if weights is None:
                yield check_weights
    if subject == "gpu":
        yield _with(check_gpu, asked=True)
    if subject == "weights" or (subject == "all" and weights is not None):
        yield _with(check_weights, folder=weights)
    if subject in ("data", "all"):
        yield _with(check_data, overrides_of(settings), settings.stage, settings.workers)
    if subject in ("caches", "all"):
        split = settings.data_split or settings.train_test_split
        yield _with(check_caches, settings.cache_dir, split)


def overrides_of(settings: DoctorSettings) -> list[str]:
    """The settings as Hydra takes them.

    A split that is no train_test_split is a folder of logs.
    """
    # the base installation has no Hydra, and the other checks need none
    from reworld_agent.evaluation.compose import compose

    named = {"agent": settings.agent, "train_test_split": settings.train_test_split}
    if settings.train_test_split is not None:
        try:
            compose([f"train_test_split={settings.train_test_split}"])
        except ReWorldError:
            del named["train_test_split"]
            named[_DATA_SPLIT] = settings.train_test_split
    if settings.data_split is not None:
        named[_DATA_SPLIT] = settings.data_split
    given = [f"{key}={value}" for key, value in named.items() if value is not None]
    return [*given, *settings.overrides]


def _with(check: Any, *arguments: Any, **settings: Any) -> Check:
    bound: Check = update_wrapper(partial(check, *arguments, **settings), check)
    return bound
