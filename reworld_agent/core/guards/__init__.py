"""What keeps a run from harm: names and sizes from data, other writers, parents that die."""
