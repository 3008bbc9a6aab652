"""Pictures of scored scenes and charts of runs; its modules are its face."""

__all__ = ["animation", "bev", "camera", "charts", "gallery", "picture"]
