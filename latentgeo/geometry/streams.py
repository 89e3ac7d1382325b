"""Spectra and leading axes of points that are read in blocks, however many there are.

The smaller of two matrices has all there is to know: the Gram matrix of the points, or the scatter
matrix of their coordinates. It is the only large thing in memory, and solved where it lies.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from latentgeo.geometry import _linalg
from latentgeo.geometry._checks import check_finite, check_shares
from latentgeo.geometry._flat import add_product, mirror
from latentgeo.geometry._tiles import require_result
from latentgeo.geometry.angles import angles_of_bases
from latentgeo.geometry.hilbert import SHARES, dimension_of_energies

_EPS64 = torch.finfo(torch.float64).eps


class PointStream(NamedTuple):
    """Points that can be read again and again, a block at a time.

    Attributes
    ----------
    samples : int
        Number of points n.
    width : int
        Coordinates p of each.
    step : int
        Points of a block.
    read : callable
        Takes a slice and gives the points, a tensor (b, p), float64.
    device : torch.device
        Where they lie.
    """

    samples: int
    width: int
    step: int
    read: Callable[[slice], Tensor]
    device: torch.device = torch.device("cpu")

    def blocks(self) -> Iterator[slice]:
        """Cut the points into blocks."""
        for start in range(0, self.samples, self.step):
            yield slice(start, min(start + self.step, self.samples))


class StreamSpectrum(NamedTuple):
    """Energies of a set of points, as it lies and about its mean, and the leading axes.

    Attributes
    ----------
    uncentred, centred : torch.Tensor of shape (min(n, p),)
        Eigenvalues of the Gram matrix, descending.
    axes : torch.Tensor of shape (p, d), or None
        Orthonormal, in no order: the axes that hold the wanted share of the centred energy.
    """

    uncentred: Tensor
    centred: Tensor
    axes: Tensor | None

    def dimension(self, shares: Sequence[float] = SHARES, *, centred: bool = True) -> Tensor:
        """Count the fewest axes that hold each share of the energy; 0 where there is none."""
        check_shares(shares)
        return dimension_of_energies(self.centred if centred else self.uncentred, shares)


def stream_spectrum(
    points: PointStream, *, share: float | None = None, gram: Tensor | None = None
) -> StreamSpectrum:
    """Eigenvalues and leading axes of points in blocks, in memory of min(n, p)² + p·d numbers.

    Parameters
    ----------
    points : PointStream
        Read once where n ≥ p, in time O(n p²). Otherwise each pair of blocks is read, and for axes
        all once more, in time O(n² p).
    share : float, optional
        Share of the centred energy that the axes hold, in (0, 1]; without it there are no axes.
    gram : torch.Tensor of shape (n, n), optional
        What `stream_gram` gives, where it is there already: it is used where n < p.

    Returns
    -------
    StreamSpectrum
        float64, on the device of the blocks. It does not depend on their size beyond rounding.

    Raises
    ------
    ValueError
        If the matrix is more than the memory of the device, a point is not finite, or the share is
        out of range.

    See Also
    --------
    gram_dimension : the dimension from a Gram matrix in memory.
    """
    check_shares([1.0 if share is None else share])
    require_spectrum(points.samples, points.width, points.device)
    if points.samples < points.width:
        return _by_gram(points, stream_gram(points) if gram is None else gram.clone(), share)
    matrix, mean = _scatter(points)
    uncentred = _descending(matrix)
    matrix.addr_(mean, mean, alpha=-points.samples)
    centred = _descending(matrix)
    axes = None if share is None else _leading(matrix, centred, share)[1]
    return StreamSpectrum(uncentred, centred, axes)


def stream_gram(first: PointStream, second: PointStream | None = None) -> Tensor:
    """Gram matrix of points in blocks, or the products of two sets.

    Parameters
    ----------
    first : PointStream
        n points.
    second : PointStream, optional
        m points of the same width.

    Returns
    -------
    torch.Tensor of shape (n, m), or (n, n) without a second set
        float64, on the device of the blocks.

    Raises
    ------
    ValueError
        If the matrix is more than the memory of the device, or a point is not finite.
    """
    other = first if second is None else second
    place = torch.empty(0, dtype=torch.float64, device=first.device)
    what = f"a table of {first.samples} x {other.samples} pairs"
    require_result(8.0 * first.samples * other.samples, place, what, _WAY_OUT)
    matrix = place.new_empty(first.samples, other.samples)
    for rows in first.blocks():
        left = _block(first, rows)
        for columns in other.blocks():
            if second is not None:
                matrix[rows, columns] = left @ _block(other, columns).mT
            elif columns.start >= rows.start:
                right = left if columns == rows else _block(first, columns)
                matrix[rows, columns] = left @ right.mT
    return matrix if second is not None else mirror(matrix)


def axes_angles(first: Tensor, second: Tensor) -> Tensor:
    """Principal angles between the spans of orthonormal columns.

    Parameters
    ----------
    first : torch.Tensor of shape (p, c)
        Axes of one set, from `stream_spectrum`.
    second : torch.Tensor of shape (p, d)
        Axes of another set, in the same coordinates.

    Returns
    -------
    torch.Tensor of shape (min(c, d),)
        Radians, ascending.
    """
    if not first.shape[1] or not second.shape[1]:
        return first.new_empty(0)
    ranks = (torch.tensor([axes.shape[1]], device=axes.device) for axes in (first, second))
    return angles_of_bases(first[None], next(ranks), second[None], next(ranks))[0]


def require_spectrum(samples: int, width: int, device: torch.device) -> None:
    """Refuse, before any work, what `stream_spectrum` cannot hold on a device.

    Parameters
    ----------
    samples : int
        Number of points.
    width : int
        Coordinates of each.
    device : torch.device
        The device.

    Raises
    ------
    ValueError
        If a matrix of min(samples, width)² numbers is more than all its memory.
    """
    what = f"the spectrum of {samples} points in {width} dimensions"
    place = torch.empty(0, device=device)
    require_result(8.0 * min(samples, width) ** 2, place, what, _WAY_OUT)


_WAY_OUT = "take fewer points"


def _block(points: PointStream, some: slice) -> Tensor:
    block = points.read(some)
    check_finite(block, "a block of points")
    return block


def _scatter(points: PointStream) -> tuple[Tensor, Tensor]:
    """Sum the products of the coordinates, and give their means."""
    total = torch.zeros(points.width, dtype=torch.float64, device=points.device)
    matrix = total.new_zeros(points.width, points.width)
    for some in points.blocks():
        block = _block(points, some)
        total += block.sum(0)
        columns = block.mT
        add_product(matrix, columns, columns)
    return mirror(matrix), total / points.samples


def _by_gram(points: PointStream, matrix: Tensor, share: float | None) -> StreamSpectrum:
    """Solve a Gram matrix, which is used up."""
    uncentred = _descending(matrix)
    mean = matrix.mean(0)
    matrix.sub_(mean).sub_(mean[:, None]).add_(mean.mean())
    centred = _descending(matrix)
    if share is None:
        return StreamSpectrum(uncentred, centred, None)
    energies, vectors = _leading(matrix, centred, share)
    return StreamSpectrum(uncentred, centred, _in_coordinates(points, vectors / energies.sqrt()))


def _in_coordinates(points: PointStream, coefficients: Tensor) -> Tensor:
    """Turn combinations (n, d) of the centred points into axes (p, d)."""
    axes = coefficients.new_zeros(points.width, coefficients.shape[1])
    total = coefficients.new_zeros(points.width)
    for some in points.blocks():
        block = _block(points, some)
        total += block.sum(0)
        axes.addmm_(block.mT, coefficients[some])
    return axes.addr_(total / points.samples, coefficients.sum(0), alpha=-1)


def _descending(matrix: Tensor) -> Tensor:
    return _linalg.eigvalsh_in_place(matrix).flip(-1)


def _leading(matrix: Tensor, energies: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Give the energies (d,) and vectors (…, d) that hold the share, as far as any carry energy."""
    carrying = energies > len(energies) * _EPS64 * energies[0].clamp_min(0)
    wanted = dimension_of_energies(energies, [share])[0]
    return _linalg.eigh_in_place(matrix, min(int(wanted), int(carrying.sum())))
