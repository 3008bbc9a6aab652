"""What the cameras of the town see."""
