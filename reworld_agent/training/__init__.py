"""Stages, losses, data and the loop that trains them; and the training of any other agent."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.training.agents.settings import AgentTrainRun
    from reworld_agent.training.demo import train_demo
    from reworld_agent.training.demo_settings import TrainDemoSettings
    from reworld_agent.training.loop.resume import Trained
    from reworld_agent.training.start import run
    from reworld_agent.training.train_run import TrainRun

__all__ = ["AgentTrainRun", "TrainDemoSettings", "TrainRun", "Trained", "run", "train_demo"]

__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "agents.settings": ["AgentTrainRun"],
        "demo": ["train_demo"],
        "demo_settings": ["TrainDemoSettings"],
        "loop.resume": ["Trained"],
        "start": ["run"],
        "train_run": ["TrainRun"],
    },
)
