"""What a training step keeps in a device's memory, and how a run is made to fit."""
