"""Measure the shape of a latent space.

The public names are loaded when they are first used, so that importing latentgeo is instant.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "train": "latentgeo.training",
    "load": "latentgeo.checkpoints",
    "encode": "latentgeo.latents",
    "analyze": "latentgeo.pipeline",
    "InputError": "latentgeo.errors",
}

if TYPE_CHECKING:
    from latentgeo.checkpoints import load as load
    from latentgeo.errors import InputError as InputError
    from latentgeo.latents import encode as encode
    from latentgeo.pipeline import analyze as analyze
    from latentgeo.training import train as train

__all__ = ["InputError", "__version__", "analyze", "encode", "load", "train"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'latentgeo' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
