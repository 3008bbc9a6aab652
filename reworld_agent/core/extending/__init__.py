"""What may come from outside the package: registries, and the plugins that fill them."""
