"""`reworld doctor`: can a score made here be trusted, and would a run finish?

One check a file; each gives findings (`ok`, `warn`, `fail`) that name the fix. The golden scene
is also scored before every evaluation (`pdm.golden.require_golden`).
"""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.doctor.checks import examine
    from reworld_agent.doctor.settings import DoctorSettings

__all__ = ["DoctorSettings", "examine"]

__getattr__, __dir__ = lazy_face(__name__, {"checks": ["examine"], "settings": ["DoctorSettings"]})
