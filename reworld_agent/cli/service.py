"""What commands that serve others share: they say where they listen, and a signal ends them."""

from __future__ import annotations

import threading

from reworld_agent.cli.command import OK

EXIT_CODES = "0 never, a signal ends it; 1 refused or failed; 2 the {} is taken"
KEPT = "the service has ended; nothing was written"


def serve_until_a_signal(said: str) -> int:
    """Print where a service listens, and wait: what a signal raises ends it."""
    print(said, flush=True)
    threading.Event().wait()
    return OK
