"""The latents as points of a Hilbert space: Gram matrices, dimension, principal angles."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.analysis.settings import SHARES, AnalysisSettings
from latentgeo.geometry import (
    angle_statistics,
    dimension_by_size,
    disjoint_angles,
    gram_dimension,
    rkhs_principal_angles,
)
from latentgeo.metrics import jackknife_interval

STATISTICS = ("smallest", "largest", "mean", "chordal")
_SUBSAMPLES = 5
CENTRINGS = {"centred": True, "uncentred": False}


class Grams(NamedTuple):
    """Gram matrices of one view.

    Attributes
    ----------
    within : dict of str to torch.Tensor of shape (noise, n, n)
        Per part: the three modes and their product (the sum of their kernels).
    cross : torch.Tensor of shape (noise - 1, n, n)
        Product kernel between the clean latents (rows) and those at each other level (columns).
    """

    within: dict[str, Tensor]
    cross: Tensor


def gram_matrices(features: Sequence[dict[str, Tensor]]) -> Grams:
    """Multiply out the features of every noise level.

    Parameters
    ----------
    features : sequence over noise levels of dict of str to torch.Tensor of shape (n, D)
        Explicit kernel features per mode; the first level is the clean one.

    Returns
    -------
    Grams
        The product kernel is the sum over the modes.
    """
    clean = features[0]
    within = {
        part: torch.stack([level[part] @ level[part].mT for level in features]) for part in clean
    }
    cross = [
        sum((clean[p] @ level[p].mT for p in clean), torch.zeros(())) for level in features[1:]
    ]
    if len(within) > 1:
        within["product"] = torch.stack(list(within.values())).sum(dim=0)
    empty = within["product"][:0]  # where there is no level but the clean one
    return Grams(within, torch.stack(cross) if cross else empty)


def draw_halves(samples: int, settings: AnalysisSettings) -> Tensor:
    """Draw random halves of the images: integers (halves, n // 2)."""
    rng = np.random.default_rng(settings.seed)
    drawn = [rng.permutation(samples)[: samples // 2] for _ in range(settings.halves)]
    return torch.from_numpy(np.stack(drawn))


def dimension_variables(
    grams: Sequence[Grams], halves: Tensor, settings: AnalysisSettings
) -> xr.Dataset:
    """Count the dimensions that hold 90, 95 and 99 % of each Gram matrix's trace.

    Parameters
    ----------
    grams : sequence over views of Grams
        From `gram_matrices`.
    halves : torch.Tensor of shape (k, n // 2)
        Halves of the images behind the intervals (`draw_halves`).
    settings : AnalysisSettings
        Sample sizes of the curve.

    Returns
    -------
    xarray.Dataset
        `hilbert_dimension`, `hilbert_dimension_by_size` and their intervals. The interval is
        cut to what is possible: from 1 to one less than the number of images.
    """
    parts = list(grams[0].within)
    dimension = torch.stack(
        [
            torch.stack(
                [
                    torch.stack(
                        [gram_dimension(view.within[part], SHARES, centred=c) for part in parts]
                    )
                    for c in CENTRINGS.values()
                ],
                dim=-1,
            )
            for view in grams
        ]
    )  # view, part, noise, share, centring
    products = torch.stack([view.within["product"] for view in grams])
    whole = dimension[:, parts.index("product"), ..., 0]
    halved = _dimensions_of_subsets(products, halves).movedim(-2, -1)
    low, high = jackknife_interval(whole.numpy(), halved.numpy())
    samples = products.shape[-1]
    interval = np.stack([low, high], axis=-1).clip(1, max(samples - 1, 1))
    sizes = sorted({max(2, round(samples * fraction)) for fraction in settings.size_fractions})
    mean, band = _by_size(products, sizes, settings)
    return xr.Dataset(
        {
            "hilbert_dimension": (
                ("view", "noise", "part", "share", "centring"),
                dimension.movedim(1, 2).numpy(),
            ),
            "hilbert_dimension_ci": (("view", "noise", "share", "bound"), interval),
            "hilbert_dimension_by_size": (("view", "noise", "size", "share"), mean),
            "hilbert_dimension_by_size_ci": (("view", "noise", "size", "share", "bound"), band),
        },
        coords={
            "part": parts,
            "share": list(SHARES),
            "centring": list(CENTRINGS),
            "size": sizes,
            "bound": ["low", "high"],
        },
    )


def angle_variables(
    grams: Sequence[Grams],
    redraw: Grams | None,
    halves: Tensor,
    settings: AnalysisSettings,
) -> xr.Dataset:
    """Measure principal angles between clean and noisy subspaces, and what they mean by chance.

    The subspaces hold `settings.angle_share` of the centred variance of each set.

    Parameters
    ----------
    grams : sequence over views of Grams
        From `gram_matrices`.
    redraw : Grams, optional
        Two draws of a stochastic posterior at the clean level, as if they were two levels.
    halves : torch.Tensor of shape (k, n // 2)
        A clean half against itself made noisy is what is compared with the null: two disjoint
        clean halves.
    settings : AnalysisSettings
        Share of the variance.

    Returns
    -------
    xarray.Dataset
        In degrees.
    """
    share = settings.angle_share
    angles = torch.stack(_padded([_angles(view, share) for view in grams]))
    statistic = _statistics(angles)
    halved = torch.stack([_half_statistics(view, halves, share) for view in grams])
    low, high = jackknife_interval(statistic.numpy(), halved.movedim(1, -1).numpy())
    null = {"disjoint clean sets": torch.stack([_null(view, settings) for view in grams])}
    if redraw is not None:
        mean = _half_statistics(redraw, halves, share)[:, 1, STATISTICS.index("mean")]
        filler = torch.full_like(mean, torch.nan)
        null["two draws"] = torch.stack([filler, mean])
    return xr.Dataset(
        {
            "principal_angle": (("view", "noise", "angle"), angles.numpy()),
            "principal_angle_statistic": (("view", "noise", "statistic"), statistic.numpy()),
            "principal_angle_ci": (
                ("view", "noise", "statistic", "bound"),
                _possible(np.stack([low, high], axis=-1), angles),
            ),
            "principal_angle_split_mean": (
                ("view", "noise", "split"),
                halved[..., STATISTICS.index("mean")].movedim(1, -1).numpy(),
            ),
            "principal_angle_null_mean": (
                ("view", "null", "split"),
                torch.stack(list(null.values()), dim=1).numpy(),
            ),
        },
        coords={"statistic": list(STATISTICS), "null": list(null)},
    )


def _dimensions_of_subsets(gram: Tensor, subsets: Tensor) -> Tensor:
    """Give centred dimensions (..., k, share) of subsets (k, m) of Gram matrices (..., n, n)."""
    # One subset at a time: all of them together would need k times the memory.
    return torch.stack(
        [
            gram_dimension(gram[..., subset[:, None], subset], SHARES, centred=True)
            for subset in subsets
        ],
        dim=-2,
    )


def _by_size(
    products: Tensor, sizes: list[int], settings: AnalysisSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Follow the dimension over growing samples: mean, and 95 % band over subsamples."""
    curves = [
        [
            dimension_by_size(gram, sizes, SHARES, resamples=_SUBSAMPLES, seed=settings.seed)
            for gram in view
        ]
        for view in products
    ]
    mean = np.stack([np.stack([curve.mean for curve in view]) for view in curves])
    ends = [[np.stack([curve.low, curve.high], axis=-1) for curve in view] for view in curves]
    return mean, np.stack([np.stack(view) for view in ends])


def _angles(view: Grams, share: float) -> Tensor:
    """Give the angles in degrees at each level, ascending, NaN padded: (noise, angle)."""
    clean, noisy = view.within["product"][:1], view.within["product"][1:]
    # The clean set against itself needs no measurement, and would be the slowest of all.
    own = torch.zeros(1, int(gram_dimension(clean[0], (share,))[0]), dtype=clean.dtype)
    if not len(noisy):
        return own
    found = rkhs_principal_angles(clean, view.cross, noisy, share=share)
    return torch.cat(_padded([own, torch.rad2deg(found)]))


def _statistics(angles: Tensor) -> Tensor:
    """Summarise angles (..., angle) in degrees; the chordal distance has no unit."""
    found = angle_statistics(torch.deg2rad(angles))
    degrees = [torch.rad2deg(value) for value in (found.smallest, found.largest, found.mean)]
    return torch.stack([*degrees, found.chordal], dim=-1)


def _half_statistics(view: Grams, halves: Tensor, share: float) -> Tensor:
    """Give the statistics of every half against itself made noisy: (halves, noise, statistic)."""
    return torch.stack([_statistics(_angles(_subset(view, half), share)) for half in halves])


def _subset(view: Grams, images: Tensor) -> Grams:
    rows = images[:, None]
    return Grams({"product": view.within["product"][:, rows, images]}, view.cross[:, rows, images])


def _null(view: Grams, settings: AnalysisSettings) -> Tensor:
    """Give the mean angle in degrees between disjoint clean halves: (halves,)."""
    angles = disjoint_angles(
        view.within["product"][0],
        splits=settings.halves,
        share=settings.angle_share,
        seed=settings.seed,
    )
    return torch.rad2deg(torch.from_numpy(angles).nanmean(dim=-1))


def _padded(angles: Sequence[Tensor]) -> list[Tensor]:
    """Bring sets of angles (…, angle) to one length with NaN."""
    longest = max(found.shape[-1] for found in angles)
    pad = torch.nn.functional.pad
    return [pad(found, (0, longest - found.shape[-1]), value=torch.nan) for found in angles]


def _possible(interval: NDArray[np.float64], angles: Tensor) -> NDArray[np.float64]:
    """Cut intervals to what is possible: angles to [0, 90], the chordal distance to [0, √d]."""
    largest = np.full(interval.shape, 90.0)
    number = (~angles.isnan()).sum(dim=-1, keepdim=True)
    largest[..., STATISTICS.index("chordal"), :] = number.sqrt().numpy()
    return interval.clip(0, largest)
