"""How an index of clips lies in memory and on disk, for millions of clips."""
