"""Intrinsic dimension of a set of points, from nearest neighbours."""

from typing import Any, Literal, NamedTuple

import torch
from scipy.stats import chi2
from torch import Tensor

from latentgeo.geometry import _flat
from latentgeo.geometry._arrays import enter
from latentgeo.geometry._checks import check_finite, check_not_empty, check_shares, check_square
from latentgeo.geometry._tiles import DEFAULT_BUDGET, require, tiles
from latentgeo.geometry.hilbert import gram_dimension

PointMetric = Literal["euclidean", "precomputed"]


class DimensionEstimate(NamedTuple):
    """An intrinsic dimension with its interval, and the number of points that it rests on."""

    dimension: float
    low: float
    high: float
    points: int


class LocalDimension(NamedTuple):
    """Local dimensions over a set: mean and 5 and 95 % quantiles over points, and each point's."""

    mean: float
    low: float
    high: float
    each: Any


def two_nn_dimension(
    x: Any, *, metric: PointMetric = "euclidean", discard: float = 0.1, level: float = 0.95
) -> DimensionEstimate:
    r"""Intrinsic dimension from the ratio of the two nearest neighbours' distances.

    Locally uniform points of dimension d have ratios :math:`\mu = r_2/r_1` with density
    :math:`d\mu^{-d-1}`. The largest ratios, where uniformity fails first, are taken as censored;
    the estimate is the maximum of the likelihood, and its interval that of type II censoring.

    Parameters
    ----------
    x : array or tensor, shape (N, ...), or (N, N) of distances
        Points, flattened; or their distances, for ``metric="precomputed"``.
    metric : {"euclidean", "precomputed"}
        What ``x`` is.
    discard : float
        Share of the largest ratios that is censored, in [0, 1).
    level : float
        Confidence of the interval.

    Returns
    -------
    DimensionEstimate
        Named tuple (dimension, low, high, points). The dimension is global where the set is of one
        dimension; noise of small size raises it: read it at several sample sizes.

    Raises
    ------
    ValueError
        If there are fewer than 5 distinct points, or a parameter is out of range.

    References
    ----------
    E. Facco, M. d'Errico, A. Rodriguez and A. Laio, "Estimating the intrinsic dimension of
    datasets by a minimal neighborhood information", Scientific Reports 7 (2017).
    """
    if not 0 <= discard < 1:
        raise ValueError(f"discard is {discard}; expected a share in [0, 1)")
    check_shares([level])
    nearest = _distances(x, metric).topk(3, largest=False).values
    nearest = nearest[nearest[:, 1] > 0]
    if len(nearest) < 5:
        raise ValueError(
            f"{len(nearest)} points have a nearest neighbour at a positive distance; expected at "
            "least 5 (duplicates carry no dimension)"
        )
    logs = (nearest[:, 2] / nearest[:, 1]).log().sort().values
    used = max(2, int(len(logs) * (1 - discard)))
    waited = float(logs[:used].sum() + (len(logs) - used) * logs[used - 1])
    if waited == 0:
        raise ValueError("all nearest neighbours are at one distance: the points form a lattice")
    dimension = used / waited
    tail = (1 - level) / 2
    low, high = (dimension * chi2.ppf(q, 2 * used) / (2 * used) for q in (tail, 1 - tail))
    return DimensionEstimate(dimension, float(low), float(high), len(logs))


def local_pca_dimension(
    x: Any, *, neighbours: int = 20, share: float = 0.95, metric: PointMetric = "euclidean"
) -> LocalDimension:
    """Dimension of each point's neighbourhood by principal component analysis.

    Parameters
    ----------
    x : array or tensor, shape (N, ...), or (N, N) of distances
        Points, flattened; or their distances, for ``metric="precomputed"``.
    neighbours : int
        Nearest neighbours that make a neighbourhood, beside the point itself. The dimension
        cannot exceed this number.
    share : float
        Share of the neighbourhood's energy that the dimension holds, in (0, 1].
    metric : {"euclidean", "precomputed"}
        What ``x`` is.

    Returns
    -------
    LocalDimension
        Named tuple (mean, low, high, each); ``each`` has shape (N,), the same kind as ``x``.

    Raises
    ------
    ValueError
        If ``neighbours`` is not between 2 and N − 1, or a parameter is out of range.

    References
    ----------
    K. Fukunaga and D. Olsen, "An algorithm for finding intrinsic dimensionality of data", IEEE
    Trans. Computers 20 (1971).
    """
    check_shares([share])
    distances = _distances(x, metric)
    if not 2 <= neighbours < len(distances):
        raise ValueError(f"neighbours is {neighbours}; expected 2 to {len(distances) - 1}")
    index = distances.topk(neighbours + 1, largest=False).indices
    parts = []
    for tile in tiles(len(index), 32.0 * index.shape[1] ** 2):
        i = index[tile]
        # Classical scaling: half the negative squared distances, centred, are the Gram matrix.
        gram = -0.5 * distances[i[:, :, None], i[:, None, :]].square()
        parts.append(gram_dimension(gram, [share], centred=True)[:, 0])
    each = torch.cat(parts)
    low, high = (float(each.double().quantile(q)) for q in (0.05, 0.95))
    return LocalDimension(float(each.double().mean()), low, high, enter(x)[1](each))


def point_distances(x: Any) -> Any:
    """Euclidean distances between points, to be shared by several estimates.

    Parameters
    ----------
    x : array or tensor, shape (N, ...)
        Points, flattened.

    Returns
    -------
    float64 array or tensor, shape (N, N)
        The same kind as ``x``; exactly 0 between points that are equal.

    Raises
    ------
    ValueError
        If ``x`` is empty, not finite or a single row of numbers, or N² distances do not fit.
    """
    points, back = enter(x)
    return back(_euclidean(points))


def _distances(x: Any, metric: PointMetric) -> Tensor:
    points, _ = enter(x)
    if metric == "euclidean":
        return _euclidean(points)
    if metric != "precomputed":
        raise ValueError(f"metric is {metric!r}; expected 'euclidean' or 'precomputed'")
    check_not_empty(points)
    check_finite(points)
    check_square(points)
    return points


def _euclidean(points: Tensor) -> Tensor:
    check_not_empty(points)
    check_finite(points)
    if points.ndim < 2:
        raise ValueError(f"x has shape {tuple(points.shape)}; expected points, (samples, ...)")
    flat = points.reshape(len(points), -1)
    needed = 10.0 * len(flat) ** 2
    require(needed, DEFAULT_BUDGET, f"the distances of {len(flat)} points", "take fewer points")
    out = flat.new_zeros(len(flat), len(flat))
    pieces = _flat.column_tiles(flat, None)
    return _flat.squared_distances(pieces, out, lambda i: flat[i], lambda j: flat[j]).sqrt_()
