"""Mining of hard negatives: candidates of a training split, scored, as a pool."""
