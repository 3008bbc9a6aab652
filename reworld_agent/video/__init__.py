"""What will happen: codec, conditioning, the Video DiT with its mid heads, the sampler."""
