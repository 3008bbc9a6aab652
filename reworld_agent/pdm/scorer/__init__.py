"""The compiled passes over simulated states: what both protocols measure, and what EPDMS adds."""
