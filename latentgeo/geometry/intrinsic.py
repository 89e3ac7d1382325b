"""Intrinsic dimension of a set of points, from nearest neighbours."""

from math import exp
from statistics import NormalDist
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from latentgeo.geometry import _flat
from latentgeo.geometry._arrays import DType, enter, source_epsilon
from latentgeo.geometry._checks import (
    check_distances,
    check_finite,
    check_not_empty,
    check_shares,
)
from latentgeo.geometry._scales import to_unit
from latentgeo.geometry._tiles import DEFAULT_BUDGET, require, tiles
from latentgeo.geometry.hilbert import gram_dimension

PointMetric = Literal["euclidean", "precomputed"]
_ROUNDING = 8
_MOST_ROUNDING = 1e-3
_LOCAL = 0.15
_FEWEST = 5
_MOST = 2000


class DimensionEstimate(NamedTuple):
    """An intrinsic dimension with its interval, and what it rests on.

    Attributes
    ----------
    dimension : float
    low, high : float
        Ends of the likelihood interval, of the dimension *at this number of points*.
    points : int
        Points that the estimate rests on: one for each group of copies.
    copies : int
        Points that were set aside, as they are there already.
    reach : float
        Median distance of the second neighbour over that of all pairs.
    """

    dimension: float
    low: float
    high: float
    points: int
    copies: int = 0
    reach: float = float("nan")

    @property
    def is_local(self) -> bool:
        """Whether neighbours are near enough for the interval to be of the set's dimension.

        Neighbours farther than 0.15 of the set's size meet its edges, and the estimate is then
        too low by more than its interval, at any number of points that can be had: read it as a
        lower bound.
        """
        return self.reach <= _LOCAL


class LocalDimension(NamedTuple):
    """Local dimensions over a set.

    Attributes
    ----------
    mean, low, high : float
        Mean, and 5 and 95 % quantiles, over points.
    each : array or tensor, shape (N,)
        Of each point; copies have that of the point they copy.
    copies : int
        Points that were set aside, as they are there already.
    distinct : array or tensor, shape (N - copies,)
        Those of the points that are no copies, over which the mean is.
    """

    mean: float
    low: float
    high: float
    each: Any
    copies: int = 0
    distinct: Any = None


def two_nn_dimension(
    x: Any,
    *,
    metric: PointMetric = "euclidean",
    discard: float = 0.1,
    level: float = 0.95,
    source_dtype: DType | None = None,
) -> DimensionEstimate:
    r"""Estimate the intrinsic dimension from the ratio of the two nearest neighbours' distances.

    Locally uniform points of dimension d have ratios :math:`\mu = r_2/r_1` with density
    :math:`d\mu^{-d-1}`. The largest ratios, where uniformity fails first, are taken as censored,
    and the estimate is the maximum of the likelihood. Ratios of points that share a neighbour
    hang together, so that the information of the likelihood alone gives intervals that are too
    narrow by a fifth; here the scores of such points are added up together [2]_.

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
    source_dtype : dtype, optional
        What the numbers were computed in; by default their dtype. Points that are apart by no
        more than its rounding, 8 eps (0.001 at most) of the largest distance, are copies of one
        another: one of them is kept, as a point and as a neighbour.

    Returns
    -------
    DimensionEstimate
        Named tuple (dimension, low, high, points, copies, reach). The dimension is global where
        the set is of one dimension; noise of small size raises it: read it at several sample
        sizes, and as a lower bound unless ``is_local``.

    Raises
    ------
    ValueError
        If there are fewer than 5 distinct points, or a parameter is out of range.

    References
    ----------
    .. [1] E. Facco, M. d'Errico, A. Rodriguez and A. Laio, "Estimating the intrinsic dimension of
       datasets by a minimal neighborhood information", Scientific Reports 7 (2017).
    .. [2] T. G. Conley, "GMM estimation with cross sectional dependence", J. Econometrics 92
       (1999), for sums of scores that depend on their neighbours.
    .. [3] J.-P. Eckmann and D. Ruelle, "Fundamental limitations for estimating dimensions and
       Lyapunov exponents in dynamical systems", Physica D 56 (1992), for the reach.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import two_nn_dimension
    >>> x = np.random.default_rng(0).uniform(size=(200, 2))
    >>> round(two_nn_dimension(x).dimension)
    2
    """
    if not 0 <= discard < 1:
        raise ValueError(f"discard is {discard}; expected a share in [0, 1)")
    check_shares([level])
    distances, origin = _distinct(_distances(x, metric), source_epsilon(x, source_dtype))
    points = len(distances)
    if points < _FEWEST:
        raise ValueError(
            f"{points if points > 1 else 0} points have a nearest neighbour at a positive "
            f"distance; expected at least {_FEWEST} (duplicates carry no dimension)"
        )
    nearest, index = distances.topk(3, largest=False)
    logs = (nearest[:, 2] / nearest[:, 1]).log()
    used = max(2, int(points * (1 - discard)))
    order = logs.argsort()
    censored = logs.clamp(max=float(logs[order[used - 1]]))
    if float(censored.sum()) == 0:
        raise ValueError("all nearest neighbours are at one distance: the points form a lattice")
    dimension = used / float(censored.sum())
    scores = -dimension * censored
    scores[order[:used]] += 1
    error = _summed_scores(scores, index) ** 0.5 / used
    factor = exp(NormalDist().inv_cdf((1 + level) / 2) * error)
    reach = float(nearest[:, 2].median() / _middle(distances))
    copies = len(origin) - points
    return DimensionEstimate(
        dimension, dimension / factor, dimension * factor, points, copies, reach
    )


