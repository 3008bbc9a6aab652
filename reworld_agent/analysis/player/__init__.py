"""Scenes that move, on a page that needs nothing else; its modules are its face."""

__all__ = ["contract", "look", "page", "scenes", "settings"]
