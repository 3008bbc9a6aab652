"""What to do: the action space, the Action DiT, its sampler."""
