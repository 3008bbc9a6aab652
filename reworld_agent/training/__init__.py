"""Stages, losses, data and the loop that trains them."""
