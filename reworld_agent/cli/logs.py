"""What the library logs, as lines on stderr: a command prints only its results on stdout."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PACKAGE = "reworld_agent"


class _OnStderr(logging.Handler):
    """Prints on the stderr of the moment, above a progress bar where one may be shown."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno > logging.INFO:
            text = f"{record.levelname}: {text}"
        if "tqdm" in sys.modules:
            sys.modules["tqdm"].tqdm.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr)


@contextmanager
def logs_on_stderr() -> Iterator[None]:
    """Print what the package logs: notes as they are, warnings and errors with their level."""
    logger, handler = logging.getLogger(PACKAGE), _OnStderr()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
