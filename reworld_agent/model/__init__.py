"""The whole model, its folder of weights, and the weights that are shipped."""

from reworld_agent.model.reworld_model import ReWorldModel

__all__ = ["ReWorldModel"]
