"""Would AlpaSim's challenge take this agent as its driver? The checks of `reworld doctor alpasim`.

The challenge (NVlabs/alpasim, branch e2e_challenge, 2026) runs an image that serves the egodriver
contract where ALPASIM_DRIVER_HOST and ALPASIM_DRIVER_PORT say: a drive in .1 s on average, several
sessions at once, 16 GiB of GPU memory, no network, a disk that is read-only but for 2 GiB of /tmp.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reworld_agent.closed_loop.serving.address import Address
from reworld_agent.closed_loop.serving.run import answering, prepared
from reworld_agent.closed_loop.serving.settings import ServeDriverRun
from reworld_agent.closed_loop.serving.trial_drives import Trial, trial_drives
from reworld_agent.core.configs import plain
from reworld_agent.core.findings import FAIL, OK, WARN, Finding, run_checks
from reworld_agent.core.guards.process_memory import peak_memory
from reworld_agent.doctor.checks import overrides_of
from reworld_agent.doctor.settings import DoctorSettings
from reworld_agent.evaluation.agent_choice import AgentChoice
from reworld_agent.evaluation.compose import compose

DRIVES = 200  # where nobody says how many
DRIVE_MS = 100.0  # on average
MEMORY_GIB = 16.0
_BOTH = 2  # sessions at once
_LOCAL = ("127.", "::1", "localhost", "0.0.0.0")
_FASTER = "agent.device=cuda, fewer planner.steps, agent.dtype=bfloat16: reworld benchmark plan"


def examine_driver(settings: DoctorSettings) -> Iterator[Finding]:
    """What `reworld doctor alpasim` finds; what a check raises is a finding too."""

    def check_driver() -> Iterator[Finding]:
        config = plain(compose(overrides_of(settings)))["agent"]
        agent = AgentChoice(settings.agent or "reworld", config)
        yield from preflight(agent, settings.drives or DRIVES)

    return run_checks([check_driver])


def preflight(agent: AgentChoice, drives: int) -> Iterator[Finding]:
    """Findings about one agent, as they come.

    Args:
        agent: who shall drive.
        drives: plans that are asked for, over TCP and over a Unix socket each.

    Raises:
        ReWorldError: it cannot be built, or wants what no simulator sends.
    """
    contract = f"carla-driver-interface {version('carla-driver-interface')}"
    yield Finding("contract", OK, f"egodriver of AlpaSim by {contract}")
    with _Watch() as watch, tempfile.TemporaryDirectory() as folder:
        before = _written()
        tcp = ServeDriverRun(agent=agent, address="127.0.0.1:0")
        built, wishes = prepared(tcp)
        for settings in (tcp, tcp.replaced(address=f"unix:{folder}/driver.sock")):
            with answering(built, wishes, settings) as bound:
                trial = trial_drives(bound, drives, wishes.wanted)
                yield from _drives(trial, drives)
                if bound.socket_file is None:
                    yield _at_once(bound, wishes.wanted)
        yield _memory()
        yield _network(watch.reached)
        yield _disk(before)


def _drives(trial: Trial, wanted: int) -> Iterator[Finding]:
    """No call fails, no plan stops, and the answer comes in time."""
    kind = "drives over a Unix socket" if trial.address.startswith("unix:") else "drives over TCP"
    done = len(trial.seconds)
    if trial.errors or trial.stops:
        worst, count = (trial.errors or trial.stops).most_common(1)[0]
        what = f"{done} of {wanted} answered, {count} with: {worst}"
        yield Finding(kind, FAIL, what, "fix what it says; reworld serve driver logs each")
    else:
        yield Finding(kind, OK, f"{done} of {wanted} answered, no error, no plan that stops")
    median, mean, p99, most = trial.milliseconds()
    cpu = trial.milliseconds(cpu=True)
    what = (
        f"median {median:.0f} ms, mean {mean:.0f}, p99 {p99:.0f}, most {most:.0f} "
        f"(computed: median {cpu[0]:.0f} ms, p99 {cpu[2]:.0f}; load {os.getloadavg()[0]:.1f})"
    )
    if mean <= DRIVE_MS:
        yield Finding("latency", OK, what)
    elif cpu[1] <= DRIVE_MS:
        fix = "others compute here too: measure again on a free machine"
        yield Finding("latency", WARN, f"{what}: over {DRIVE_MS:.0f} ms on average", fix)
    else:
        yield Finding("latency", FAIL, f"{what}: over {DRIVE_MS:.0f} ms on average", _FASTER)


def _at_once(address: Address, cameras: tuple[str, ...]) -> Finding:
    """Two sessions at once are both answered."""
    trials: list[Trial] = []

    def one() -> None:
        trials.append(trial_drives(address, 10, cameras))

    threads = [threading.Thread(target=one) for _ in range(_BOTH)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bad = sum((trial.errors + trial.stops for trial in trials), start=trials[0].errors)
    if bad:
        return Finding("two sessions at once", FAIL, str(bad.most_common(1)[0][0]), "see the log")
    worst = float(np.max([trial.milliseconds()[1] for trial in trials]))
    return Finding("two sessions at once", OK, f"both answered, mean {worst:.0f} ms")


def _memory() -> Finding:
    """The most that this process, and its GPU, have held."""
    held = peak_memory() / 2**30
    what = f"{held:.1f} GiB of the machine"
    if torch.cuda.is_available():
        held = torch.cuda.max_memory_reserved() / 2**30
        what += f", {held:.1f} GiB of the GPU"
    if held <= MEMORY_GIB:
        return Finding("memory", OK, f"{what} at most")
    fix = "agent.dtype=bfloat16, or a smaller model"
    return Finding("memory", FAIL, f"{what}: over {MEMORY_GIB:.0f} GiB", fix)


def _network(reached: list[str]) -> Finding:
    """Nobody outside is called: the evaluator blocks it."""
    if not reached:
        return Finding("network", OK, "no Python code called another machine")
    hosts = ", ".join(dict.fromkeys(reached))
    fix = "put its files into the image, and name them: agent.checkpoint_path=FOLDER"
    return Finding("network", FAIL, f"the agent called {hosts}", fix)


def _written() -> set[Path]:
    """What lies in the working folder."""
    return set(Path().absolute().iterdir())


def _disk(before: set[Path]) -> Finding:
    """Nothing is written where the evaluator's disk is read-only."""
    new = sorted(path.name for path in _written() - before)
    if not new:
        return Finding("disk", OK, "nothing was written into the working folder")
    return Finding("disk", FAIL, f"written: {', '.join(new[:5])}", "write below /tmp only")


class _Watch:
    """Notes which other machines Python code of this process calls.

    What libraries do on their own in C is not seen.
    """

    def __init__(self) -> None:
        self.reached: list[str] = []
        self._on = False
        sys.addaudithook(self._heard)  # it cannot be taken away again, only be silent

    def __enter__(self) -> _Watch:
        self._on = True
        return self

    def __exit__(self, *error: object) -> None:
        self._on = False

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._on:
            return
        host: Any = None
        if event == "socket.getaddrinfo":
            host = arguments[0]
        elif event == "socket.connect" and isinstance(arguments[1], tuple):
            host = arguments[1][0]
        if isinstance(host, str) and host and not host.startswith(_LOCAL):
            self.reached.append(host)
