"""Which NAVSIM is here? The only module that asks.

Exports the NAVSIM names every agent is written against (`AbstractAgent`, the builders,
`AgentInput`, `Scene`, `SceneFilter`, `SensorConfig`, `Trajectory`, `TrajectorySampling`): those
of the stock devkit (v1.1 or v2.2) where it is installed, otherwise those of the built-in host.
`REWORLD_HOST=builtin` ignores an installed devkit; `REWORLD_HOST=devkit` insists on one.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reworld_agent.core.errors import ConfigError

INSTALL_HINT = (
    "install the devkit from its repository (see environment.yml); "
    "or set REWORLD_HOST=builtin to use the built-in host"
)


@dataclass(frozen=True)
class NavsimInstallation:
    """What `import navsim` would find.

    Attributes:
        kind: `absent`, `devkit`, `unrelated` (the package index holds another project under this
            name) or `broken` (the devkit, but one of its imports fails).
        version: `1` or `2` for a devkit that imports, else 0.
        path: file or folder that the name resolves to; empty when absent.
        reason: why it is unrelated or broken.
    """

    kind: str
    version: int = 0
    path: str = ""
    reason: str = ""


def find_navsim() -> NavsimInstallation:
    """Look at the installed `navsim` without trusting its name."""
    spec = importlib.util.find_spec("navsim")
    if spec is None:
        return NavsimInstallation("absent")
    folders = list(spec.submodule_search_locations or [])
    path = spec.origin or (folders[0] if folders else "")
    if not any(_has_agents(folder) for folder in folders):
        reason = "it has no navsim/agents/abstract_agent.py: not the NAVSIM devkit"
        return NavsimInstallation("unrelated", path=path, reason=reason)
    try:
        agents = importlib.import_module("navsim.agents.abstract_agent")
    except Exception as error:  # whatever a broken installation raises is its reason
        return NavsimInstallation("broken", path=path, reason=f"{type(error).__name__}: {error}")
    parameters = inspect.signature(agents.AbstractAgent.__init__).parameters
    return NavsimInstallation("devkit", 2 if "trajectory_sampling" in parameters else 1, path)


def _has_agents(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, "agents", "abstract_agent.py"))  # noqa: PTH113, PTH118


def _choose_host() -> NavsimInstallation:
    """The installation to use; `absent` stands for the built-in host."""
    wish = os.environ.get("REWORLD_HOST", "")
    if wish not in ("", "builtin", "devkit"):
        raise ConfigError(f"REWORLD_HOST={wish} is unknown", "use REWORLD_HOST=builtin or devkit")
    if wish == "builtin":
        return NavsimInstallation("absent")
    found = find_navsim()
    if found.kind == "broken" or (wish == "devkit" and found.kind != "devkit"):
        where = f" at {found.path}" if found.path else ""
        raise ConfigError(
            f"the NAVSIM devkit{where} cannot be used ({found.kind}): "
            f"{found.reason or 'not found'}",
            INSTALL_HINT,
        )
    if found.kind == "unrelated":
        warnings.warn(
            f"`navsim` at {found.path} is not the NAVSIM devkit but an unrelated package of the "
            f"same name ({found.reason}); using the built-in host. "
            "next: pip uninstall navsim",
            stacklevel=3,
        )
        return NavsimInstallation("absent")
    return found


NAVSIM = _choose_host()
HOST = f"devkit-v{NAVSIM.version}" if NAVSIM.kind == "devkit" else "builtin"

if TYPE_CHECKING or NAVSIM.kind != "devkit":
    from reworld_agent.interfaces import (
        AbstractAgent,
        AbstractFeatureBuilder,
        AbstractTargetBuilder,
    )
    from reworld_agent.scenes.filter import SceneFilter
    from reworld_agent.scenes.types import (
        AgentInput,
        Scene,
        SensorConfig,
        Trajectory,
        TrajectorySampling,
    )
else:
    from navsim.agents.abstract_agent import AbstractAgent
    from navsim.common.dataclasses import (
        AgentInput,
        Scene,
        SceneFilter,
        SensorConfig,
        Trajectory,
    )
    from navsim.planning.training.abstract_feature_target_builder import (
        AbstractFeatureBuilder,
        AbstractTargetBuilder,
    )
    from nuplan.planning.simulation.trajectory.trajectory_sampling import TrajectorySampling


def init_agent(agent: Any, sampling: TrajectorySampling, requires_scene: bool = False) -> None:
    """Call `AbstractAgent.__init__` with the arguments that this host's version takes."""
    if NAVSIM.version == 2:
        init: Any = AbstractAgent.__init__  # its arguments are not those of v1
        init(agent, sampling, requires_scene=requires_scene)
    else:
        AbstractAgent.__init__(agent, requires_scene=requires_scene)


def make_trajectory(poses: Any, sampling: TrajectorySampling) -> Trajectory:
    """A `Trajectory` of poses [T, 3] (x m, y m, heading rad; ego frame) sampled as stated."""
    return Trajectory(poses, sampling)


def make_modes(modes: Any, scores: Any, sampling: TrajectorySampling) -> Trajectory:
    """A `Trajectory` of the best of K plans, with all of them beside it.

    Any host scores its poses as it scores any other's. Our evaluation also reads its attributes
    `modes` and `mode_scores`, and says what the best of the plans would have scored.

    Args:
        modes: [K, T, 3] (x m, y m, heading rad; ego frame).
        scores: [K], what the agent thinks of each; the highest is chosen.
        sampling: of all.
    """
    best = max(range(len(scores)), key=lambda mode: float(scores[mode]))
    trajectory = make_trajectory(modes[best], sampling)
    vars(trajectory).update(modes=modes, mode_scores=scores)
    return trajectory


__all__ = [
    "HOST",
    "NAVSIM",
    "AbstractAgent",
    "AbstractFeatureBuilder",
    "AbstractTargetBuilder",
    "AgentInput",
    "NavsimInstallation",
    "Scene",
    "SceneFilter",
    "SensorConfig",
    "Trajectory",
    "TrajectorySampling",
    "find_navsim",
    "init_agent",
    "make_modes",
    "make_trajectory",
]
