"""What the decoder does to the latent space near the data: its pull-back metric."""

from functools import partial
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import binom
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from latentgeo import processes
from latentgeo.analysis.omission import Omission, with_omissions
from latentgeo.analysis.settings import AnalysisSettings
from latentgeo.analysis.views import choose_images
from latentgeo.errors import reason_of
from latentgeo.geometry import PullbackStatistics, pullback_statistics
from latentgeo.models import Autoencoder, device_of

_NAME = "the decoder's pull-back metric"
_ALL_UP_TO = 64  # numbers of a latent up to which every direction is measured
_POINTS = 512  # latents that the principal directions rest on, at most
_WORK = 4e10  # floating-point operations of all passes through the decoder, about
_LEAST_IMAGES, _LEAST_DIRECTIONS = 6, 8  # with fewer images a median has no interval


class _Extent(NamedTuple):
    """How many images and directions a decoder of this size is measured at."""

    images: int
    directions: int


class _Directions(NamedTuple):
    """Orthonormal columns (D, k), and what they are in words."""

    basis: Tensor
    said: str


def decoder_geometry(
    model: Autoencoder, latents: xr.Dataset, settings: AnalysisSettings | None = None
) -> xr.Dataset:
    r"""Measure how the decoder stretches the latent space at the latents of a few images.

    The metric :math:`J^\top J` of the decoder's Jacobian is taken at the clean level and at the
    last one. A latent of up to 64 numbers is measured along every direction, a larger one along
    those in which the clean latents vary most. Where one pass through the decoder is costly,
    there are fewer images (down to 6), then fewer directions (down to 8).

    Parameters
    ----------
    model : Autoencoder
        In eval mode.
    latents : xarray.Dataset
        Its latents, from `latentgeo.encode`.
    settings : AnalysisSettings, optional
        Number of images and of directions, and the seed that chooses the images.

    Returns
    -------
    xarray.Dataset
        Over (pullback_noise, pullback_sample): `pullback_singular_value` (…, direction),
        descending, how far the image moves in Euclidean norm for a unit step of the latent;
        `pullback_condition`, (largest/smallest)², 1 where the decoder is an isometry up to scale
        and infinite where it does not see a direction; `pullback_log_volume`, the logarithm of
        √det. `pullback_condition_median` and `pullback_log_volume_median` over images, and their
        `_ci`, exact 95 % intervals of a median from order statistics (NaN below 6 images).
        The attribute of `pullback_condition` says which directions. Where nothing can be measured
        the data set is empty and its attribute `omitted` says why.
    """
    chosen = settings or AnalysisSettings()
    if not model.decodes:
        return _nothing("this model has no decoder")
    samples = latents.sizes["sample"]
    some = choose_images(samples, _POINTS, chosen.seed)
    clean = torch.from_numpy(latents["mean"].isel(noise=0, sample=some).values)
    levels = sorted({0, latents.sizes["noise"] - 1})
    try:
        extent = _extent(model, clean[:1], samples, len(levels), chosen)
        directions = _directions(clean, extent.directions)
        if not directions.basis.shape[1]:
            return _nothing("the clean latents are all the same: there is no direction to go in")
        images = choose_images(samples, extent.images, chosen.seed)
        chosen_latents = latents["mean"].isel(sample=images)
        found = processes.do_all(
            [
                partial(_statistics, model, chosen_latents.isel(noise=level), directions)
                for level in levels
            ]
        )
    except (RuntimeError, NotImplementedError) as error:
        return _nothing(
            f"the decoder cannot be differentiated forward ({reason_of(error).rstrip('.')})"
        )
    return _variables(found, latents.isel(noise=levels, sample=images), directions.said)


def _nothing(reason: str) -> xr.Dataset:
    return with_omissions(xr.Dataset(), [Omission(_NAME, reason)])


