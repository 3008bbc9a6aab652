"""What measures the project, and is never used by it."""
