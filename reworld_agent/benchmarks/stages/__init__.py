"""Cost of the stages' steps."""
