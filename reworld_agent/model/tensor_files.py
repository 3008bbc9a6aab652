"""Files of tensors that others wrote: read without running code, names without their wrappers."""

from __future__ import annotations

import pickle
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from reworld_agent.core.errors import WeightsError
from reworld_agent.core.text import shown
from reworld_agent.model.foreign import foreign_by_bytes, foreign_class

T = TypeVar("T")
TORCH_FILES = (".pt", ".pth", ".bin", ".ckpt")
SAVE_HINT = "save its state_dict() alone: torch.save(model.state_dict(), FILE)"
# What compilation and sharding put somewhere into a name,
_INSIDE = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
# and what trainers, parallel training, the devkit and pipelines put in front of it.
_IN_FRONT = frozenset(
    ["module", "agent", "model", "net", "transformer", "transformer_joint", "diffusion_model"]
)
_INSIDE_FILES = ("state_dict", "model_state_dict", "model", "module")


def split_name(name: str) -> tuple[str, str]:
    """The wrappers in front of a tensor's name, and its bare name."""
    words = [word for word in name.split(".") if word not in _INSIDE]
    count = 0
    while count < len(words) - 1 and words[count] in _IN_FRONT:
        count += 1
    return ".".join(words[:count]), ".".join(words[count:])


def bare(name: str) -> str:
    """A name without its wrappers."""
    return split_name(name)[1]


def without_wrappers(state: Mapping[str, T], wanted: Iterable[str]) -> dict[str, T]:
    """The tensors of one model by bare names.

    A trainer's checkpoint may hold several models, such as a teacher: of those with different
    wrappers in front, the one is taken that has the most of the wanted names.
    """
    groups: dict[str, dict[str, T]] = defaultdict(dict)
    for name, value in state.items():
        front, inner = split_name(name)
        groups[front][inner] = value
    known = set(wanted)
    return max(groups.values(), key=lambda group: len(known & group.keys()), default={})


def read_state(file: Path) -> dict[str, Tensor]:
    """All tensors of a file, mapped from disk where its format allows: safetensors, torch.save.

    Raises:
        WeightsError: it is neither, is damaged, or holds no dictionary of tensors; says what it is
            where that can be seen.
    """
    if not file.is_file():
        raise WeightsError(f"{shown(file)}: no such file of weights", "check the path")
    if file.suffix in TORCH_FILES or zipfile.is_zipfile(file):
        return _tensors(_load_torch(file), file)
    try:
        with safe_open(file, framework="pt") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise _unreadable(file, error) from error


def check_body(file: Path) -> None:
    """Compare what `torch.save` wrote with its own checksums, which `torch.load` does not look at.

    Raises:
        WeightsError: a record of it was changed. OSError, BadZipFile: it cannot be read at all.
    """
    bad, count = [], 0
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if info.file_size:
                count += 1
                bad += [] if _is_whole(archive, info) else [info.filename]
    if bad and len(bad) < count:  # all of them: it was saved without (set_crc32_options)
        message = f"{shown(file)} is damaged: {bad[0]} is not as it was saved"
        raise WeightsError(message, "copy or download it again, whole")


def _is_whole(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bool:
    try:
        with archive.open(info) as stream:
            while stream.read(1 << 24):
                pass
    except zipfile.BadZipFile:
        return False
    return True


def _load_torch(file: Path) -> Any:
    """What `torch.save` wrote; of it tensors, containers and numbers alone are unpickled."""
    try:
        mapped = zipfile.is_zipfile(file)  # files of torch before 1.6 cannot be mapped
        if mapped:
            check_body(file)
        return torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
    except WeightsError:
        raise
    except pickle.UnpicklingError as error:
        name = foreign_class(str(error))
        if name is None:
            raise _unreadable(file, error) from error
        what = f"it holds an object of {name}, which would run code, and is not opened"
        message = f"{shown(file)} is not a readable file of tensors: {what}"
        raise WeightsError(message, SAVE_HINT) from error
    except Exception as error:  # damaged bytes make torch raise nearly anything
        raise _unreadable(file, error) from error


def _tensors(content: Any, file: Path) -> dict[str, Tensor]:
    for wrapper in _INSIDE_FILES:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    kind = type(content).__name__
    if not isinstance(content, dict):
        raise WeightsError(f"{shown(file)} is not a dictionary of tensors, but a {kind}", SAVE_HINT)
    found = {k: v for k, v in content.items() if isinstance(k, str) and isinstance(v, Tensor)}
    if len(found) < len(content) or not found:
        other = next((key for key in content if key not in found), None)
        what = "is empty" if other is None else f"{str(other)[:60]!r} is no tensor"
        raise WeightsError(f"{shown(file)} is not a dictionary of tensors: {what}", SAVE_HINT)
    return found


def _unreadable(file: Path, error: Exception) -> WeightsError:
    foreign = foreign_by_bytes(file)
    if foreign is not None:
        return WeightsError(f"{shown(file)} is {foreign.what}", foreign.fix)
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    message = f"{shown(file)} is not a readable file of tensors: {reason}"
    return WeightsError(message, "copy or download it again, whole")
