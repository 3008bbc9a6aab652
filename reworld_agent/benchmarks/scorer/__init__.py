"""Time of the scorer, beside the stock devkit."""
