"""Metrics that need an eigenproblem for each pair."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from latentgeo.geometry import _linalg
from latentgeo.geometry._factors import RangeFactors
from latentgeo.geometry._flat import mirror
from latentgeo.geometry._tiles import piece_bytes, tiles
from latentgeo.geometry.angles import angles_from_cross

Index = Tensor
Side = Literal["basis", "half", "whitening"]
_COPIES_OF_A_PRODUCT = 4
_ROWS_AT_ONCE = 16


class Pairs(NamedTuple):
    """Some pairs of samples (i, j) of two sets, and what the two of each have in common.

    Attributes
    ----------
    cross : Tensor, shape (pairs, p, q)
        Product of what is prepared of both.
    a, b : RangeFactors
        The sets.
    i, j : Tensor of int64, shape (pairs,)
    """

    cross: Tensor
    a: RangeFactors
    b: RangeFactors
    i: Index
    j: Index

    def take(self, mask: Tensor) -> "Pairs":
        """Return some of the pairs."""
        return Pairs(self.cross[mask], self.a, self.b, self.i[mask], self.j[mask])

    def angles(self) -> Tensor:
        """Compute the angles between the ranges, where the products are of their bases."""
        cross, a, b, i, j = self
        if cross.shape[-2] < cross.shape[-1]:
            cross, a, b, i, j = cross.mT, b, a, j, i

        def some(doubtful: Tensor) -> tuple[Tensor, Tensor]:
            return a.basis[i[doubtful]], b.basis[j[doubtful]]

        return angles_from_cross(cross, a.rank[i], b.rank[j], some)


@dataclass(frozen=True)
class ByPairs:
    """A metric of this kind.

    Attributes
    ----------
    left, right : {"basis", "half", "whitening"}
        What of `RangeFactors` gives, once per sample, the matrices X (n, p) and Y (n, q) whose
        product XᵀY holds all that two samples have in common.
    between : callable
        Takes `Pairs` and the weight of the logarithm to distances; it goes back to the samples
        only where the quick way would lose digits.
    """

    left: Side
    right: Side
    between: Callable[[Pairs, float], Tensor]
    copies = 3

    @staticmethod
    def _side(name: Side, factors: RangeFactors) -> Tensor:
        side: Tensor = getattr(factors, name)
        return side

    def aligned(
        self, a: RangeFactors, b: RangeFactors, i: Index, j: Index, weight: float
    ) -> Tensor:
        """Compute the distances of listed pairs (i, j)."""
        left, right = self._side(self.left, a).mT, self._side(self.right, b)
        each = 8.0 * (left[0].numel() + right[0].numel() + 4 * left.shape[-2] * right.shape[-1])
        parts = _linalg.map_tiles(
            lambda t: self.between(Pairs(left[i[t]] @ right[j[t]], a, b, i[t], j[t]), weight),
            tiles(len(i), each, piece_bytes(left)),
            each * len(i) * left.shape[-2],
            left,
        )
        return torch.cat(parts)

    def crossed(self, a: RangeFactors, b: RangeFactors | None, weight: float, _: float) -> Tensor:
        """Compute the distances of all pairs, by blocks of rows; of one set each pair once."""
        other = a if b is None else b
        left, right = self._side(self.left, a).mT, self._side(self.right, other)
        out = left.new_zeros(len(left), len(right))
        size = left.shape[-2] * right.shape[-1]

        def fill(block: tuple[slice, slice]) -> None:
            rows, columns = block
            i, j = _grid(rows, columns, left.device)
            pairs = Pairs(_outer(left[rows], right[columns]), a, other, i, j)
            found = self.between(pairs, weight)
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
