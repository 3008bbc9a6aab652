"""Long commands killed on kept work and started again: see `python -m tests.kills --help`."""
