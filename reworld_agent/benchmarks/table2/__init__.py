"""Sweeps over the methods of the paper's Table 2."""
