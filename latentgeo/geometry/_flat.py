"""Metrics that are Euclidean in explicit features: their Gram matrices and distances, by tiles."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from latentgeo.geometry import _linalg
from latentgeo.geometry._factors import RangeFactors
from latentgeo.geometry._scales import check_held, norm, unit_of
from latentgeo.geometry._tiles import require, require_result, tiles

Rows = Callable[[Tensor], Tensor]
Function = Callable[[RangeFactors, float], Tensor]


class Flat(ABC):
    """A metric that is Euclidean in explicit features; ``weight`` is that of its logarithm."""

    copies = 1
    """What is held of each sample, in units of its factor."""
    plain = False
    """Whether the features of a matrix are its own entries, which need no factors."""

    @abstractmethod
    def width(self, rows: int) -> int:
        """Count the features of a matrix."""

    @abstractmethod
    def features(self, factors: RangeFactors, weight: float) -> Tensor:
        """Compute the features (samples, width)."""

    @abstractmethod
    def columns(
        self, a: RangeFactors, b: RangeFactors | None, weight: float, budget: float
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Compute features of both sets a few columns at a time; the same twice for one set.

        The tiles are the caller's own, to overwrite, and in units of `unit`.
        """

    def unit(self, a: RangeFactors, b: RangeFactors | None, weight: float) -> float:
        """Return a power of two that features are divided by so that they can be squared."""
        return 1.0

    def gram(self, a: RangeFactors, b: RangeFactors | None, weight: float, budget: float) -> Tensor:
        """Compute the inner products of the features of all pairs."""
        out, unit = _table(a, b), self.unit(a, b, weight)
        with _on_one_thread_if_small(out, a):
            for left, right in self.columns(a, b, weight, budget):
                add_product(out, left, right)
            if b is None:
                mirror(out)
        if unit == 1:
            return out
        scaled = out * unit * unit
        largest = out.abs() == out.abs().max()
        check_held(scaled, largest & (out != 0), "the kernel of such matrices", _NORMALISE)
        return scaled

    def crossed(
        self, a: RangeFactors, b: RangeFactors | None, weight: float, budget: float
    ) -> Tensor:
        """Compute the distances of all pairs."""
        out, other = _table(a, b), a if b is None else b
        unit = self.unit(a, b, weight)
        with _on_one_thread_if_small(out, a):
            return (
                squared_distances(
                    self.columns(a, b, weight, budget),
                    out,
                    lambda i: self.features(a.take(i), weight) / unit,
                    lambda j: self.features(other.take(j), weight) / unit,
                )
                .sqrt_()
                .mul_(unit)
            )

    def aligned(
        self, a: RangeFactors, b: RangeFactors, i: Tensor, j: Tensor, weight: float
    ) -> Tensor:
        """Compute the distances of listed pairs (i, j)."""
        parts = []
        for tile in tiles(len(i), 32.0 * a.basis.shape[-2] ** 2):
            left = self.features(a.take(i[tile]), weight)
            right = self.features(b.take(j[tile]), weight)
            parts.append(norm(left - right))
        return torch.cat(parts)


