"""`reworld vocabulary ...`: fixed sets of trajectories that planners choose from."""
