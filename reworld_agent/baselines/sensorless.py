"""What agents share that look at no camera and have no weights."""

from __future__ import annotations

from reworld_agent.compat import AbstractAgent, SensorConfig


class SensorlessAgent(AbstractAgent):
    """An agent named after its class that asks for no sensors and loads nothing."""

    def name(self) -> str:
        """The name of the class."""
        return type(self).__name__

    def get_sensor_config(self) -> SensorConfig:
        """No sensors."""
        return SensorConfig.build_no_sensors()

    def initialize(self) -> None:
        """Nothing to load."""
