"""Who moves in the town, and by which rules."""
