"""Hard negatives: candidates near the expert that the simulator calls unsafe (paper, 3.5)."""
