"""Score tables of any origin, read, checked and named."""
