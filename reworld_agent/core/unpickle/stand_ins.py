"""What stands for the names in a pickle: nothing of a class that the pickle names is ever run."""

from __future__ import annotations

from functools import partial
from pickle import UnpicklingError
from typing import Any

_MERGED = 64  # fields that come in two parts are copied, and a copy costs memory


class Function(partial[Any]):
    """A function of ours that a pickle may call, and can do nothing else with."""

    def __setstate__(self, state: Any) -> None:
        """A pickle may fill objects; this is none."""
        raise UnpicklingError("it fills a function")


class Record:
    """Stands for an instance of a class that is not loaded: `args` it was made with, `fields`."""

    args: tuple[Any, ...]
    fields: dict[str, Any]

    def __new__(cls, *args: Any) -> Record:
        """How a pickle makes objects, with or without arguments."""
        self = super().__new__(cls)
        self.args, self.fields = args, {}
        return self

    def __setstate__(self, state: Any) -> None:
        """How a pickle fills them: a dict of fields, or two of them."""
        parts = [part for part in (state if isinstance(state, tuple) else (state,)) if part]
        if not all(type(part) is dict for part in parts):
            raise UnpicklingError("the fields of an object are no dict")
        if len(parts) == 1 and not self.fields:
            self.fields = parts[0]
            return
        for part in parts:
            self.fields = {**self.fields, **part}
            if len(self.fields) > _MERGED:
                raise UnpicklingError(f"more than {_MERGED} fields in parts")
