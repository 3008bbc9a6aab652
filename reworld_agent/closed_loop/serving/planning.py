"""An agent that plans in a thread of its own, so that nobody waits for it longer than agreed."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from reworld_agent.closed_loop.serving.session import SessionFault
from reworld_agent.core.text import said
from reworld_agent.scenes.types import AgentInput

Asked = tuple["Future[Any]", AgentInput]


class Planning:
    """Plans of one agent, made one at a time.

    A plan that takes too long cannot be stopped: it goes on, and whoever asks meanwhile is told so
    at once. Its thread ends with the process.

    Args:
        agent: initialised; one of `compute_trajectory(agent_input)`.
        plan_timeout_s: how long a plan is waited for.
    """

    def __init__(self, agent: Any, plan_timeout_s: float) -> None:
        self._agent, self._timeout_s = agent, plan_timeout_s
        self._since: float | None = None  # when the plan that is being made was begun
        self._asked: SimpleQueue[Asked] = SimpleQueue()
        threading.Thread(target=self._run, name="plans", daemon=True).start()

    def plan(self, agent_input: AgentInput) -> Any:
        """What the agent returns.

        Raises:
            SessionFault: there is none in time, the agent says that it has none, or it ends the
                program.
            Exception: whatever it raises.
        """
        since = self._since
        if since is not None and time.monotonic() - since > self._timeout_s:
            age = time.monotonic() - since
            raise SessionFault(f"the agent is still making a plan that it began {age:.1f} s ago")
        future: Future[Any] = Future()
        self._asked.put((future, agent_input))
        try:
            return future.result(self._timeout_s)
        except TimeoutError:
            if future.done() and not future.cancelled():  # the agent's own
                raise
            future.cancel()  # one that waits for another is not made any more
            message = f"the agent has made no plan within {self._timeout_s:g} s"
            raise SessionFault(message) from None

    def _run(self) -> None:
        while True:
            future, agent_input = self._asked.get()
            if not future.set_running_or_notify_cancel():
                continue
            self._since = time.monotonic()
            try:
                future.set_result(self._made(agent_input))
            except BaseException as error:
                future.set_exception(error)
            finally:
                self._since = None

    def _made(self, agent_input: AgentInput) -> Any:
        try:
            trajectory = self._agent.compute_trajectory(agent_input)
        except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:  # no agent ends a server
            raise SessionFault(f"the agent raised {said(error)}") from error
        reasons = getattr(self._agent, "fallback_reasons", None)
        if reasons and reasons[0]:
            raise SessionFault(f"the agent has no plan: {reasons[0]}")
        return trajectory
