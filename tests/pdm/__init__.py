"""The scorer: against the stock devkit's rows, by hand, and by its properties."""
