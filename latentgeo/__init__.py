"""Measure the shape of a latent space.

The public names are loaded when they are first used, so that importing latentgeo is instant.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "train": ("latentgeo.training", "train"),
    "load": ("latentgeo.checkpoints", "open_checkpoint"),
    "encode": ("latentgeo.latents", "encode"),
    "analyze": ("latentgeo.pipeline", "analyze"),
    "InputError": ("latentgeo.errors", "InputError"),
}

if TYPE_CHECKING:
    from latentgeo.checkpoints import open_checkpoint as load
    from latentgeo.errors import InputError as InputError
    from latentgeo.latents import encode as encode
    from latentgeo.pipeline import analyze as analyze
    from latentgeo.training import train as train

__all__ = ["InputError", "__version__", "analyze", "encode", "load", "train"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'latentgeo' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
