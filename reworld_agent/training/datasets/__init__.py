"""Everything a stage learns from: scenes as arrays, clips, cached latents, and their order."""
