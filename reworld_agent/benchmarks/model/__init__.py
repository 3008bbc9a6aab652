"""Time and memory of the model."""
