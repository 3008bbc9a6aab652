"""An ancestor's checkpoint on disk: its tensors one by one, never more of them than are asked for.

Read are safetensors, whole or in diffusers' shards, and files of `torch.save`, of which tensors
alone are unpickled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from reworld_agent.checkpoints.lightricks import diffusers_names, is_lightricks
from reworld_agent.core.errors import WeightsError
from reworld_agent.core.records import read_record
from reworld_agent.model.foreign import foreign_by_names
from reworld_agent.model.tensor_files import TORCH_FILES, read_state
from reworld_agent.model.weights_folder import COPY_HINT, PART_FILE, shards

INDEX = ".index.json"  # of a file that was cut into shards, behind its name
SOURCE_HINT = "name a .safetensors file, or a folder of diffusers' save_pretrained"


@dataclass
class Source:
    """The tensors of a checkpoint.

    Attributes:
        path: what the user named.
        shapes: of every tensor, by its name in the files.
        config: the folder's config.json; empty where there is none.
    """

    path: Path
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    _files: dict[str, Path] = field(default_factory=dict)
    _names: Mapping[str, str] = field(default_factory=dict)
    _loaded: dict[str, Tensor] = field(default_factory=dict)

    def tensor(self, name: str) -> Tensor:
        """One tensor, mapped from its file."""
        name = self.in_file(name)
        if name in self._loaded:
            return self._loaded[name]
        with _opened(self._files[name]) as file:
            return file.get_tensor(name)

    def in_file(self, name: str) -> str:
        """The name that a tensor has in its file."""
        return self._names.get(name, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)


def open_source(path: Path, subfolder: str | None = None) -> Source:
    """Open a file, or a folder (or its subfolder where it has that one).

    Of Lightricks' single files the tensors of that part, under diffusers' names.

    Raises:
        WeightsError: nothing is there, it cannot be read, or it has a layout of its own.
    """
    if subfolder and (path / subfolder).is_dir():
        path = path / subfolder
    source = Source(path)
    for file in _files(path):
        if file.suffix in TORCH_FILES:
            source._loaded |= read_state(file)
            continue
        with _opened(file) as opened:
            for name in opened.keys():  # noqa: SIM118 (no mapping)
                source.shapes[name] = tuple(opened.get_slice(name).get_shape())
                source._files[name] = file
    source.shapes |= {name: tuple(tensor.shape) for name, tensor in source._loaded.items()}
    source.config = _read_config(path)
    if is_lightricks(source.shapes):
        source._names = diffusers_names(source.shapes, subfolder)
        source.shapes = {ours: source.shapes[theirs] for ours, theirs in source._names.items()}
        return source
    foreign = foreign_by_names(source)
    if foreign is not None and not foreign.converts:
        raise WeightsError(f"{path} is {foreign.what}", foreign.fix)
    return source


def _files(path: Path) -> list[Path]:
    """The weight files of a path: itself, the usual name or its shards, or the only one there."""
    if path.name.endswith(INDEX):
        path, named = path.parent, path.name.removesuffix(INDEX)
    elif path.is_file():
        return [path]
    elif not path.is_dir():
        raise WeightsError(f"no checkpoint at {path}", SOURCE_HINT)
    else:
        indices = [file.name for file in path.iterdir() if file.name.endswith(INDEX)]
        named = indices[0].removesuffix(INDEX) if len(indices) == 1 else PART_FILE
    usual = shards(path / named)
    if usual != [path / named] or usual[0].is_file():
        missing = [file.name for file in usual if not file.is_file()]
        if missing:
            raise WeightsError(f"{path} lacks shards: {', '.join(missing)}", COPY_HINT)
        return usual
    found = [f for f in sorted(path.iterdir()) if f.suffix in (".safetensors", *TORCH_FILES)]
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise WeightsError(f"{path} has no {PART_FILE}; weight files there: {names}", SOURCE_HINT)
    return found


def _opened(file: Path) -> Any:
    try:
        return safe_open(file, framework="pt")
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{file} is not a readable safetensors file: {error}", COPY_HINT
        ) from error


def _read_config(path: Path) -> Mapping[str, Any]:
    file = (path if path.is_dir() else path.parent) / "config.json"
    if not file.is_file():
        return {}
    return read_record(file, dict[str, Any], COPY_HINT, WeightsError)
