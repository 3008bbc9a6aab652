"""Linear probes: what frozen states of the Video DiT know of a scene."""
