"""All golden checks as one finding of the doctor, and as one question of a run."""

from __future__ import annotations

from reworld_agent.core.errors import ReWorldError
from reworld_agent.core.findings import FAIL, OK, Finding
from reworld_agent.core.vocabulary import LOG_REPLAY, REACTIVE
from reworld_agent.pdm.golden.log_replay import golden_deviation, require_golden


def require_trust(traffic: str = LOG_REPLAY, two_stage: bool = False) -> None:
    """Raise ReWorldError where a run with this traffic and these stages would score wrongly.

    Asked before a run reads data; whoever scores in another process is asked there.
    """
    require_golden()
    # both import what only they need: the maps' libraries, and pandas
    if traffic == REACTIVE:
        from reworld_agent.pdm.golden.reactive import require_reactive  # noqa: PLC0415

        require_reactive()
    if two_stage:
        from reworld_agent.pdm.golden.two_stage import require_two_stage  # noqa: PLC0415

        require_two_stage()


def check_golden() -> Finding:
    """Every golden check, one after the other."""
    try:
        require_trust(REACTIVE, two_stage=True)
    except ReWorldError as error:
        what = error.message.removeprefix("refusing to score: ")
        return Finding("golden scene", FAIL, what, error.hint or "")
    return Finding("golden scene", OK, f"scores as shipped (difference {golden_deviation():.1e})")
