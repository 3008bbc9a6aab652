"""The leaderboard's file: built from a run, checked, and read back without running code from it."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.submission.build import Verdict, submit
    from reworld_agent.submission.settings import SubmitSettings

__all__ = ["SubmitSettings", "Verdict", "submit"]

__getattr__, __dir__ = lazy_face(
    __name__, {"settings": ["SubmitSettings"], "build": ["Verdict", "submit"]}
)
