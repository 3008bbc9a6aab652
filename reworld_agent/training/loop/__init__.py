"""The loop of every training: batches, checkpoints, callbacks, processes, Lightning."""
