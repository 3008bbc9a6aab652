"""Why did it fail? Pictures of scored scenes, for any planner; no torch."""
