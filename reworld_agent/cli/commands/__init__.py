"""One file a command: its name, settings, help and the function that prints what it found."""
