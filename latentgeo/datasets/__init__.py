"""Images in [0, 1], by name, and what perturbs them."""

from latentgeo.datasets.images import ImageDataset
from latentgeo.datasets.perturbations import PERTURBATIONS, Perturbation, perturb
from latentgeo.datasets.table import DatasetInfo, load, names

__all__ = [
    "PERTURBATIONS",
    "DatasetInfo",
    "ImageDataset",
    "Perturbation",
    "load",
    "names",
    "perturb",
]
