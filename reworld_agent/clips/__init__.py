"""Video clips for the video half: index, decoding, latent cache, generated futures."""
