"""Numbers that come from the device later, so that the loop need not wait for them.

Reading a number of a CUDA tensor stops the host until all that was queued is done. A copy that is
read one step later has long been made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class DeviceValue:
    """A tensor on its way to the host; on the CPU the tensor itself."""

    def __init__(self, value: Tensor) -> None:
        self._value, self._arrived = value.detach(), None
        if value.is_cuda:
            self._value = torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
            self._value.copy_(value.detach(), non_blocking=True)
            self._arrived = torch.cuda.Event()
            self._arrived.record()

    def read(self) -> Tensor:
        """The tensor on the host, when it has arrived."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return self._value


class Later:
    """Calls a function with a number and what belongs to it: on CUDA when the next one comes.

    On the CPU it does so at once.

    Args:
        use: takes the tensor, on the host, and what was given with it.
        lag: numbers that may wait; None = 1 on CUDA, else 0.
    """

    def __init__(self, use: Callable[..., None], lag: int | None = None) -> None:
        self.use, self.lag = use, lag
        self._waiting: deque[tuple[DeviceValue, tuple[Any, ...]]] = deque()

    def put(self, value: Tensor, *about: Any) -> None:
        """One more."""
        self._waiting.append((DeviceValue(value), about))
        lag = self.lag if self.lag is not None else int(value.is_cuda)
        while len(self._waiting) > lag:
            self._next()

    def flush(self) -> None:
        """Use all that wait."""
        while self._waiting:
            self._next()

    def drop(self) -> None:
        """Forget all that wait."""
        self._waiting.clear()

    def _next(self) -> None:
        value, about = self._waiting.popleft()
        self.use(value.read(), *about)
