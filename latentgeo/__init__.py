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
    "analyze_arrays": ("latentgeo.pipeline", "analyze_arrays"),
    "read": ("latentgeo.measures", "read"),
    "register_measure": ("latentgeo.measures", "register_measure"),
    "register_recipe": ("latentgeo.models", "register_recipe"),
    "register_backbone": ("latentgeo.models", "register_backbone"),
    "register_dataset": ("latentgeo.datasets", "register_dataset"),
    "register_perturbation": ("latentgeo.datasets", "register_perturbation"),
    "wrap": ("latentgeo.models", "wrap"),
    "interpolate": ("latentgeo.interpolation", "interpolate_images"),
    "lines": ("latentgeo.interpolation", "score_lines"),
    "compare": ("latentgeo.comparison", "compare"),
    "export": ("latentgeo.sharing", "export"),
    "push_to_hub": ("latentgeo.sharing", "push_to_hub"),
    "from_hub": ("latentgeo.sharing", "from_hub"),
    "InputError": ("latentgeo.errors", "InputError"),
}

if TYPE_CHECKING:
    from latentgeo.checkpoints import open_checkpoint as load
    from latentgeo.comparison import compare as compare
    from latentgeo.datasets import register_dataset as register_dataset
    from latentgeo.datasets import register_perturbation as register_perturbation
    from latentgeo.errors import InputError as InputError
    from latentgeo.interpolation import interpolate_images as interpolate
    from latentgeo.interpolation import score_lines as lines
    from latentgeo.latents import encode as encode
    from latentgeo.measures import read as read
    from latentgeo.measures import register_measure as register_measure
    from latentgeo.models import register_backbone as register_backbone
    from latentgeo.models import register_recipe as register_recipe
    from latentgeo.models import wrap as wrap
    from latentgeo.pipeline import analyze as analyze
    from latentgeo.pipeline import analyze_arrays as analyze_arrays
    from latentgeo.sharing import export as export
    from latentgeo.sharing import from_hub as from_hub
    from latentgeo.sharing import push_to_hub as push_to_hub
    from latentgeo.training import train as train

__all__ = [
    "InputError",
    "__version__",
    "analyze",
    "analyze_arrays",
    "compare",
    "encode",
    "export",
    "from_hub",
    "interpolate",
    "lines",
    "load",
    "push_to_hub",
    "read",
    "register_backbone",
    "register_dataset",
    "register_measure",
    "register_perturbation",
    "register_recipe",
    "train",
    "wrap",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'latentgeo' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
