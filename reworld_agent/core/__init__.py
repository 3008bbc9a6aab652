"""What every room uses: errors, files, tables, provenance, workers. No torch, no Hydra."""
