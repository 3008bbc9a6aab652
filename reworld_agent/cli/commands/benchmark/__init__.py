"""`reworld benchmark ...`: what things cost, and how they compare."""
