"""A few images and what becomes of them, for the eye."""

from __future__ import annotations

import numpy as np
import torch

from latentgeo.datasets import SentenceDataset
from latentgeo.lazy import xr
from latentgeo.measures.encoding import Encoding
from latentgeo.measures.measure import FigureRow, Measure, Statement
from latentgeo.models import device_of

_EXAMPLES = 8


@torch.no_grad()
def compute(encoding: Encoding) -> xr.Dataset:
    """Keep a few inputs and their reconstructions at every level."""
    model, images, sweep = encoding.model, encoding.images, encoding.sweep
    if model is None or images is None or sweep is None:
        return xr.Dataset()
    if not model.decodes or isinstance(images, SentenceDataset):
        return xr.Dataset()
    positions = np.arange(min(_EXAMPLES, len(images)))
    levels = list(sweep.images(images.batch(positions), images.indices[positions]))
    device = device_of(model)
    inputs = torch.stack([model.target(level) for level in levels])
    decoded = torch.stack([model.decode(model.encode(level.to(device))).cpu() for level in levels])
    axes = ("noise", "example", "image_channel", "image_row", "image_column")
    return xr.Dataset(
        {
            "example_input": (axes, inputs.float().numpy()),
            "example_reconstruction": (axes, decoded.float().numpy()),
        }
    )


MEASURE = Measure(
    "reconstructions",
    compute,
    Statement("neither", "none: these are images", "eight images per level"),
    figures=(
        FigureRow(
            "reconstructions",
            "latentgeo.figures.reconstructions:ReconstructionDisplay",
            "Reconstructions under noise",
            "Inputs (top row, clipped to [0, 1] for display) and each model's reconstruction, at "
            "every noise level; every model receives the same noise.",
            "A model that has learned reproduces the image at level 0; look for the level where "
            "the reconstruction starts to follow the noise or to become another image.",
        ),
    ),
)
