"""The town itself: streets, lanes, scenery, signals, and its map file."""
