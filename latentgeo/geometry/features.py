"""The default kernel: projection and pseudo-logarithm of positive semi-definite matrices.

With S = UΛUᵀ restricted to its range, S is sent to the pair of UUᵀ / √2 and √w · U log(Λ) Uᵀ. Both
are defined at every rank. The map is explicit, so its kernel is positive definite and the distance
is Euclidean in the features, at one small eigenproblem per sample.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

from latentgeo.geometry import _flat, _linalg
from latentgeo.geometry._arrays import A, DType, enter_pair, enter_raw
from latentgeo.geometry._checks import (
    check_latents,
    check_matrices,
    check_set,
    check_weight,
    check_weights,
)
from latentgeo.geometry._factors import Form, range_factors, source_epsilon
from latentgeo.geometry._flat import FlatWeights
from latentgeo.geometry._tiles import DEFAULT_BUDGET, piece_bytes, tiles
from latentgeo.geometry.unfolding import unfold


class ModeGrams(NamedTuple):
    """Gram matrices of the three modes and of their weighted sum."""

    rows: Any
    columns: Any
    channels: Any
    product: Any


def pseudo_log_features(
    x: A,
    *,
    form: Form = "unfolding",
    log_weight: float = 1.0,
    source_dtype: DType | None = None,
) -> A:
    r"""Explicit features of the projection + pseudo-log kernel.

    :math:`\phi(S) = (\mathrm{svec}(UU^\top)/\sqrt 2,\ \sqrt w\,\mathrm{svec}(U \log\Lambda\,
    U^\top))` with svec the upper triangle, its off-diagonal entries times √2. Squared distances
    between first parts are the chordal distances Σ sin²θ between ranges of one rank.

    Parameters
    ----------
    x : array or tensor, shape (..., rows, columns)
        Unfoldings, factors or matrices, as ``form`` says.
    form : {"unfolding", "factor", "matrix"}
        What ``x`` is: an unfolding with S its covariance, a factor with S = XXᵀ, or S itself.
    log_weight : float
        w, the weight of the logarithmic part.
    source_dtype : dtype, optional
        What the numbers were computed in; decides where the rank is cut (spectrum rule).

    Returns
    -------
    array or tensor, shape (..., rows·(rows + 1)), float64
        The same kind as ``x``.

    Raises
    ------
    ValueError
        If ``x`` is empty, not finite, or (for matrices) not square.
    """
    inside, back = enter_raw(x)
    check_matrices(inside)
    weights = FlatWeights(1.0, check_weight(log_weight, "log_weight"))
    flat = inside.reshape(-1, *inside.shape[-2:])
    width = _flat.width(flat.shape[-2], weights)
    _flat.require_features(len(flat), width, flat)
    out = flat.new_empty(len(flat), width, dtype=torch.float64)
    _fill_features(out, flat, form, source_epsilon(x, source_dtype), weights)
    return back(out.reshape(*inside.shape[:-2], width))


def pseudo_log_gram(
    x: A,
    y: A | None = None,
    *,
    form: Form = "unfolding",
    log_weight: float = 1.0,
    source_dtype: DType | None = None,
    budget: float = DEFAULT_BUDGET,
) -> A:
    """Gram matrix of the projection + pseudo-log kernel, from tiles of features.

    Parameters
    ----------
    x : array or tensor, shape (n, rows, columns)
        One set of unfoldings, factors or matrices, as ``form`` says.
    y : array or tensor, shape (m, rows, columns'), optional
        Another set; by default ``x`` again.
    form, log_weight, source_dtype
        As for `pseudo_log_features`.
    budget : float
        Bytes that the tiles of features may take at a time.

    Returns
    -------
    array or tensor, shape (n, m), float64
        The same kind as ``x``.
    """
    inside, other, back = enter_pair(x, y, raw=True)
    weights = FlatWeights(1.0, check_weight(log_weight, "log_weight"))
    eps = [source_epsilon(a, source_dtype) for a in (x, x if y is None else y)]
    return back(_gram_of_sets(inside, other, form, eps, weights, budget))


def mode_features(
    z: A,
    *,
    weights: Sequence[float] = (1.0, 1.0, 1.0),
    log_weight: float = 1.0,
    source_dtype: DType | None = None,
) -> A:
    """Features of whole latents: those of the three modes, weighted and side by side.

    Parameters
    ----------
    z : array or tensor, shape (..., C, H, W)
        Latents.
    weights : three floats
        Weights of the modes S1, S2, S3 in the product kernel (a sum of kernels, so that squared
        distances add up).
    log_weight, source_dtype
        As for `pseudo_log_features`.

    Returns
    -------
    array or tensor, shape (..., H(H+1) + W(W+1) + C(C+1)), float64
        The same kind as ``z``.
    """
    inside, back = enter_raw(z)
    check_latents(inside)
    check_weights(weights, 3)
    eps = source_epsilon(z, source_dtype)
    flat = FlatWeights(1.0, check_weight(log_weight, "log_weight"))
    modes = unfold(inside.reshape(-1, *inside.shape[-3:]))
    samples, ends = len(modes[0]), [0]
    for x in modes:
        ends.append(ends[-1] + _flat.width(x.shape[-2], flat))
    _flat.require_features(samples, ends[-1], inside)
    out = inside.new_empty(samples, ends[-1], dtype=torch.float64)
    for weight, x, (start, stop) in zip(weights, modes, pairwise(ends), strict=True):
        _fill_features(out[:, start:stop], x, "unfolding", eps, flat)
        out[:, start:stop] *= weight**0.5
    return back(out.reshape(*inside.shape[:-3], -1))


def mode_grams(
    z: A,
    y: A | None = None,
    *,
    weights: Sequence[float] = (1.0, 1.0, 1.0),
    log_weight: float = 1.0,
    source_dtype: DType | None = None,
    budget: float = DEFAULT_BUDGET,
) -> ModeGrams:
    """Gram matrices of latents under the default kernel: each mode, and their weighted sum.

    Parameters
    ----------
    z : array or tensor, shape (n, C, H, W)
        Latents.
    y : array or tensor, shape (m, C, H, W), optional
        Another set; by default ``z`` again.
    weights : three floats
        Weights of the modes in ``product``; the single modes are given without.
    log_weight, source_dtype, budget
        As for `pseudo_log_gram`.

    Returns
    -------
    ModeGrams
        Named tuple (rows, columns, channels, product) of (n, m) arrays, float64.
    """
    inside, other, back = enter_pair(z, y, raw=True)
    check_latents(inside)
    check_weights(weights, 3)
    flat = FlatWeights(1.0, check_weight(log_weight, "log_weight"))
    eps = [source_epsilon(a, source_dtype) for a in (z, z if y is None else y)]
    second = [None] * 3 if other is None else unfold(other)
    grams = [
        _gram_of_sets(a, b, "unfolding", eps, flat, budget)
        for a, b in zip(unfold(inside), second, strict=True)
    ]
    product = torch.zeros_like(grams[0])
    for weight, gram in zip(weights, grams, strict=True):
        product.add_(gram, alpha=weight)
    return ModeGrams(*(back(gram) for gram in (*grams, product)))


def _fill_features(out: Tensor, x: Tensor, form: Form, eps: float, weights: FlatWeights) -> None:
    """Make features of a set a few samples at a time, so that its factors are never held whole."""
    rows, columns = x.shape[-2:]
    pieces = tiles(len(x), 8.0 * rows * (6 * rows + columns), piece_bytes(x))

    def features(piece: slice) -> None:
        out[piece] = _flat.features(range_factors(x[piece], form, eps), weights)

    _linalg.map_tiles(features, pieces, 8.0 * x.numel() * min(rows, columns), x)


def _gram_of_sets(
    x: Tensor,
    y: Tensor | None,
    form: Form,
    eps: Sequence[float],
    weights: FlatWeights,
    budget: float,
) -> Tensor:
    check_set(x, "x")
    samples, columns = len(x), x.shape[-1]
    if y is not None:
        check_set(y, "y", rows=x.shape[-2])
        samples, columns = samples + len(y), max(columns, y.shape[-1])
    _flat.require_table(x, y)
    _flat.require_factors(samples, x.shape[-2], columns, budget)
    first = range_factors(x, form, eps[0])
    second = None if y is None else range_factors(y, form, eps[1], "y")
    return _flat.gram(first, second, weights, budget)
