"""The golden scene is written by `make golden`."""
