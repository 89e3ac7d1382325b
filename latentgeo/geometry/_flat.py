"""Metrics that are Euclidean in explicit features, and Gram matrices from tiles of features.

The features of S = UΛUᵀ are √p·svec(UUᵀ)/√2 beside √w·svec(U log(Λ) Uᵀ): p = 1, w = 0 is the
projection metric, p = w = 1 projection + pseudo-log, and p = 0, w = 1 log-Euclidean.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from latentgeo.geometry._factors import RangeFactors
from latentgeo.geometry._tiles import require, tiles


class FlatWeights(NamedTuple):
    """Weights of the projection and of the logarithm in squared distances."""

    projection: float
    logarithm: float


def features(factors: RangeFactors, weights: FlatWeights) -> Tensor:
    """Explicit features (samples, D), D = n(n+1)/2 for each part of positive weight."""
    basis = factors.basis
    parts = [svec((basis * scale[:, None, :]) @ basis.mT) for scale in _scales(factors, weights)]
    return torch.cat(parts, -1)


def gram(
    first: RangeFactors,
    second: RangeFactors | None,
    weights: FlatWeights,
    budget: float,
    centred: bool = False,
) -> Tensor:
    """Sum the products of feature tiles; between a set and itself only the upper blocks.

    ``centred`` takes the mean of all features away, which leaves distances as they are and keeps
    their digits where all points are close together.
    """
    other = first if second is None else second
    size = first.basis.shape[-2]
    samples = len(first.basis) + (0 if second is None else len(other.basis))
    row_bytes = 32.0 * samples * size
    held = sum(8.0 * f.basis.numel() for f in (first, second) if f is not None)
    require(held + row_bytes, budget, f"a Gram matrix of {samples} samples", _WAY_OUT)
    out = first.basis.new_zeros(len(first.basis), len(other.basis))
    scales = list(zip(_scales(first, weights), _scales(other, weights), strict=True))
    for rows in tiles(size, row_bytes, min(budget - held, row_bytes * max(8, size // 8))):
        for scale, other_scale in scales:
            left = _tile(first.basis, scale, rows)
            right = left if second is None else _tile(other.basis, other_scale, rows)
            _add_product(out, left, right, centred)
    return out if second is not None else _mirror(out)


def require_factors(samples: int, rows: int, columns: int, budget: float) -> None:
    """Refuse, before any work, sets whose factors alone are over the budget."""
    needed = 8.0 * samples * rows * (min(rows, columns) + 4)
    require(needed, budget, f"factors of {samples} matrices of {rows} rows", _WAY_OUT)


_WAY_OUT = "work in blocks of samples, use Nystroem features of fewer landmarks"


def squared_norms(factors: RangeFactors, weights: FlatWeights) -> Tensor:
    """Squared norms of the features, which need no features."""
    return (
        weights.projection * factors.rank / 2
        + weights.logarithm * factors.logarithms.square().sum(-1)
    )


def svec(x: Tensor) -> Tensor:
    """Upper triangle of symmetric matrices, off-diagonal entries times √2: an isometry."""
    row, column = torch.triu_indices(x.shape[-1], x.shape[-1], device=x.device).unbind()
    scale = torch.full_like(row, 2, dtype=x.dtype).sqrt().masked_fill(row == column, 1.0)
    return x[..., row, column] * scale


def _scales(factors: RangeFactors, weights: FlatWeights) -> list[Tensor]:
    """Give what stands between U and Uᵀ in each part of positive weight."""
    scales = []
    if weights.projection > 0:
        kept = (factors.values > 0).to(factors.values.dtype)
        scales.append(kept * (weights.projection / 2) ** 0.5)
    if weights.logarithm > 0 or not scales:
        scales.append(factors.logarithms * weights.logarithm**0.5)
    return scales


def _tile(basis: Tensor, scale: Tensor, rows: slice) -> Tensor:
    """Features that belong to some rows of the upper triangle (and their diagonal block twice)."""
    height = rows.stop - rows.start
    tile = torch.bmm(basis[:, rows] * scale[:, None, :], basis[:, rows.start :].mT)
    tile[..., height:] *= 2.0**0.5
    return tile.reshape(len(tile), -1)


def _add_product(out: Tensor, left: Tensor, right: Tensor, centred: bool) -> None:
    """Add left·rightᵀ; of a set with itself only the blocks on and above the diagonal."""
    same = right is left
    if centred:
        mean = (left.sum(0) + right.sum(0)) / (len(left) + len(right))
        left = left.sub_(mean)
        right = left if same else right.sub_(mean)
    if not same:
        out.addmm_(left, right.mT)
        return
    step = max(256, -(-len(out) // 8))
    for start in range(0, len(out), step):
        block = slice(start, start + step)
        out[block, start:].addmm_(left[block], left[start:].mT)


def _mirror(out: Tensor) -> Tensor:
    """Copy the upper blocks to the lower ones, so that the matrix is symmetric to the bit."""
    step = max(256, -(-len(out) // 8))
    for start in range(0, len(out), step):
        stop = min(start + step, len(out))
        out[stop:, start:stop] = out[start:stop, stop:].mT
        corner = out[start:stop, start:stop]
        out[start:stop, start:stop] = (corner + corner.mT) / 2
    return out