class Spectral(Flat):
    """Features svec(U f(Λ) Uᵀ) of S = UΛUᵀ, for one or more functions f side by side.

    Parameters
    ----------
    *functions : callable
        Take factors and the weight of the logarithm to f(Λ), (samples, k), zero off the range.
    plain : bool, default=False
        Whether f(Λ) is Λ, so that S has its own upper triangle for features.
    """

    def __init__(self, *functions: Function, plain: bool = False) -> None:
        self.functions = functions
        self.plain = plain

    def width(self, rows: int) -> int:
        """Count an upper triangle for each function."""
        return len(self.functions) * rows * (rows + 1) // 2

    def features(self, factors: RangeFactors, weight: float) -> Tensor:
        """Compute the features (samples, width)."""
        basis = factors.basis
        scales = (function(factors, weight) for function in self.functions)
        return torch.cat([svec((basis * s[:, None, :]) @ basis.mT) for s in scales], -1)

    def unit(self, a: RangeFactors, b: RangeFactors | None, weight: float) -> float:
        """Go by the largest f(Λ), which bounds every feature."""
        sets = [a] if b is None else [a, b]
        bounds = [f(one, weight).abs().max() for one in sets for f in self.functions]
        return float(unit_of(torch.stack(bounds).max()))

    def columns(
        self, a: RangeFactors, b: RangeFactors | None, weight: float, budget: float
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Compute the features of some rows of the upper triangles at a time."""
        size, unit = a.basis.shape[-2], self.unit(a, b, weight)
        samples = len(a.basis) + (0 if b is None else len(b.basis))
        row_bytes = 32.0 * samples * size
        held = sum(8.0 * f.basis.numel() for f in (a, b) if f is not None)
        require(held + row_bytes, budget, f"a Gram matrix of {samples} samples", _WAY_OUT)
        for rows in tiles(size, row_bytes, min(budget - held, row_bytes * max(8, size // 8))):
            for function in self.functions:
                left = _tile(a.basis, function(a, weight) / unit, rows)
                yield left, left if b is None else _tile(b.basis, function(b, weight) / unit, rows)


class Cholesky(Flat):
    """Features of the Cholesky factor: its strictly lower part, and the logarithms beside."""

    def width(self, rows: int) -> int:
        """Count a lower triangle."""
        return rows * (rows + 1) // 2

    def features(self, factors: RangeFactors, _: float) -> Tensor:
        """Compute the features (samples, width)."""
        lower = torch.linalg.cholesky(factors.half @ factors.half.mT)
        size = lower.shape[-1]
        row, column = torch.tril_indices(size, size, offset=-1, device=lower.device).unbind()
        diagonal = lower.diagonal(dim1=-2, dim2=-1).log()
        return torch.cat([lower[..., row, column], diagonal], -1)

    def columns(
        self, a: RangeFactors, b: RangeFactors | None, weight: float, budget: float
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Compute all features, and hand them out a few columns at a time."""
        sets = [a] if b is None else [a, b]
        samples = sum(len(f.basis) for f in sets)
        width = self.width(a.basis.shape[-2])
        needed = 8.0 * (sum(f.basis.numel() for f in sets) + samples * width)
        require(needed, budget, f"Cholesky factors of {samples} matrices", _WAY_OUT)
        each = 48.0 * a.basis.shape[-2] ** 2
        made = [
            torch.cat([self.features(f.take(t), weight) for t in tiles(len(f.basis), each)])
            for f in sets
        ]
        return column_tiles(made[0], None if b is None else made[1])


def column_tiles(first: Tensor, second: Tensor | None) -> Iterator[tuple[Tensor, Tensor]]:
    """Copy explicit features (samples, D) a few columns at a time."""
    for part in tiles(first.shape[1], 8.0 * len(first)):
        left = first[:, part].clone()
        yield left, left if second is None else second[:, part].clone()


def squared_distances(
    pieces: Iterable[tuple[Tensor, Tensor]], out: Tensor, rows_of_first: Rows, rows_of_second: Rows
) -> Tensor:
    """Compute squared distances from tiles of features into ``out`` (zeros).

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
    for rows in tiles(len(out), 32.0 * out.shape[1]):
        norms = lefts[rows, None] + rights
        block = out[rows].mul_(-2).add_(norms)
        close = block < _CLOSE * norms
        if same:
            own = torch.arange(rows.start, rows.stop, device=out.device)
            close[own - rows.start, own] = False
            block[own - rows.start, own] = 0.0
        near = close.nonzero()
        for tile in tiles(len(near), 1.0, 256.0):
            i, j = near[tile].unbind(1)
            gap = rows_of_first(i + rows.start) - rows_of_second(j)
            block[i, j] = gap.square().sum(1)
        block.clamp_min_(0)
    return out


def require_table(first: Tensor, second: Tensor | None) -> None:
    """Refuse, before any work, sets with more pairs than memory."""
    columns = len(first if second is None else second)
    what = f"a table of {len(first)} x {columns} pairs"
    require_result(8.0 * len(first) * columns, first, what, _WAY_OUT)


_CLOSE = 1e-5
"""Squared distances below this share of the squared norms have lost digits to cancellation."""
_NORMALISE = "divide them by their traces first (trace_normalised)"
_WAY_OUT = "work in blocks of samples, use Nystroem features of fewer landmarks, or raise budget="


def _table(a: RangeFactors, b: RangeFactors | None) -> Tensor:
    return a.basis.new_zeros(len(a.basis), len((a if b is None else b).basis))


def _on_one_thread_if_small(out: Tensor, a: RangeFactors) -> AbstractContextManager[None]:
    return _linalg.on_one_thread_if_small(float(out.numel()) * a.basis.shape[-2] ** 2)


def svec(x: Tensor) -> Tensor:
    """Upper triangle of symmetric matrices, off-diagonal entries times √2: an isometry."""
    size = x.shape[-1]
    row, column = torch.triu_indices(size, size, device=x.device).unbind()
    scale = torch.full_like(row, 2, dtype=x.dtype).sqrt().masked_fill(row == column, 1.0)
    # One flat index takes half the time of two.
    return x.flatten(-2).index_select(-1, row * size + column) * scale


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
