"""The bytes of all living tensors, operation by operation: of real ones, or of fake ones."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Storage = torch.UntypedStorage
Resize = Callable[[Storage, int], Storage]


class MemoryTracker(TorchDispatchMode):
    """A mode in which every storage that an operation makes is counted until it is freed.

    What a kernel needs inside of itself is not seen. FSDP2 frees gathered weights by resizing their
    storages, which is followed too.

    Attributes:
        live: bytes now.
        peaks: the most in each phase, by its name.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = 0
        self.peaks: dict[str, int] = {}
        self._phase = "start"
        self._sizes: dict[int, int] = {}
        self._resize = cast(Resize, Storage.resize_)

    def phase(self, name: str) -> None:
        """What follows belongs to this phase."""
        self._phase = name
        self._grown()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Every operation comes through here."""
        result = func(*args, **(kwargs or {}))
        for value in (result,) if isinstance(result, Tensor) else tree_leaves(result):
            if isinstance(value, Tensor) and not isinstance(value, DTensor):  # its share counts
                self._count(value.untyped_storage())
        return result

    def __enter__(self) -> MemoryTracker:
        def resize(storage: Storage, size: int) -> Storage:
            done = self._resize(storage, size)
            if storage._cdata in self._sizes:
                self.live += size - self._sizes[storage._cdata]
                self._sizes[storage._cdata] = size
                self._grown()
            return done

        Storage.resize_ = resize  # type: ignore[method-assign,assignment]
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        Storage.resize_ = self._resize  # type: ignore[method-assign,assignment]
        super().__exit__(*error)

    def _count(self, storage: Storage) -> None:
        key = storage._cdata
        if key in self._sizes:
            return
        self._sizes[key] = storage.nbytes()
        self.live += storage.nbytes()
        self._grown()
        weakref.finalize(storage, self._freed, key)

    def _freed(self, key: int) -> None:
        self.live -= self._sizes.pop(key)

    def _grown(self) -> None:
        self.peaks[self._phase] = max(self.live, self.peaks.get(self._phase, 0))
