"""Metrics that need an eigenproblem for each pair.

Each is a triple of functions. `left` and `right` give, once per sample, the matrices whose product
for a pair (i, j) holds all that the two have in common; `between` turns products into distances,
and goes back to the samples only where the quick way would lose digits.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

from latentgeo.geometry import _linalg
from latentgeo.geometry._factors import RangeFactors
from latentgeo.geometry._flat import mirror
from latentgeo.geometry._logarithms import squared_logarithms
from latentgeo.geometry._tiles import piece_bytes, tiles
from latentgeo.geometry.angles import angles_from_cross

Index = Tensor
_COPIES_OF_A_PRODUCT = 4
_ROWS_AT_ONCE = 16
_SUMS_WITHOUT_EIGENVALUES_FROM = 12


@dataclass(frozen=True)
class PairMetric:
    """One metric of this kind; ``between(cross, a, b, i, j, weight)`` has pairs in its batch."""

    left: Callable[[RangeFactors], Tensor]
    right: Callable[[RangeFactors], Tensor]
    between: Callable[[Tensor, RangeFactors, RangeFactors, Index, Index, float], Tensor]


def aligned(
    metric: PairMetric, a: RangeFactors, b: RangeFactors, i: Index, j: Index, weight: float
) -> Tensor:
    """Distances of listed pairs (i, j)."""
    left, right = metric.left(a), metric.right(b)
    bytes_each = 8.0 * (left[0].numel() + right[0].numel() + 4 * left.shape[-2] * right.shape[-1])
    parts = _linalg.map_tiles(
        lambda t: metric.between(left[i[t]] @ right[j[t]], a, b, i[t], j[t], weight),
        tiles(len(i), bytes_each, piece_bytes(left)),
        bytes_each * len(i) * left.shape[-2],
        left,
    )
    return torch.cat(parts)


def crossed(metric: PairMetric, a: RangeFactors, b: RangeFactors | None, weight: float) -> Tensor:
    """Distances of all pairs, by blocks of rows; of a set with itself each pair once."""
    other = a if b is None else b
    left, right = metric.left(a), metric.right(other)
    out = left.new_zeros(len(left), len(right))
    size = left.shape[-2] * right.shape[-1]

    def fill(block: tuple[slice, slice]) -> None:
        rows, columns = block
        i, j = _grid(rows, columns, left.device)
        found = metric.between(_outer(left[rows], right[columns]), a, other, i, j, weight)
        out[rows, columns] = found.reshape(rows.stop - rows.start, -1)

    blocks = _blocks(len(left), len(right), 8.0 * _COPIES_OF_A_PRODUCT * size, left, b is None)
    _linalg.map_tiles(fill, blocks, 8.0 * out.numel() * size * left.shape[-2], left)
    if b is not None:
        return out
    out.diagonal().zero_()
    return mirror(out)


def _blocks(
    rows: int, columns: int, bytes_each: float, x: Tensor, upper: bool
) -> Iterator[tuple[slice, slice]]:
    """Cut the table of pairs into blocks whose cross products take bounded memory.

    Blocks of an upper triangle start at their own diagonal: few rows waste little below it.
    """
    pairs = max(1, int(2 * piece_bytes(x) / bytes_each))
    height = max(1, min(_ROWS_AT_ONCE, pairs // max(columns, 1)))
    for block in tiles(rows, 1.0, float(height)):
        start = block.start if upper else 0
        for part in tiles(columns - start, 1.0, float(max(1, pairs // height))):
            yield block, slice(part.start + start, part.stop + start)


def _grid(rows: slice, columns: slice, device: torch.device) -> tuple[Index, Index]:
    i = torch.arange(rows.start, rows.stop, device=device)
    j = torch.arange(columns.start, columns.stop, device=device)
    return i.repeat_interleave(len(j)), j.repeat(len(i))


def _outer(left: Tensor, right: Tensor) -> Tensor:
    """All products leftᵢ rightⱼ, flattened over pairs, as one large matrix product."""
    rows, height, inner = left.shape
    columns, _, width = right.shape
    product = left.reshape(rows * height, inner) @ right.movedim(1, 0).reshape(inner, -1)
    blocks = product.reshape(rows, height, columns, width).transpose(1, 2)
    return blocks.reshape(rows * columns, height, width)


def _common(a: RangeFactors, b: RangeFactors, i: Index, j: Index) -> Tensor:
    return torch.minimum(a.rank[i], b.rank[j])


def _bures_wasserstein(
    cross: Tensor, a: RangeFactors, b: RangeFactors, i: Index, j: Index, _: float
) -> Tensor:
    nuclear = _linalg.singular_values_by_squares(cross, _common(a, b, i, j), 1e-4).sum(-1)
    traces = a.values.sum(-1)[i] + b.values.sum(-1)[j]
    squared = traces - 2 * nuclear
    close = squared < 1e-6 * traces
    if a is b:  # of a set with itself the rest is mirrored
        close &= i < j
    if bool(close.any()):
        squared[close] = _procrustes_residual(cross[close], a, b, i[close], j[close])
    return squared.clamp_min(0).sqrt()


def _procrustes_residual(
    cross: Tensor, a: RangeFactors, b: RangeFactors, i: Index, j: Index
) -> Tensor:
    """Sum the smallest ‖X − YO‖² over orthogonal O from differences that do not cancel."""
    pad = torch.nn.functional.pad
    rows, width = a.basis.shape[-2], max(cross.shape[-2:])
    short_a, short_b = width - cross.shape[-2], width - cross.shape[-1]
    parts = []
    for tile in tiles(len(i), 8.0 * width * (6 * rows + 6 * width), piece_bytes(cross)):
        left, _, right = _linalg.svd(pad(cross[tile], (0, short_b, 0, short_a)))
        x = pad(a.take(i[tile]).half, (0, short_a))
        y = pad(b.take(j[tile]).half, (0, short_b))
        residual = x - y @ (right.mT @ left.mT)
        parts.append(residual.square().sum((-2, -1)))
    return torch.cat(parts)


def _log_ratios(cross: Tensor, a: RangeFactors, b: RangeFactors, i: Index, j: Index) -> Tensor:
    """Half the logarithms of the generalised eigenvalues of (B, A)."""
    return _linalg.singular_values_by_squares(cross, _common(a, b, i, j), 1e-3).log()


def _affine_invariant(
    cross: Tensor, a: RangeFactors, b: RangeFactors, i: Index, j: Index, _: float
) -> Tensor:
    if cross.shape[-1] < _SUMS_WITHOUT_EIGENVALUES_FROM or not _linalg.runs_through_numpy(cross):
        return _by_log_ratios(cross, a, b, i, j)
    centre = b.logarithms.mean(-1)[j] - a.logarithms.mean(-1)[i]
    squares, sound = squared_logarithms(_linalg.small_gram(cross), centre)
    found = squares.clamp_min(0).sqrt()
    if not bool(sound.all()):
        found[~sound] = _by_log_ratios(cross[~sound], a, b, i[~sound], j[~sound])
    return found


def _by_log_ratios(cross: Tensor, a: RangeFactors, b: RangeFactors, i: Index, j: Index) -> Tensor:
    return 2 * _log_ratios(cross, a, b, i, j).square().sum(-1).sqrt()


def _stein(cross: Tensor, a: RangeFactors, b: RangeFactors, i: Index, j: Index, _: float) -> Tensor:
    # Σ log((1 + μ) / (2√μ)) = Σ log cosh(½ log μ), without the cancellation of determinants.
    x = _log_ratios(cross, a, b, i, j).abs()
    near = torch.log1p(2 * (x.clamp(max=1) / 2).sinh().square())
    far = x + torch.log1p((-2 * x).exp()) - 0.6931471805599453
    return torch.where(x < 1, near, far).sum(-1)


def _arc(cross: Tensor, a: RangeFactors, b: RangeFactors, i: Index, j: Index, _: float) -> Tensor:
    angles = _pair_angles(cross, a, b, i, j)
    absent = (a.rank[i] - b.rank[j]).abs() * (pi / 2) ** 2
    return (angles.square().nansum(-1) + absent).sqrt()


def _bonnabel_sepulchre(
    cross: Tensor, a: RangeFactors, b: RangeFactors, i: Index, j: Index, weight: float
) -> Tensor:
    arcs = _pair_angles(cross, a, b, i, j).square().nansum(-1)
    left, _, right = _linalg.svd(cross)
    root_a = torch.where(a.values > 0, a.values, 1.0).rsqrt()[i]
    stretched = root_a[..., None] * (left @ right) * b.values.sqrt()[j][:, None, :]
    # At rank 0, the only rank whose factors are padded, there is nothing to stretch.
    logs = torch.where(a.rank[i, None] > 0, 2 * _linalg.svdvals(stretched).log(), 0.0)
    return (arcs + weight * logs.square().sum(-1)).sqrt()


def _pair_angles(cross: Tensor, a: RangeFactors, b: RangeFactors, i: Index, j: Index) -> Tensor:
    if cross.shape[-2] < cross.shape[-1]:
        cross, a, b, i, j = cross.mT, b, a, j, i

    def some(doubtful: Tensor) -> tuple[Tensor, Tensor]:
        return a.basis[i[doubtful]], b.basis[j[doubtful]]

    return angles_from_cross(cross, a.rank[i], b.rank[j], some)


def _whitening(factors: RangeFactors) -> Tensor:
    roots = torch.where(factors.values > 0, factors.values, 1.0).rsqrt()
    return (factors.basis * roots[:, None, :]).mT


PAIR_METRICS = {
    "bures-wasserstein": PairMetric(lambda f: f.half.mT, lambda f: f.half, _bures_wasserstein),
    "affine-invariant": PairMetric(_whitening, lambda f: f.half, _affine_invariant),
    "stein": PairMetric(_whitening, lambda f: f.half, _stein),
    "projection-arc": PairMetric(lambda f: f.basis.mT, lambda f: f.basis, _arc),
    "bonnabel-sepulchre": PairMetric(lambda f: f.basis.mT, lambda f: f.basis, _bonnabel_sepulchre),
}
