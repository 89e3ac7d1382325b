"""How real the images along paths are."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.interpolation.variables import against_the_ends, along_steps
from latentgeo.metrics import (
    bootstrap_mean,
    cycle_consistency,
    nearest_real_distance,
    path_sharpness,
    sharpness,
)
from latentgeo.metrics.interpolation import Net

# Bytes of real images that are held at once, in float64.
_REAL_BYTES = 2**29


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
    """Give what becomes of each path's images in the middle, from what `measure_realism` gave."""
    nearest, sharp, cycle = (variables[name][1] for name in ("nearest", "sharpness", "cycle"))
    return {
        "nearest real image, middle against ends": against_the_ends(nearest),
        "sharpness, middle against ends": against_the_ends(sharp),
        "cycle consistency, middle against ends": against_the_ends(cycle),
    }


def image_steps(decode: Net, path: Tensor) -> NDArray[np.float64]:
    """Give how far the image moves from each step to the next, (pairs, steps - 1)."""
    with torch.no_grad():
        each = [decode(one).flatten(1).double().diff(dim=0).norm(dim=1).cpu() for one in path]
    return torch.stack(each).numpy()


def most_real(shape: tuple[int, ...], wanted: int) -> int:
    """Say how many real images of a shape are compared with, so that they fit in memory."""
    return max(1, min(wanted, _REAL_BYTES // (8 * int(np.prod(shape)))))
