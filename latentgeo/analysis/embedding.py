"""The latents as points of a Hilbert space: spectra, dimension, principal angles."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from latentgeo import processes
from latentgeo.analysis.settings import SHARES, AnalysisSettings
from latentgeo.analysis.views import View, feature_width, point_streams
from latentgeo.geometry import (
    PointStream,
    StreamSpectra,
    StreamSpectrum,
    angle_statistics,
    axes_angles,
    dimension_by_size,
    disjoint_angles,
    gram_dimension,
    rkhs_principal_angles,
    stream_gram,
    stream_spectra,
)
from latentgeo.metrics import jackknife_interval

STATISTICS = ("smallest", "largest", "mean", "chordal")
_SUBSAMPLES = 5
CENTRINGS = ("centred", "uncentred")


class Grams(NamedTuple):
    """Gram matrices of the product kernel on some images.

    Attributes
    ----------
    within : torch.Tensor of shape (noise, m, m)
        Of each level; the product kernel is the sum over the modes.
    cross : torch.Tensor of shape (noise - 1, m, m)
        Between the clean latents (rows) and those at each other level (columns).
    """

    within: Tensor
    cross: Tensor


class _Level(NamedTuple):
    """One noisy level of a view."""

    within: Tensor  # (m, m), its Gram matrix
    cross: Tensor  # (m, m), with the clean latents as rows
    dimension: Tensor  # (part, share, centring)
    angles: Tensor  # (1, angle), degrees; no angle where they are not those of all images


class Embedding(NamedTuple):
    """One view in the kernel's space.

    Attributes
    ----------
    parts : tuple of str
        The modes and their product.
    dimension : torch.Tensor of shape (noise, part, share, centring)
        Dimensions of all images.
    angles : torch.Tensor of shape (noise, angle)
        Degrees, ascending, between the clean subspace and that of each level.
    angle_images : int
        Images that span the subspaces: all, or the compared ones.
    grams : Grams
        Of the images that are compared with one another.
    """

    parts: tuple[str, ...]
    dimension: Tensor
    angles: Tensor
    angle_images: int
    grams: Grams


def embed(
    view: View, compared: NDArray[np.int64], source_dtype: str, settings: AnalysisSettings
) -> Embedding:
    """Find the spectra of all latents of a view, and the Gram matrices of some of them.

    Parameters
    ----------
    view : View
        The latents.
    compared : numpy.ndarray of shape (m,)
        Positions of the images that are compared with one another.
    source_dtype : str
        What the latents were computed in.
    settings : AnalysisSettings
        Weight of the logarithm, share and order of the angles.

    Returns
    -------
    Embedding
        One level after the other, each in shards.
    """
    some = view.take(compared)
    all_compared = some is view
    of_all = not all_compared and _order(view) <= settings.angle_order

    def look(level: int) -> tuple[dict[str, PointStream], Tensor, StreamSpectra]:
        streams = point_streams(view, level, source_dtype, settings)
        few = streams if all_compared else point_streams(some, level, source_dtype, settings)
        grams = _mode_grams(few)
        found = stream_spectra(
            streams,
            share=settings.angle_share if of_all else None,
            grams=grams if all_compared else None,
        )
        return few, _sum(grams), found

    clean, own, at_origin = look(0)
    origin = at_origin.whole.axes

    def compare(level: int) -> _Level:
        few, within, found = look(level)
        cross = _sum(_mode_grams(clean, few))
        return _Level(within, cross, _all_dimensions(found), _degrees_between(origin, found))

    # The clean level is looked at by every process, for the others are compared with it.
    noisy = processes.do_all(
        [partial(compare, level) for level in range(1, view.levels)], at_once=view.levels_at_once
    )
    angles = [_degrees_between(origin, at_origin), *(level.angles for level in noisy)]
    grams = _stacked([own, *(level.within for level in noisy)], [level.cross for level in noisy])
    return Embedding(
        tuple(_named(at_origin)),
        torch.stack([_all_dimensions(at_origin), *(level.dimension for level in noisy)]),
        torch.cat(_padded(angles)) if of_all else _angles(grams, settings.angle_share),
        view.samples if of_all else some.samples,
        grams,
    )


def gram_matrices(view: View, source_dtype: str, settings: AnalysisSettings) -> Grams:
    """Give the Gram matrices of all latents of a (small) view."""
    levels = [point_streams(view, level, source_dtype, settings) for level in range(view.levels)]
    within = [_sum(_mode_grams(one)) for one in levels]
    cross = [_sum(_mode_grams(levels[0], one)) for one in levels[1:]]
    return _stacked(within, cross)


def gram_over_levels(
    view: View, grams: Grams, levels: Sequence[int], source_dtype: str, settings: AnalysisSettings
) -> Tensor:
    """Give the Gram matrix of some levels of a (small) view together, level by level.

    Parameters
    ----------
    view : View
        The compared latents.
    grams : Grams
        Theirs, in which most of it is there already.
    levels : sequence of int
        Places of the levels, ascending.
    source_dtype : str
        What the latents were computed in.
    settings : AnalysisSettings
        Weight of the logarithm.

    Returns
    -------
    torch.Tensor of shape (levels * m, levels * m)
    """
    streams = {level: point_streams(view, level, source_dtype, settings) for level in levels}

    def block(first: int, second: int) -> Tensor:
        if first == second:
            return grams.within[first]
        if first == 0:
            return grams.cross[second - 1]
        return _sum(_mode_grams(streams[first], streams[second]))

    found = {pair: block(*pair) for pair in combinations_with_replacement(levels, 2)}
    found |= {(second, first): gram.mT for (first, second), gram in found.items()}
    return torch.cat([torch.cat([found[one, other] for other in levels], -1) for one in levels])


def draw_halves(samples: int, settings: AnalysisSettings) -> Tensor:
    """Draw random halves of the images: integers (halves, n // 2)."""
    rng = np.random.default_rng(settings.seed)
    drawn = [rng.permutation(samples)[: samples // 2] for _ in range(settings.halves)]
    return torch.from_numpy(np.stack(drawn))


def dimension_variables(
    embeddings: Sequence[Embedding], samples: int, halves: Tensor, settings: AnalysisSettings
) -> xr.Dataset:
    """Count the dimensions that hold 90, 95 and 99 % of the energy of the embedded latents.

    Parameters
    ----------
    embeddings : sequence over views of Embedding
        From `embed`.
    samples : int
        Number of all images.
    halves : torch.Tensor of shape (k, m // 2)
        Halves of the compared images behind the intervals (`draw_halves`).
    settings : AnalysisSettings
        Sample sizes of the curve.

    Returns
    -------
    xarray.Dataset
        `hilbert_dimension`, `hilbert_dimension_by_size` and their intervals. The interval is
        cut to what is possible: from 1 to one less than the number of images. Where not all
        images are compared, the curve ends with the dimension of all.
    """
    parts = embeddings[0].parts
    dimension = torch.stack([view.dimension for view in embeddings])
    products = torch.stack([view.grams.within for view in embeddings])
    whole = dimension[:, :, parts.index("product"), :, CENTRINGS.index("centred")]
    halved = _dimensions_of_subsets(products, halves).movedim(-2, -1)
    low, high = jackknife_interval(whole.numpy(), halved.numpy())
    interval = np.stack([low, high], axis=-1).clip(1, max(samples - 1, 1))
    compared = products.shape[-1]
    sizes = sorted({max(2, round(compared * fraction)) for fraction in settings.size_fractions})
    mean, band = _by_size(products, sizes, settings)
    if compared < samples:
        last = whole.double().numpy()[:, :, None]
        sizes = [*sizes, samples]
        mean = np.concatenate([mean, last], axis=2)
        band = np.concatenate([band, np.stack([last, last], axis=-1)], axis=2)
    return xr.Dataset(
        {
            "hilbert_dimension": (
                ("view", "noise", "part", "share", "centring"),
                dimension.numpy(),
            ),
            "hilbert_dimension_ci": (("view", "noise", "share", "bound"), interval),
            "hilbert_dimension_by_size": (("view", "noise", "size", "share"), mean),
            "hilbert_dimension_by_size_ci": (("view", "noise", "size", "share", "bound"), band),
        },
        coords={
            "part": list(parts),
            "share": list(SHARES),
            "centring": list(CENTRINGS),
            "size": sizes,
            "bound": ["low", "high"],
        },
    )


def angle_variables(
    embeddings: Sequence[Embedding],
    redraw: Grams | None,
    halves: Tensor,
    settings: AnalysisSettings,
) -> xr.Dataset:
    """Measure principal angles between clean and noisy subspaces, and what they mean by chance.

    The subspaces hold `settings.angle_share` of the centred variance of each set.

    Parameters
    ----------
    embeddings : sequence over views of Embedding
        From `embed`.
    redraw : Grams, optional
        Two draws of a stochastic posterior at the clean level, as if they were two levels.
    halves : torch.Tensor of shape (k, m // 2)
        Halves of the compared images. A clean half against itself made noisy is what is compared
        with the null: two disjoint clean halves.
    settings : AnalysisSettings
        Share of the variance.

    Returns
    -------
    xarray.Dataset
        In degrees.
    """
    share = settings.angle_share
    grams = [view.grams for view in embeddings]
    angles = torch.stack(_padded([view.angles for view in embeddings]))
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


def _order(view: View) -> int:
    """Give the order of the eigenproblem of all images, and so the most axes there can be."""
    return min(view.samples, feature_width(view.shape))


def _degrees_between(clean: Tensor | None, found: StreamSpectra) -> Tensor:
    """Give the angles of a level in degrees, ascending: (1, angle); none without axes."""
    axes = found.whole.axes
    if clean is None or axes is None:
        return torch.empty(1, 0)
    if axes is clean:  # the clean set against itself needs no measurement
        return torch.zeros(1, clean.shape[1], dtype=clean.dtype)
    return torch.rad2deg(axes_angles(clean, axes))[None].cpu()


def _mode_grams(
    first: dict[str, PointStream], second: dict[str, PointStream] | None = None
) -> dict[str, Tensor]:
    """Give the Gram matrix of each mode, or the products with another set."""
    return {
        mode: stream_gram(points, None if second is None else second[mode])
        for mode, points in first.items()
    }


def _sum(grams: Mapping[str, Tensor]) -> Tensor:
    """Give the Gram matrix of the product kernel, which needs no features side by side."""
    return torch.stack(list(grams.values())).sum(0).cpu()


def _named(found: StreamSpectra) -> dict[str, StreamSpectrum]:
    """Give the spectra of the modes and of their product."""
    return {**found.parts, "product": found.whole}


def _all_dimensions(found: StreamSpectra) -> Tensor:
    """Give the dimensions (part, share, centring)."""
    return torch.stack([_dimensions(part) for part in _named(found).values()])


def _dimensions(found: StreamSpectrum) -> Tensor:
    """Give the dimensions (share, centring)."""
    both = [found.dimension(SHARES, centred=centring == "centred") for centring in CENTRINGS]
    return torch.stack(both, dim=-1).cpu()


def _stacked(within: Sequence[Tensor], cross: Sequence[Tensor]) -> Grams:
    own = torch.stack(list(within))
    return Grams(own, torch.stack(list(cross)) if cross else own[:0])


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
    clean, noisy = view.within[:1], view.within[1:]
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
    return Grams(view.within[:, rows, images], view.cross[:, rows, images])


def _null(view: Grams, settings: AnalysisSettings) -> Tensor:
    """Give the mean angle in degrees between disjoint clean halves: (halves,)."""
    angles = disjoint_angles(
        view.within[0],
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
