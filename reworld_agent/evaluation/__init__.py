"""Evaluation in two phases: an agent plans every scene of a split, then the plans are scored."""
