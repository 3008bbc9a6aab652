"""Baselines under one roof: the unified protocol of the paper's Table 2."""
