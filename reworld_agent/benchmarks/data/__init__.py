"""How fast samples come from disk, and what an index of clips takes."""
