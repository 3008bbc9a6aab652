"""The one exception family of ReWorld: what went wrong, and what to do next."""

from __future__ import annotations


class ReWorldError(Exception):
    """A failure that the user can fix.

    Args:
        message: what is wrong; names the file, token or setting.
        hint: the next command or change, in one line; shown after the message.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        self.message = message
        self.hint = hint
        super().__init__(message if hint is None else f"{message}\n  next: {hint}")


class DataError(ReWorldError):
    """A file on disk is missing, truncated, hostile or of an unexpected shape."""


class ConfigError(ReWorldError):
    """A setting is unknown, contradictory or out of range."""


class WeightsError(ReWorldError):
    """Weights are missing, or belong to another configuration."""


class SceneError(ReWorldError):
    """One scene cannot be used (no route, NaN ego state, token not in the split ...)."""


class UsageError(ConfigError):
    """Words that a command cannot read; its exit code is 2."""
