"""Bures–Wasserstein geometry of positive semi-definite matrices, within and between ranks.

With S = YYᵀ it is Euclidean geometry of factors Y up to rotation: aligned factors make straight
lines, and means of aligned factors make Fréchet means.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from latentgeo.geometry import _linalg
from latentgeo.geometry._arrays import A, DType, enter_pair, enter_raw, source_epsilon
from latentgeo.geometry._checks import check_matrices, check_set, check_weights
from latentgeo.geometry._factors import Form, range_factors


class FrechetMean(NamedTuple):
    """A Fréchet mean under the Bures–Wasserstein distance.

    Attributes
    ----------
    factor : array or tensor, shape (n, k)
        Y of the mean YYᵀ.
    dispersion : float
        Mean squared distance to the mean.
    iterations : int
    converged : bool
        Whether the last step was below the tolerance.
    """

    factor: Any
    dispersion: float
    iterations: int
    converged: bool


def bures_wasserstein_geodesic(
    a: A, b: A, times: Sequence[float] | float, *, form: Form = "matrix"
) -> A:
    """Shortest path between two positive semi-definite matrices, of any two ranks.

    Parameters
    ----------
    a, b : array or tensor, shape (n, n), or (n, m) for factors and unfoldings
        The ends.
    times : float or sequence of float
        Where on the path, 0 at ``a`` and 1 at ``b``.
    form : {"matrix", "factor", "unfolding"}
        How the ends are given.

    Returns
    -------
    array or tensor, shape (n, n), or (times, n, n) for a sequence
        The same kind as ``a``. Inside the path the rank is at least the larger one of the ends
        (of all but exceptional times).

    Raises
    ------
    ValueError
        As for `latentgeo.geometry.distance`.

    References
    ----------
    Y. Thanwerdas and X. Pennec, 2204.09928, section 4: geodesics between strata.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import bures_wasserstein_geodesic
    >>> line, circle = np.diag([1.0, 0.0]), np.eye(2)
    >>> bures_wasserstein_geodesic(line, circle, [0.5]).round(2)
    array([[[1.  , 0.  ],
            [0.  , 0.25]]])
    """
    first, second, back = enter_pair(a, b, raw=True)
    assert second is not None
    check_matrices(first, "a")
    check_matrices(second, "b")
    x = range_factors(first[None], form, source_epsilon(a, None), "a").half[0]
    y = range_factors(second[None], form, source_epsilon(b, None), "b").half[0]
    x, y = _one_width(x, y)
    moved = y @ _alignment(x, y)
    t = torch.as_tensor(times, dtype=x.dtype, device=x.device)[..., None, None]
    factor = (1 - t) * x + t * moved
    return back(factor @ factor.mT)


def frechet_mean(
    x: A,
    *,
    form: Form = "matrix",
    weights: Sequence[float] | None = None,
    tolerance: float = 1e-10,
    max_iterations: int = 200,
    source_dtype: DType | None = None,
) -> FrechetMean:
    """Fréchet mean of positive semi-definite matrices under the Bures–Wasserstein distance.

    Factors are aligned to the mean and averaged in turn, which never raises the dispersion
    (gradient descent of step one in the quotient).

    Parameters
    ----------
    x : array or tensor, shape (N, n, n), or (N, n, m) for factors and unfoldings
        The set; ranks may differ, and the mean then has at most the highest.
    form, source_dtype
        As for `latentgeo.geometry.distance`.
    weights : sequence of float, optional
        One for each matrix; equal by default.
    tolerance : float
        Stop at a step of this size relative to the mean factor.
    max_iterations : int
        Stop then in any case.

    Returns
    -------
    FrechetMean
        Named tuple (factor, dispersion, iterations, converged).

    Raises
    ------
    ValueError
        As for `latentgeo.geometry.distance`, or if a weight is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import frechet_mean
    >>> found = frechet_mean(np.stack([np.diag([1.0, 1.0]), np.diag([9.0, 1.0])]))
    >>> round(found.dispersion, 3), found.converged
    (1.0, True)
    """
    inside, back = enter_raw(x)
    check_set(inside, "x")
    factors = range_factors(inside, form, source_epsilon(x, source_dtype)).half
    shares = _shares(weights, len(factors)).to(factors)
    mean, iterations, step = factors[int(shares.argmax())], 0, float("inf")
    while step > tolerance and iterations < max_iterations:
        aligned = factors @ _alignment(mean, factors)
        moved = (shares[:, None, None] * aligned).sum(0)
        step = float(((moved - mean).norm() / moved.norm().clamp_min(1e-300)).detach())
        mean, iterations = moved, iterations + 1
    aligned = factors @ _alignment(mean, factors)
    dispersion = float((shares * (aligned - mean).square().sum((-2, -1))).sum().detach())
    return FrechetMean(back(mean), dispersion, iterations, step <= tolerance)


def factor_of_rank(s: Tensor, rank: int) -> Tensor:
    """Return Y (..., n, k) with YYᵀ the best approximation of S of rank k."""
    values, vectors = _linalg.eigh((s + s.mT) / 2)
    values, vectors = values[..., -rank:].flip(-1), vectors[..., -rank:].flip(-1)
    return vectors * values.clamp_min(0).sqrt()[..., None, :]


def horizontal_lift(tangent: Tensor, factor: Tensor) -> Tensor:
    """Return Z with YZᵀ + ZYᵀ the tangent vector and YᵀZ symmetric; YᵀY must be diagonal."""
    gram = factor.square().sum(-2)
    across = tangent @ factor
    inner = factor.mT @ across
    symmetric = inner / (gram[..., :, None] + gram[..., None, :])
    inside = factor @ (symmetric / gram[..., :, None])
    normal = across - factor @ ((factor.mT @ across) / gram[..., :, None])
    return inside + normal / gram[..., None, :]


def align(factor: Tensor, base: Tensor) -> Tensor:
    """Rotate factors (..., n, k) as close as possible to the base's."""
    return factor @ _alignment(base, factor)


def _alignment(base: Tensor, factor: Tensor) -> Tensor:
    """Orthogonal Q that brings factor·Q closest to base."""
    left, _, right = _linalg.svd(factor.mT @ base)
    return left @ right


def _one_width(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    width = max(x.shape[-1], y.shape[-1])
    pad = torch.nn.functional.pad
    return pad(x, (0, width - x.shape[-1])), pad(y, (0, width - y.shape[-1]))


def _shares(weights: Sequence[float] | None, count: int) -> Tensor:
    if weights is None:
        return torch.full((count,), 1.0 / count, dtype=torch.float64)
    check_weights(weights, count)
    shares = torch.as_tensor(weights, dtype=torch.float64)
    if float(shares.sum()) == 0:
        raise ValueError("all weights are zero; expected a positive one at least")
    return shares / shares.sum()
