"""How much memory an analysis takes, told before it begins."""

from math import prod

import torch

from latentgeo.errors import InputError
from latentgeo.geometry import require_spectrum
from latentgeo.machine import physical_memory
from latentgeo.measures.latents import SHARD_BYTES, bytes_of_a_latent, feature_width
from latentgeo.settings import AnalysisSettings

GIB = 2**30
_LIBRARIES = 0.62 * GIB
"""Python, torch and what draws (measured)."""


def estimated_memory(
    shape: tuple[int, ...],
    samples: int,
    levels: int,
    settings: AnalysisSettings,
    *,
    stochastic: bool = False,
    in_memory: bool = False,
    held: float = 0.0,
) -> float:
    """Estimate the most memory that the analysis of one model takes on a CPU.

    Parameters
    ----------
    shape : tuple of int
        (C, ...) of the latents.
    samples : int
        Number of images n.
    levels : int
        Number of noise levels.
    settings : AnalysisSettings
        The kernel, the draws, and the images that are compared with one another.
    stochastic : bool, default=False
        Whether there are draws of a posterior beside its mean.
    in_memory : bool, default=False
        Whether the latents lie in memory however many they are, as those that come as an array.
    held : float, default=0.0
        Bytes of what lies there beside them: images, other latents.

    Returns
    -------
    float
        Bytes, the libraries included.

    Examples
    --------
    >>> from latentgeo.measures import AnalysisSettings, estimated_memory
    >>> round(estimated_memory((128, 7, 7), 60_000, 2, AnalysisSettings()) / 2**30, 1)
    1.9
    """
    views = 2 if stochastic else 1
    compared = min(samples, settings.compared_images)
    latents = 4.0 * samples * levels * prod(shape) * ((2 + settings.draws) if stochastic else 1)
    read = latents if in_memory or latents <= SHARD_BYTES else 0.0
    # Of several shards two are compared, whose products come to them.
    shards = min(1.5 * samples * bytes_of_a_latent(shape), 3.0 * SHARD_BYTES)
    # Those that are compared are unfolded all at once, in double precision.
    unfolded = 3.0 * 8 * compared * prod(shape)
    # Each level and what is between it and the clean one, apart and put together.
    grams = 2.0 * 8 * compared**2 * (2 * levels - 1) * views
    spectrum = 8.0 * min(samples, feature_width(shape, settings)) ** 2
    return _LIBRARIES + held + read + max(shards, unfolded) + grams + spectrum


def check_size(
    shape: tuple[int, ...],
    samples: int,
    device: torch.device,
    settings: AnalysisSettings,
    needed: float = 0.0,
) -> None:
    """Refuse, before anything is encoded, more than the device can analyse.

    Parameters
    ----------
    shape : tuple of int
        (C, ...) of the latents.
    samples : int
        Number of images.
    device : torch.device
        Where the analysis runs.
    settings : AnalysisSettings
        The kernel.
    needed : float, default=0.0
        Bytes that the analysis takes of the machine, as `estimated_memory` says.

    Raises
    ------
    InputError
        When the spectrum of the features is more than the memory of the device, or the analysis
        more than that of the machine.
    """
    try:
        require_spectrum(samples, feature_width(shape, settings), device)
    except ValueError as error:
        raise InputError(f"latents of shape {tuple(shape)}: {error} (samples)") from None
    there = physical_memory()
    if device.type == "cpu" and needed > there:
        raise InputError(
            f"the analysis of {samples} latents of shape {tuple(shape)} takes about "
            f"{needed / GIB:.1f} GiB of memory and this machine has {there / GIB:.1f}; take fewer "
            "images (samples) or noise levels, or compare fewer of them (compared_images)"
        )
