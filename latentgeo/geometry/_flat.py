"""Metrics that are Euclidean in explicit features, and Gram matrices from tiles of features.

The features of S = UΛUᵀ are √p·svec(UUᵀ)/√2 beside √w·svec(U log(Λ) Uᵀ): p = 1, w = 0 is the
projection metric, p = w = 1 projection + pseudo-log, and p = 0, w = 1 log-Euclidean.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from latentgeo.geometry import _linalg
from latentgeo.geometry._factors import RangeFactors
from latentgeo.geometry._tiles import require, require_result, tiles


class FlatWeights(NamedTuple):
    """Weights of the projection and of the logarithm in squared distances."""

    projection: float
    logarithm: float


def features(factors: RangeFactors, weights: FlatWeights) -> Tensor:
    """Explicit features (samples, D), D = n(n+1)/2 for each part of positive weight."""
    basis = factors.basis
    parts = [svec((basis * scale[:, None, :]) @ basis.mT) for scale in _scales(factors, weights)]
    return torch.cat(parts, -1)


def width(rows: int, weights: FlatWeights) -> int:
    """Count the features of a matrix: an upper triangle for each part of positive weight."""
    parts = max(1, (weights.projection > 0) + (weights.logarithm > 0))
    return parts * rows * (rows + 1) // 2


def gram(
    first: RangeFactors, second: RangeFactors | None, weights: FlatWeights, budget: float
) -> Tensor:
    """Gram matrix, from the products of feature tiles."""
    other = first if second is None else second
    out = first.basis.new_zeros(len(first.basis), len(other.basis))
    with _linalg.on_one_thread_if_small(float(out.numel()) * first.basis.shape[-2] ** 2):
        for left, right in feature_tiles(first, second, weights, budget):
            add_product(out, left, right)
        return out if second is not None else mirror(out)


def feature_tiles(
    first: RangeFactors, second: RangeFactors | None, weights: FlatWeights, budget: float
) -> Iterator[tuple[Tensor, Tensor]]:
    """Give the features of both sets a few columns at a time; the same tensor twice for one set."""
    size = first.basis.shape[-2]
    samples = len(first.basis) + (0 if second is None else len(second.basis))
    row_bytes = 32.0 * samples * size
    held = sum(8.0 * f.basis.numel() for f in (first, second) if f is not None)
    require(held + row_bytes, budget, f"a Gram matrix of {samples} samples", _WAY_OUT)
    for rows in tiles(size, row_bytes, min(budget - held, row_bytes * max(8, size // 8))):
        for part, scale in enumerate(_scales(first, weights)):
            left = _tile(first.basis, scale, rows)
            if second is None:
                yield left, left
            else:
                yield left, _tile(second.basis, _scales(second, weights)[part], rows)


def column_tiles(first: Tensor, second: Tensor | None) -> Iterator[tuple[Tensor, Tensor]]:
    """Give explicit features (samples, D) a few columns at a time."""
    for part in tiles(first.shape[1], 8.0 * len(first)):
        left = first[:, part].clone()
        yield left, left if second is None else second[:, part].clone()


def squared_distances(
    pieces: Iterable[tuple[Tensor, Tensor]],
    out: Tensor,
    rows_of_first: Callable[[Tensor], Tensor],
    rows_of_second: Callable[[Tensor], Tensor],
) -> Tensor:
    """Squared distances from tiles of features, into ``out`` (zeros); no larger temporaries.

    The mean of all features is taken away first, which leaves distances as they are and keeps
    their digits where the sets are far from the origin. Pairs that are close together beside
    their norms are done again from the differences of their features (``rows_of_…(index)``).
    """
    lefts, rights = out.new_zeros(out.shape[0]), out.new_zeros(out.shape[1])
    same = True
    for left, right in pieces:
        same = right is left
        mean = (left.sum(0) + right.sum(0)) / (len(left) + len(right))
        left -= mean
        if not same:
            right -= mean
        lefts += left.square().sum(1)
        rights += right.square().sum(1)
        add_product(out, left, right)
    if same:
        mirror(out)
    _distances_in_place(out, lefts, rights, rows_of_first, rows_of_second, same)
    return out


def _distances_in_place(
    out: Tensor,
    lefts: Tensor,
    rights: Tensor,
    rows_of_first: Callable[[Tensor], Tensor],
    rows_of_second: Callable[[Tensor], Tensor],
    same: bool,
) -> None:
    for rows in tiles(len(out), 32.0 * out.shape[1]):
        norms = lefts[rows, None] + rights
        block = out[rows].mul_(-2).add_(norms)
        close = block < _CLOSE * norms
        if same:
            offset = torch.arange(rows.start, rows.stop, device=out.device)
            close[torch.arange(len(offset), device=out.device), offset] = False
            block[torch.arange(len(offset), device=out.device), offset] = 0.0
        near = close.nonzero()
        for tile in tiles(len(near), 1.0, 256.0):
            pairs = near[tile]
            gap = rows_of_first(pairs[:, 0] + rows.start) - rows_of_second(pairs[:, 1])
            block[pairs[:, 0], pairs[:, 1]] = gap.square().sum(1)
        block.clamp_min_(0)


def require_table(first: Tensor, second: Tensor | None) -> None:
    """Refuse, before any work, sets with more pairs than memory."""
    columns = len(first if second is None else second)
    what = f"a table of {len(first)} x {columns} pairs"
    require_result(8.0 * len(first) * columns, first, what, _WAY_OUT)


def require_features(samples: int, width: int, x: Tensor) -> None:
    """Refuse, before any work, features that are more than memory."""
    what = f"a table of {samples} samples x {width} features"
    require_result(8.0 * samples * width, x, what, _FEATURES_WAY_OUT)


def require_factors(samples: int, rows: int, columns: int, budget: float, copies: int = 1) -> None:
    """Refuse, before any work, sets whose factors (in so many copies) are over the budget."""
    needed = 8.0 * copies * samples * rows * (min(rows, columns) + 4)
    require(needed, budget, f"factors of {samples} matrices of {rows} rows", _WAY_OUT)


_CLOSE = 1e-5
"""Squared distances below this share of the squared norms have lost digits to cancellation."""
_FEATURES_WAY_OUT = (
    "take a Gram matrix, which is made in tiles, use Nystroem features of fewer columns, or work "
    "in blocks of samples"
)
_WAY_OUT = "work in blocks of samples, use Nystroem features of fewer landmarks, or raise budget="


def squared_norms(factors: RangeFactors, weights: FlatWeights) -> Tensor:
    """Squared norms of the features, which need no features."""
    return (
        weights.projection * factors.rank / 2
        + weights.logarithm * factors.logarithms.square().sum(-1)
    )


def svec(x: Tensor) -> Tensor:
    """Upper triangle of symmetric matrices, off-diagonal entries times √2: an isometry."""
    size = x.shape[-1]
    row, column = torch.triu_indices(size, size, device=x.device).unbind()
    scale = torch.full_like(row, 2, dtype=x.dtype).sqrt().masked_fill(row == column, 1.0)
    # One flat index takes half the time of two.
    return x.flatten(-2).index_select(-1, row * size + column) * scale


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


def add_product(out: Tensor, left: Tensor, right: Tensor) -> None:
    """Add left·rightᵀ; of a set with itself only the blocks on and above the diagonal."""
    if right is not left:
        out.addmm_(left, right.mT)
        return
    step = max(256, -(-len(out) // 8))
    for start in range(0, len(out), step):
        block = slice(start, start + step)
        out[block, start:].addmm_(left[block], left[start:].mT)


def mirror(out: Tensor) -> Tensor:
    """Copy the upper blocks to the lower ones, so that the matrix is symmetric to the bit."""
    step = max(256, -(-len(out) // 8))
    for start in range(0, len(out), step):
        stop = min(start + step, len(out))
        out[stop:, start:stop] = out[start:stop, stop:].mT
        corner = out[start:stop, start:stop]
        out[start:stop, start:stop] = corner.triu() + corner.triu(1).mT
    return out
