"""Every YAML of ReWorld, one folder a Hydra group; found through `hydra_plugins`."""