def _extent(
    model: Autoencoder, latent: Tensor, samples: int, levels: int, settings: AnalysisSettings
) -> _Extent:
    """Keep the work in bounds, by its count and not by the clock: the same on every machine."""
    size = latent.numel()
    images = min(settings.pullback_images, samples)
    directions = size if size <= _ALL_UP_TO else min(settings.pullback_directions, size)
    passes = int(_WORK / levels / max(_operations(model, latent), 1))
    images = min(images, max(_LEAST_IMAGES, passes // directions))
    return _Extent(images, min(directions, max(_LEAST_DIRECTIONS, passes // images)))


@torch.no_grad()
def _operations(model: Autoencoder, latent: Tensor) -> int:
    """Count the floating-point operations of decoding one latent."""
    with FlopCounterMode(display=False) as counter:
        model.decode(latent.to(device_of(model)))
    return int(counter.get_total_flops())


def _directions(clean: Tensor, wanted: int) -> _Directions:
    """Give every direction of a latent, or the principal ones where they are more than wanted."""
    flat = clean.flatten(1).double()
    size = flat.shape[1]
    if size <= wanted:
        return _Directions(torch.eye(size).double(), f"all {size} directions of the latent")
    basis = _principal(flat - flat.mean(0), wanted)
    return _Directions(
        basis, f"the {basis.shape[1]} directions (of {size}) in which clean latents vary most"
    )


def _principal(centred: Tensor, wanted: int) -> Tensor:
    """Give the leading principal directions (D, k) by the Gram matrix, which is the smaller one."""
    energies, vectors = torch.linalg.eigh(centred @ centred.mT)
    kept = energies.flip(0) > len(centred) * torch.finfo(torch.float32).eps ** 2 * energies[-1]
    leading = vectors.flip(1)[:, kept][:, :wanted]
    basis: Tensor = torch.linalg.qr(centred.mT @ leading).Q
    return basis


@torch.no_grad()
def _statistics(
    model: Autoencoder, latents: xr.DataArray, directions: _Directions
) -> PullbackStatistics:
    values = torch.from_numpy(latents.values).to(device_of(model))
    found = pullback_statistics(model.decode, values, directions=directions.basis)
    return PullbackStatistics(*(value.cpu() for value in found))


def _variables(found: list[PullbackStatistics], latents: xr.Dataset, said: str) -> xr.Dataset:
    values, condition, volume = (torch.stack(parts).numpy() for parts in zip(*found, strict=True))
    axes = ("pullback_noise", "pullback_sample")
    measured = xr.Dataset(
        {
            "pullback_singular_value": ((*axes, "direction"), values),
            "pullback_condition": (axes, condition, {"directions": said}),
            "pullback_log_volume": (axes, volume),
        },
        coords={
            "pullback_noise": latents["noise"].values,
            "pullback_sample": latents["sample"].values,
        },
    )
    return measured.assign(
        {**_median("pullback_condition", condition), **_median("pullback_log_volume", volume)}
    )


def _median(
    name: str, values: NDArray[np.float64]
) -> dict[str, tuple[tuple[str, ...], NDArray[np.float64]]]:
    """Give the median over images (..., n) and its exact interval from order statistics."""
    ordered = np.sort(values, axis=-1)
    count = ordered.shape[-1]
    # The k-th smallest and the k-th largest enclose the median with the binomial's probability.
    outside = int(binom.ppf(0.025, count, 0.5))
    ends = np.full((*ordered.shape[:-1], 2), np.nan)
    if outside > 0:
        ends = ordered[..., [outside - 1, count - outside]]
    return {
        f"{name}_median": (("pullback_noise",), _middle(ordered)),
        f"{name}_ci": (("pullback_noise", "bound"), ends),
    }


def _middle(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the median; between two infinities it is infinite, which numpy's would not say."""
    low, high = ordered[..., (ordered.shape[-1] - 1) // 2], ordered[..., ordered.shape[-1] // 2]
    middle: NDArray[np.float64] = np.where(low == high, low, (low + high) / 2)
    return middle
