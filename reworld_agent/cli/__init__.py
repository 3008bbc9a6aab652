"""The `reworld` command."""
