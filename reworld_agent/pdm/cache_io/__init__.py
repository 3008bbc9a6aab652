"""Scene caches from logs, pickles and the devkit, and the folders that hold them."""
