"""Pictures of scored scenes and charts of runs."""
