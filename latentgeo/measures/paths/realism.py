"""How real the images along paths are."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.lazy import xr
from latentgeo.measures.latents import is_vector
from latentgeo.measures.measure import Measure, Statement, nothing
from latentgeo.measures.paths.variables import (
    against_the_ends,
    along_steps,
    ends_and_inside,
    entry,
    readouts,
    text,
)
from latentgeo.metrics import (
    bootstrap_mean,
    cycle_consistency,
    nearest_real_distance,
    path_sharpness,
    sharpness,
)
from latentgeo.metrics.interpolation import Net
from latentgeo.results import ModelResult, Table

if TYPE_CHECKING:
    from latentgeo.measures.paths.model_paths import ImagePaths

READOUTS = readouts(steps=["sharpness", "cycle", "nearest"], values=["real_sharpness"])

# Bytes of real images that are held at once, in float64.
_REAL_BYTES = 2**29


def compute(paths: ImagePaths) -> xr.Dataset:
    """Measure how real the decoded images along the paths are."""
    return paths.dataset(paths.realism)


def measure_realism(
    encode: Net,
    decode: Net,
    path: Tensor,
    real: Tensor,
    ends: Tensor,
    features: Net | None = None,
    *,
    batch: int,
    seed: int,
) -> dict[str, Any]:
    """Measure sharpness, cycle consistency and the distance to the nearest real image.

    Parameters
    ----------
    encode, decode : callable
        Images to latents and latents to images, in batches.
    path : torch.Tensor of shape (pairs, steps, ...)
        Latents along each path.
    real : torch.Tensor of shape (n, C, H, W)
        Real images, in the range of the decoder's.
    ends : torch.Tensor of shape (2 * pairs, C, H, W)
        The real images at the ends of the paths, all starts first.
    features : callable, optional
        Images to the space where distances to real images are taken; the pixels if left out.
    batch : int
        Images at once.
    seed : int
        Seeds the bootstrap over pairs.

    Returns
    -------
    dict
        Variables of `sharpness`, `cycle` and `nearest`, and the sharpness of the real ends.

    Raises
    ------
    ValueError
        When an interpolant is not finite.
    """
    nearest = nearest_real_distance(decode, path, real, features, batch=batch)
    sharp = path_sharpness(decode, path, batch=batch).values
    cycle = cycle_consistency(encode, decode, path, batch=batch).values
    mean = bootstrap_mean(sharpness(ends).cpu().numpy(), seed=seed)
    return {
        **along_steps("sharpness", sharp, seed),
        **along_steps("cycle", cycle, seed),
        **along_steps("nearest", nearest.distance.values, seed),
        "nearest_place": (("pair", "step"), nearest.place),
        "real_sharpness": ((), mean.mean),
        "real_sharpness_ci": ("bound", np.array([mean.low, mean.high])),
    }


def effects(variables: dict[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Return what becomes of each path's images in the middle, from what `measure_realism` gave."""
    nearest, sharp, cycle = (variables[name][1] for name in ("nearest", "sharpness", "cycle"))
    return {
        "nearest real image, midpoint against endpoints": against_the_ends(nearest),
        "sharpness, midpoint against endpoints": against_the_ends(sharp),
        "cycle consistency, midpoint against endpoints": against_the_ends(cycle),
    }


def image_steps(decode: Net, path: Tensor) -> NDArray[np.float64]:
    """Return how far the image moves from each step to the next, (pairs, steps - 1)."""
    with torch.no_grad():
        each = [decode(one).flatten(1).double().diff(dim=0).norm(dim=1).cpu() for one in path]
    return torch.stack(each).numpy()


def most_real(shape: tuple[int, ...], wanted: int) -> int:
    """Return how many real images of a shape are compared with, so that they fit in memory."""
    return max(1, min(wanted, _REAL_BYTES // (8 * int(np.prod(shape)))))


def _digits(model: ModelResult) -> int:
    """Return how many digits sharpness needs, which is in squared units of any size."""
    real = float(model.data["real_sharpness"])
    return max(2, 2 - floor(log10(real))) if real > 0 else 2


def _tables(models: Sequence[ModelResult], between: str) -> list[Table]:
    rows = tuple(
        (
            model.label,
            latent_text(model),
            *ends_and_inside(model, "sharpness", _digits(model)),
            text(model, "real_sharpness", _digits(model)),
            *ends_and_inside(model, "nearest", 2),
            *ends_and_inside(model, "cycle", 3),
            f"{100 * float(model.data['clamped_share']):.1f} %",
        )
        for model in models
    )
    return [
        Table(
            "Realism of the interpolated images",
            (
                *("Model", "Latent", "Sharpness, endpoints", "Sharpness between"),
                *("Sharpness, real images", "Nearest real image, endpoints"),
                *(
                    "Nearest real image between",
                    "Cycle, endpoints",
                    "Cycle between",
                    "Clipped pixels",
                ),
            ),
            rows,
            "Square brackets: 95 % bootstrap intervals over pairs. Endpoints: reconstructions; "
            "between: mean over the interpolated steps. Clipped pixels: decoded values beyond "
            "black and white.",
        )
    ]


def latent_text(model: ModelResult) -> str:
    """Return the shape of a model's latents in words."""
    shape = [int(side) for side in model.attrs["latent_shape"]]
    return f"vector of {shape[0]}" if is_vector(tuple(shape)) else model.latent


MEASURE = Measure(
    "realism",
    compute,
    Statement(
        "neither",
        "bootstrap over pairs",
        "one encoder and decoder pass per image, and distances to all real images",
    ),
    kinds=("interpolation",),
    readouts=READOUTS,
    entry=entry(READOUTS),
    sentences=nothing,
    tables=_tables,
    meanings={
        "Sharpness": "Variance of the image's Laplacian. Compare it with that of real images: "
        "lower is blur, higher is noise.",
        "Distance to the nearest real image": "Euclidean distance in the space named above. It "
        "depends on the number of real images, and in pixel space a blurred image is close to "
        "many. Lower is nearer.",
        "Cycle consistency": "Distance between a latent and the encoding of its decoded image, "
        "relative to the distance between the endpoints. 0 is best.",
    },
)
