"""Linear probes: what frozen states of the Video DiT know of a scene."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.video_metrics.probe.fit import Probe, fit_probe
    from reworld_agent.video_metrics.probe.settings import ProbeSettings

__all__ = ["Probe", "ProbeSettings", "fit_probe"]

__getattr__, __dir__ = lazy_face(
    __name__, {"fit": ["Probe", "fit_probe"], "settings": ["ProbeSettings"]}
)
