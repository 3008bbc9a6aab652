"""PDM-Closed, the rule-based planner whose progress sets the scale of EP."""
