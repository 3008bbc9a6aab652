"""From planned poses to driven states: sampling, LQR tracker, kinematic bicycle."""
