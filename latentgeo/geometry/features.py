"""The default kernel: projection and pseudo-logarithm of positive semi-definite matrices.

With S = UΛUᵀ restricted to its range, S is sent to the pair of UUᵀ / √2 and √w · U log(Λ) Uᵀ. Both
are defined at every rank. The map is explicit, so its kernel is positive definite and the distance
is Euclidean in the features, at one small eigenproblem per sample.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from latentgeo.geometry import _linalg
from latentgeo.geometry._arrays import A, DType, enter, enter_pair, epsilon, is_coarse
from latentgeo.geometry._checks import check_latents, check_matrices, check_square
from latentgeo.geometry._tiles import DEFAULT_BUDGET, tiles
from latentgeo.geometry.rank import small_gram
from latentgeo.geometry.unfolding import centre, unfold

Form = Literal["unfolding", "factor", "matrix"]
"""How S is given: X with S its covariance, X with S = XXᵀ, or S itself."""

_EPS64 = torch.finfo(torch.float64).eps


class RangeFactors(NamedTuple):
    """Positive semi-definite matrices S = UΛUᵀ restricted to their ranges.

    Attributes
    ----------
    basis : Tensor, shape (..., n, k)
        U: orthonormal columns, zero from the rank on.
    values : Tensor, shape (..., k)
        Eigenvalues of S, descending, zero from the rank on.
    rank : Tensor of int64, shape (...)
    """

    basis: Tensor
    values: Tensor
    rank: Tensor


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
    inside, back = enter(x)
    factors = range_factors(inside, form, epsilon(_source(x, source_dtype)))
    return back(_features(factors, _checked_weight(log_weight)))


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
    inside, other, back = enter_pair(x, y)
    first = range_factors(inside, form, epsilon(_source(x, source_dtype)))
    second = None
    if other is not None:
        second = range_factors(other, form, epsilon(_source(y, source_dtype)))
    return back(gram_of_factors(first, second, _checked_weight(log_weight), budget))


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
    inside, back = enter(z)
    check_latents(inside)
    eps = epsilon(_source(z, source_dtype))
    parts = [
        weight**0.5 * _features(range_factors(x, "unfolding", eps), _checked_weight(log_weight))
        for weight, x in zip(_checked_weights(weights), unfold(inside), strict=True)
    ]
    return back(torch.cat(parts, -1))


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
    inside, other, back = enter_pair(z, y)
    check_latents(inside)
    second = [None] * 3 if other is None else unfold(other)
    eps = epsilon(_source(z, source_dtype))
    eps_other = eps if y is None else epsilon(_source(y, source_dtype))
    grams = [
        gram_of_factors(
            range_factors(a, "unfolding", eps),
            None if b is None else range_factors(b, "unfolding", eps_other),
            _checked_weight(log_weight),
            budget,
        )
        for a, b in zip(unfold(inside), second, strict=True)
    ]
    weighted = [w * gram for w, gram in zip(_checked_weights(weights), grams, strict=True)]
    product = weighted[0] + weighted[1] + weighted[2]
    return ModeGrams(back(grams[0]), back(grams[1]), back(grams[2]), back(product))


def range_factors(x: Tensor, form: Form, eps: float) -> RangeFactors:
    """Restrict each S to its range, the rank cut by the spectrum rule."""
    if form == "matrix":
        return _factors_of_matrices(x, eps)
    check_matrices(x)
    if form == "factor":
        return _factors_of_factors(x, eps, torch.zeros((), dtype=x.dtype, device=x.device))
    if form != "unfolding":
        raise ValueError(f"form is {form!r}; expected 'unfolding', 'factor' or 'matrix'")
    flat = x.reshape(-1, *x.shape[-2:])
    parts = [
        _factors_of_unfoldings(flat[tile], eps)
        for tile in tiles(len(flat), 40.0 * x.shape[-2] * x.shape[-1])
    ]
    return RangeFactors(
        *(torch.cat(p).reshape(x.shape[:-2] + p[0].shape[1:]) for p in zip(*parts, strict=True))
    )


def gram_of_factors(
    first: RangeFactors, second: RangeFactors | None, log_weight: float, budget: float
) -> Tensor:
    """Sum the products of feature tiles; between a set and itself only the upper blocks."""
    other = first if second is None else second
    _check_one_size(first, other)
    size = first.basis.shape[-2]
    samples = len(first.basis) + (0 if second is None else len(other.basis))
    gram = first.basis.new_zeros(len(first.basis), len(other.basis))
    row_bytes = 16.0 * samples * size
    for rows in tiles(size, row_bytes, min(budget / 2, row_bytes * max(8, size // 8))):
        left = _feature_tile(first, rows, log_weight)
        if second is None:
            _add_upper(gram, left)
        else:
            gram.addmm_(left, _feature_tile(other, rows, log_weight).mT)
    return gram if second is not None else _mirror(gram)


def _factors_of_unfoldings(x: Tensor, eps: float) -> RangeFactors:
    columns = x.shape[-1]
    floor = max(x.shape[-2:]) * _EPS64 * x.abs().amax((-2, -1))
    basis, values, rank = _factors_of_factors(centre(x), eps, floor)
    return RangeFactors(basis, values / max(columns - 1, 1), rank)


def _factors_of_factors(x: Tensor, eps: float, floor: Tensor) -> RangeFactors:
    """Left singular vectors and squared singular values above the cut."""
    left, singular = _left_svd_by_gram(x) if is_coarse(eps) else _linalg.svd(x)[:2]
    cut = torch.maximum(max(x.shape[-2:]) * eps * singular.amax(-1), floor)
    keep = singular > cut[..., None]
    basis = left.masked_fill(~keep[..., None, :], 0.0)
    if is_coarse(eps):
        basis = _orthonormalise(basis)
    return RangeFactors(basis, singular.square().masked_fill(~keep, 0.0), keep.sum(-1))


def _left_svd_by_gram(x: Tensor) -> tuple[Tensor, Tensor]:
    """Left singular vectors through the smaller Gram matrix; orthonormal only to rounding/σ²."""
    values, vectors = _linalg.eigh(small_gram(x))
    values, vectors = values.flip(-1).clamp_min(0), vectors.flip(-1)
    singular = values.sqrt()
    if x.shape[-2] > x.shape[-1]:
        tiny = torch.finfo(x.dtype).tiny
        vectors = (x @ vectors) / singular.clamp_min(tiny)[..., None, :]
    return vectors, singular


def _orthonormalise(basis: Tensor) -> Tensor:
    """One Newton–Schulz step squares the distance from orthonormality; zero columns stay zero."""
    return 1.5 * basis - 0.5 * basis @ (basis.mT @ basis)


def _factors_of_matrices(s: Tensor, eps: float) -> RangeFactors:
    check_square(s)
    values, vectors = _linalg.eigh((s + s.mT) / 2)
    values, vectors = values.flip(-1), vectors.flip(-1)
    keep = values > s.shape[-1] * eps * values.abs().amax(-1, keepdim=True)
    return RangeFactors(
        vectors.masked_fill(~keep[..., None, :], 0.0), values.masked_fill(~keep, 0.0), keep.sum(-1)
    )


def _logarithms(factors: RangeFactors) -> Tensor:
    return torch.where(factors.values > 0, factors.values, 1.0).log()


def _features(factors: RangeFactors, log_weight: float) -> Tensor:
    basis = factors.basis
    projection = basis @ basis.mT
    logarithm = (basis * _logarithms(factors)[..., None, :]) @ basis.mT
    return torch.cat([svec(projection) * 0.5**0.5, svec(logarithm) * log_weight**0.5], -1)


def svec(x: Tensor) -> Tensor:
    """Upper triangle of symmetric matrices, off-diagonal entries times √2: an isometry."""
    row, column = torch.triu_indices(x.shape[-1], x.shape[-1], device=x.device).unbind()
    scale = torch.full_like(row, 2, dtype=x.dtype).sqrt().masked_fill(row == column, 1.0)
    return x[..., row, column] * scale


def _feature_tile(factors: RangeFactors, rows: slice, log_weight: float) -> Tensor:
    """Features that belong to some rows of the upper triangle (and their diagonal block twice)."""
    some, rest = factors.basis[:, rows], factors.basis[:, rows.start :].mT
    height = rows.stop - rows.start
    out = some.new_empty(len(some), 2, height, rest.shape[-1])
    torch.bmm(some * 0.5**0.5, rest, out=out[:, 0])
    torch.bmm(some * (log_weight**0.5 * _logarithms(factors))[:, None, :], rest, out=out[:, 1])
    out[..., height:] *= 2.0**0.5
    return out.reshape(len(some), -1)


def _add_upper(gram: Tensor, left: Tensor) -> None:
    """Add the product of a tile with itself, in the blocks on and above the diagonal."""
    step = max(256, -(-len(gram) // 8))
    for start in range(0, len(gram), step):
        block = slice(start, start + step)
        gram[block, start:].addmm_(left[block], left[start:].mT)


def _mirror(gram: Tensor) -> Tensor:
    """Copy the upper blocks to the lower ones, so that the matrix is symmetric to the bit."""
    step = max(256, -(-len(gram) // 8))
    for start in range(0, len(gram), step):
        stop = min(start + step, len(gram))
        gram[stop:, start:stop] = gram[start:stop, stop:].mT
        corner = gram[start:stop, start:stop]
        gram[start:stop, start:stop] = (corner + corner.mT) / 2
    return gram


def _check_one_size(first: RangeFactors, second: RangeFactors) -> None:
    for basis in (first.basis, second.basis):
        if basis.ndim != 3:
            raise ValueError(
                f"a Gram matrix is of a set of matrices, shape (samples, rows, columns); "
                f"got {basis.ndim} dimensions"
            )
    if first.basis.shape[-2] != second.basis.shape[-2]:
        raise ValueError(
            f"x and y hold matrices of {first.basis.shape[-2]} and {second.basis.shape[-2]} rows; "
            "expected the same"
        )


def _checked_weight(log_weight: float) -> float:
    if not 0 <= log_weight < float("inf"):
        raise ValueError(f"log_weight is {log_weight}; expected a number of at least 0")
    return float(log_weight)


def _checked_weights(weights: Sequence[float]) -> list[float]:
    if len(weights) != 3 or any(not 0 <= w < float("inf") for w in weights):
        raise ValueError(f"weights are {tuple(weights)}; expected three numbers of at least 0")
    return [float(weight) for weight in weights]


def _source(x: Any, source_dtype: DType | None) -> Any:
    if source_dtype is not None:
        return source_dtype
    return x if hasattr(x, "dtype") else "float64"
