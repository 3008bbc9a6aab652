"""How a driven scenario is judged: the scorer's own metrics over windows of 4 s, and two scores."""
