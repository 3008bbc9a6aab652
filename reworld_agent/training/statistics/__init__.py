"""What is fitted in closed form before Stage 1."""
