"""Whether a model imagines the plan that it is given: `reworld video control`."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.training.control.run import Control, measure_control
    from reworld_agent.training.control.settings import ControlSettings

__all__ = ["Control", "ControlSettings", "measure_control"]
__getattr__, __dir__ = lazy_face(
    __name__, {"run": ["Control", "measure_control"], "settings": ["ControlSettings"]}
)