def local_pca_dimension(
    x: Any,
    *,
    neighbours: int = 20,
    share: float = 0.95,
    metric: PointMetric = "euclidean",
    source_dtype: DType | None = None,
) -> LocalDimension:
    """Count the dimensions of each point's neighbourhood by principal component analysis.

    Parameters
    ----------
    x : array or tensor, shape (N, ...), or (N, N) of distances
        Points, flattened; or their distances, for ``metric="precomputed"``.
    neighbours : int
        Nearest neighbours that make a neighbourhood, beside the point itself; of fewer distinct
        points all the others. The dimension cannot exceed this number.
    share : float
        Share of the neighbourhood's energy that the dimension holds, in (0, 1].
    metric : {"euclidean", "precomputed"}
        What ``x`` is.
    source_dtype : dtype, optional
        As for `two_nn_dimension`.

    Returns
    -------
    LocalDimension
        Named tuple (mean, low, high, each, copies, distinct); ``each`` has shape (N,), the same
        kind as ``x``; the other numbers are over distinct points.

    Raises
    ------
    ValueError
        If ``neighbours`` is not between 2 and N − 1, or a parameter is out of range.

    References
    ----------
    K. Fukunaga and D. Olsen, "An algorithm for finding intrinsic dimensionality of data", IEEE
    Trans. Computers 20 (1971).

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import local_pca_dimension
    >>> x = np.random.default_rng(0).normal(size=(60, 1)) * np.ones(5)
    >>> local_pca_dimension(x, neighbours=8).mean
    1.0
    """
    check_shares([share])
    distances, origin = _distinct(_distances(x, metric), source_epsilon(x, source_dtype))
    if not 2 <= neighbours < len(origin):
        raise ValueError(f"neighbours is {neighbours}; expected 2 to {len(origin) - 1}")
    nearest = min(neighbours + 1, len(distances))
    index = distances.topk(nearest, largest=False).indices
    distances, _ = to_unit(distances, (0, 1))
    parts = []
    for tile in tiles(len(index), 32.0 * index.shape[1] ** 2):
        i = index[tile]
        # Classical scaling: half the negative squared distances, centred, are the Gram matrix.
        gram = -0.5 * distances[i[:, :, None], i[:, None, :]].square()
        parts.append(gram_dimension(gram, [share], centred=True)[:, 0])
    each = torch.cat(parts)
    low, high = (float(each.double().quantile(q)) for q in (0.05, 0.95))
    copies = len(origin) - len(each)
    back = enter(x)[1]
    mean = float(each.double().mean())
    return LocalDimension(mean, low, high, back(each[origin]), copies, back(each))


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

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import point_distances
    >>> point_distances(np.array([[0.0, 0.0], [3.0, 4.0]]))
    array([[0., 5.],
           [5., 0.]])
    """
    points, back = enter(x)
    return back(_euclidean(points))


def _distances(x: Any, metric: PointMetric) -> Tensor:
    points, _ = enter(x)
    if metric == "euclidean":
        return _euclidean(points)
    if metric != "precomputed":
        raise ValueError(f"metric is {metric!r}; expected 'euclidean' or 'precomputed'")
    check_distances(points)
    return points


def _distinct(distances: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Keep the first of each group of copies; of every point, which of those it is."""
    near = distances <= min(_ROUNDING * eps, _MOST_ROUNDING) * distances.max()
    near.fill_diagonal_(False)
    if not bool(near.any()):
        return distances, torch.arange(len(distances), device=distances.device)
    pairs = near.nonzero().cpu().numpy().T
    from scipy.sparse import coo_matrix  # slow to import
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(pairs.shape[1], bool), (pairs[0], pairs[1])), distances.shape)
    _, first, origin = np.unique(
        connected_components(graph, directed=False)[1], return_index=True, return_inverse=True
    )
    kept = torch.from_numpy(first).to(distances.device)
    return distances[kept][:, kept], torch.from_numpy(origin).to(distances.device)


def _summed_scores(scores: Tensor, neighbours: Tensor) -> float:
    """Estimate the variance of a sum of scores, of which those that share a point depend."""
    from scipy.sparse import csr_matrix  # slow to import

    index, values = neighbours.cpu().numpy(), scores.cpu().numpy()
    each = np.repeat(np.arange(len(index)), index.shape[1])
    member = csr_matrix((np.ones(index.size), (each, index.ravel())), (len(index), len(index)))
    together = member @ member.T
    together.data[:] = 1.0
    return max(float(values @ (together @ values)), float(values @ values))


def _middle(distances: Tensor) -> float:
    """Return the median distance, of some thousand points at most."""
    some = distances[:_MOST, :_MOST]
    i, j = torch.triu_indices(len(some), len(some), 1, device=some.device)
    return float(some[i, j].median())


def _euclidean(points: Tensor) -> Tensor:
    check_not_empty(points)
    check_finite(points)
    if points.ndim < 2:
        raise ValueError(f"x has shape {tuple(points.shape)}; expected points, (samples, ...)")
    flat = points.reshape(len(points), -1)
    needed = 10.0 * len(flat) ** 2
    require(needed, DEFAULT_BUDGET, f"the distances of {len(flat)} points", "take fewer points")
    out = flat.new_zeros(len(flat), len(flat))
    flat, unit = to_unit(flat, (0, 1))
    pieces = _flat.column_tiles(flat, None)
    squared = _flat.squared_distances(pieces, out, lambda i: flat[i], lambda j: flat[j])
    return squared.sqrt_().mul_(unit)
