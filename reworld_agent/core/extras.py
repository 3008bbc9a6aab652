"""Libraries that are no part of the base installation: which extra brings each.

The base is the scorer and the analysis. A module that needs more imports it at its top, as it does
any other; where the library is absent, what runs commands and checks says which extra to install.
"""

from __future__ import annotations

from importlib.util import find_spec

from reworld_agent.core.errors import ReWorldError

EXTRA_OF = {
    "PIL": "images",
    "cv2": "images",
    "jinja2": "figures",
    "matplotlib": "figures",
    "diffusers": "model",
    "hydra": "model",
    "safetensors": "model",
    "torch": "model",
    "lightning": "train",
    "tensorboard": "train",
    "av": "video",
    "sklearn": "video",
    "torchmetrics": "video",
    "transformers": "text",
    "ray": "ray",
    "peft": "lora",
    "bitsandbytes": "adam8bit",
    "rerun": "view",
    "carla_driver_interface": "loop",
    "gymnasium": "loop",
}
"""Extra of each library, by the name that is imported."""


def is_installed(library: str) -> bool:
    """Whether a library can be imported, without importing it."""
    return find_spec(library) is not None


def require_installed(*libraries: str) -> None:
    """Refuse what needs these libraries before it begins.

    Raises:
        ReWorldError: one of them, a key of `EXTRA_OF`, is not installed.
    """
    for library in libraries:
        if not is_installed(library):
            raise not_installed(library)


def not_installed(module: str) -> ReWorldError:
    """The error where an import does not find a module: what to install."""
    library = module.partition(".")[0]
    if library in EXTRA_OF:
        message = f"this needs {library}, which is not installed"
        return ReWorldError(message, install_line(EXTRA_OF[library]))
    message = f"this installation is incomplete ({module or 'a module'} is missing)"
    return ReWorldError(message, "pip install --upgrade --force-reinstall reworld-agent")


def install_line(extra: str) -> str:
    """The command that brings an extra."""
    return f"pip install 'reworld-agent[{extra}]'"
