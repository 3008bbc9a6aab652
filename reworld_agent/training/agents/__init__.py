"""Training of any agent of NAVSIM, as the devkit trains it: builders, loss, optimiser."""
