"""Spectra and leading axes of points that are read in blocks, however many there are.

The smaller of two matrices has all there is to know: the Gram matrix of the points, or the scatter
matrix of their coordinates. It is the only large thing in memory, and solved where it lies.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from math import isinf, sqrt
from typing import NamedTuple

import torch
from torch import Tensor

from latentgeo.geometry import _linalg
from latentgeo.geometry._checks import check_finite, check_shares
from latentgeo.geometry._flat import add_product, mirror
from latentgeo.geometry._tiles import require_result
from latentgeo.geometry.angles import angles_of_bases
from latentgeo.geometry.hilbert import SHARES, dimension_of_energies, leading_count


def _inner(left: Tensor, right: Tensor) -> Tensor:
    return _linalg.product(left, right.mT)


class PointStream(NamedTuple):
    """Points that can be read again and again, a block at a time.

    Attributes
    ----------
    samples : int
        Number of points n.
    width : float
        Coordinates p of each; infinite where a kernel compares them.
    step : int
        Points of a block.
    read : callable
        Takes a slice and gives the points, a tensor (b, p), float64; of a kernel, what it compares.
    device : torch.device
        Where they lie.
    product : callable
        Takes two blocks and gives the inner products of all pairs.
    """

    samples: int
    width: float
    step: int
    read: Callable[[slice], Tensor]
    device: torch.device = torch.device("cpu")
    product: Callable[[Tensor, Tensor], Tensor] = _inner

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
    axes: Tensor | None = None

    def dimension(self, shares: Sequence[float] = SHARES, *, centred: bool = True) -> Tensor:
        """Count the fewest axes that hold each share of the energy; 0 where there is none."""
        check_shares(shares)
        return dimension_of_energies(self.centred if centred else self.uncentred, shares)


class StreamSpectra(NamedTuple):
    """Spectra of the same points in some sets of coordinates, and in all of them together.

    Attributes
    ----------
    parts : dict of str to StreamSpectrum
        In each set of coordinates alone, without axes.
    whole : StreamSpectrum
        In all coordinates, side by side in the order of the parts.
    """

    parts: dict[str, StreamSpectrum]
    whole: StreamSpectrum


def stream_spectra(
    parts: Mapping[str, PointStream],
    *,
    share: float | None = None,
    grams: Mapping[str, Tensor] | None = None,
) -> StreamSpectra:
    """Eigenvalues and leading axes of points in blocks, in memory of min(n, p)² + p·d numbers.

    Parameters
    ----------
    parts : mapping of str to PointStream
        The same n points in several sets of coordinates, p together; or in a single one. They are
        read once where n ≥ p, in time O(n p²). Otherwise each pair of blocks is read, and for axes
        all once more, in time O(n² p).
    share : float, optional
        Share of the centred energy that the axes hold, in (0, 1]; without it there are no axes,
        and of a kernel there are none.
    grams : mapping of str to torch.Tensor of shape (n, n), optional
        What `stream_gram` gives for each part, where it is there already: used where n < p.

    Returns
    -------
    StreamSpectra
        float64, on the device of the blocks. It does not depend on their size beyond rounding.

    Raises
    ------
    ValueError
        If the matrix is more than the memory of the device, a point is not finite, the share is
        out of range, or the parts have unequal numbers of points.

    Notes
    -----
    There is one large matrix. That of each part is a block of it, or (Gram matrices) a term of the
    sum; the largest part uses its place, others are copies of at most a quarter of its size. Of
    Gram matrices there are two where two parts have more than n coordinates each.

    See Also
    --------
    gram_dimension : the dimension from a Gram matrix in memory.

    Examples
    --------
    >>> import torch
    >>> from latentgeo.geometry import PointStream, stream_spectra
    >>> x = torch.eye(4, dtype=torch.float64)
    >>> stream = PointStream(4, 4, 2, lambda part: x[part], x.device)
    >>> stream_spectra({"x": stream})._fields
    ('parts', 'whole')
    """
    check_shares([1.0 if share is None else share])
    samples = {part.samples for part in parts.values()}
    if len(samples) != 1:
        raise ValueError(f"parts have {sorted(samples)} points; expected the same points in each")
    width = sum(part.width for part in parts.values())
    if share is not None and isinf(width):
        raise ValueError(f"share is {share}; without coordinates there are no axes, leave it out")
    require_spectrum(min(samples), width, next(iter(parts.values())).device)
    if min(samples) < width:
        return _by_grams(parts, share, grams or {})
    return _by_scatter(parts, share)


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

    Examples
    --------
    >>> import torch
    >>> from latentgeo.geometry import PointStream, stream_gram
    >>> x = torch.eye(3, dtype=torch.float64)
    >>> stream_gram(PointStream(3, 3, 2, lambda part: x[part], x.device))
    tensor([[1., 0., 0.],
            [0., 1., 0.],
            [0., 0., 1.]], dtype=torch.float64)
    """
    other = first if second is None else second
    place = torch.empty(0, dtype=torch.float64, device=first.device)
    what = f"a table of {first.samples} x {other.samples} pairs"
    require_result(8.0 * first.samples * other.samples, place, what, _WAY_OUT)
    matrix = place.new_zeros(first.samples, other.samples)
    if second is None:
        return _add_gram(matrix, first)
    for rows in first.blocks():
        left = _block(first, rows)
        for columns in second.blocks():
            matrix[rows, columns] = first.product(left, _block(second, columns))
    return matrix


def axes_angles(first: Tensor, second: Tensor) -> Tensor:
    """Principal angles between the spans of orthonormal columns.

    Parameters
    ----------
    first : torch.Tensor of shape (p, c)
        Axes of one set, from `stream_spectra`.
    second : torch.Tensor of shape (p, d)
        Axes of another set, in the same coordinates.

    Returns
    -------
    torch.Tensor of shape (min(c, d),)
        Radians, ascending.

    Examples
    --------
    >>> import torch
    >>> from latentgeo.geometry import axes_angles
    >>> axes = torch.eye(3, dtype=torch.float64)
    >>> axes_angles(axes[:, :1], axes[:, 1:2]).rad2deg()
    tensor([90.], dtype=torch.float64)
    """
    if not first.shape[1] or not second.shape[1]:
        return first.new_empty(0)
    ranks = (torch.tensor([axes.shape[1]], device=axes.device) for axes in (first, second))
    return angles_of_bases(first[None], next(ranks), second[None], next(ranks))[0]


def require_spectrum(samples: int, width: float, device: torch.device) -> None:
    """Refuse, before any work, what `stream_spectra` cannot hold on a device.

    Parameters
    ----------
    samples : int
        Number of points.
    width : float
        Coordinates of each; infinite where a kernel compares them.
    device : torch.device
        The device.

    Raises
    ------
    ValueError
        If a matrix of min(samples, width)² numbers is more than all its memory.

    Examples
    --------
    >>> import torch
    >>> from latentgeo.geometry import require_spectrum
    >>> require_spectrum(100, 50, torch.device("cpu"))
    """
    what = f"the spectrum of {samples} points in {width} dimensions"
    place = torch.empty(0, device=device)
    require_result(8.0 * min(samples, width) ** 2, place, what, _WAY_OUT)


_WAY_OUT = "take fewer points"
_EPS64 = torch.finfo(torch.float64).eps
_ROUNDED = 8  # up to 3 times that was seen, of 40 to 1,000 points


def _block(points: PointStream, some: slice) -> Tensor:
    block = points.read(some)
    check_finite(block, "a block of points")
    return block


def _add_gram(matrix: Tensor, points: PointStream) -> Tensor:
    """Add the products of points to a symmetric matrix."""
    for rows in points.blocks():
        left = _block(points, rows)
        for columns in points.blocks():
            if columns.start >= rows.start:
                right = left if columns == rows else _block(points, columns)
                matrix[rows, columns] += points.product(left, right)
    return mirror(matrix)


def _by_scatter(parts: Mapping[str, PointStream], share: float | None) -> StreamSpectra:
    """Solve the products of all coordinates, and the block of each part."""
    matrix, mean = _scatter(list(parts.values()))
    samples = next(iter(parts.values())).samples
    whole = _of_scatter(matrix, mean, samples, share)
    if len(parts) == 1:
        return StreamSpectra(dict.fromkeys(parts, whole._replace(axes=None)), whole)
    ends = list(accumulate(int(part.width) for part in parts.values()))
    places = {
        name: slice(end - int(part.width), end)
        for (name, part), end in zip(parts.items(), ends, strict=True)
    }
    largest = max(parts, key=lambda name: parts[name].width)
    found = {
        name: _of_scatter(matrix[place, place].clone(), mean[place], samples)
        for name, place in places.items()
        if name != largest
    }
    place = places[largest]
    found[largest] = _of_scatter(_moved_to_the_front(matrix, place), mean[place], samples)
    return StreamSpectra({name: found[name] for name in parts}, whole)


def _scatter(parts: Sequence[PointStream]) -> tuple[Tensor, Tensor]:
    """Sum the products of the coordinates of all parts, and give their means."""
    width = sum(int(part.width) for part in parts)
    total = torch.zeros(width, dtype=torch.float64, device=parts[0].device)
    matrix = total.new_zeros(width, width)
    for some in parts[0].blocks():
        read = [_block(part, some) for part in parts]
        block = read[0] if len(read) == 1 else torch.cat(read, dim=1)
        total += block.sum(0)
        columns = block.mT
        add_product(matrix, columns, columns)
    return mirror(matrix), total / parts[0].samples


def _of_scatter(
    matrix: Tensor, mean: Tensor, samples: int, share: float | None = None
) -> StreamSpectrum:
    """Solve products of coordinates, which are left as they were."""
    found = _descending(matrix, mean, samples * float(mean.square().sum()))
    if share is None:
        return found
    # What is solved next is a block of this matrix as it was.
    matrix.addr_(mean, mean, alpha=-samples)
    axes = _leading(matrix, found.centred, share)[1]
    matrix.addr_(mean, mean, alpha=samples)
    return found._replace(axes=axes)


def _moved_to_the_front(matrix: Tensor, place: slice) -> Tensor:
    """Return a diagonal block, contiguous, in the memory of the matrix, which is lost."""
    size = place.stop - place.start
    block = matrix.view(-1)[: size * size].view(size, size)
    step = max(1, len(matrix) // 16)
    for start in range(0, size, step):
        stop = min(start + step, size)
        rows = slice(place.start + start, place.start + stop)
        block[start:stop] = matrix[rows, place].clone()  # a row's new place is before its old one
    return block


def _by_grams(
    parts: Mapping[str, PointStream], share: float | None, grams: Mapping[str, Tensor]
) -> StreamSpectra:
    """Solve the products of the points in each part, and their sum."""
    samples = next(iter(parts.values())).samples
    found: dict[str, StreamSpectrum] = {}
    total = None
    for name in sorted(parts, key=lambda name: parts[name].width, reverse=True):
        points = parts[name]
        if points.width > samples:
            own = grams[name].clone() if name in grams else stream_gram(points)
            found[name] = _of_gram(own)
            total = own if total is None else total.add_(own)
        else:
            matrix, mean = _scatter([points])
            found[name] = _of_scatter(matrix, mean, samples)
            total = matrix.new_zeros(samples, samples) if total is None else total
            total = total.add_(grams[name]) if name in grams else _add_gram(total, points)
    assert total is not None
    whole = _of_gram(total) if len(parts) > 1 else next(iter(found.values()))
    if share is not None:
        whole = whole._replace(axes=_axes_of_gram(total, whole.centred, parts, share))
    return StreamSpectra({name: found[name] for name in parts}, whole)


def _of_gram(matrix: Tensor) -> StreamSpectrum:
    return _descending(matrix, torch.ones_like(matrix[0]))


def _descending(matrix: Tensor, direction: Tensor, energy: float | None = None) -> StreamSpectrum:
    uncentred, centred = _linalg.spectra_in_place(matrix, direction, energy)
    floor = _ROUNDED * _EPS64 * sqrt(len(matrix)) * uncentred[-1].abs()
    # Of points that coincide rounding alone is left.
    centred = centred.masked_fill(centred.abs().amax() <= floor, 0.0)
    return StreamSpectrum(uncentred.flip(-1), centred.flip(-1))


def _axes_of_gram(
    matrix: Tensor, centred: Tensor, parts: Mapping[str, PointStream], share: float
) -> Tensor:
    """Find axes from a Gram matrix, which is used up."""
    mean = matrix.mean(0)
    matrix.sub_(mean).sub_(mean[:, None]).add_(mean.mean())
    energies, vectors = _leading(matrix, centred, share)
    coefficients = vectors / energies.sqrt()
    return torch.cat([_in_coordinates(part, coefficients) for part in parts.values()])


def _in_coordinates(points: PointStream, coefficients: Tensor) -> Tensor:
    """Turn combinations (n, d) of the centred points into axes (p, d)."""
    axes = coefficients.new_zeros(int(points.width), coefficients.shape[1])
    total = coefficients.new_zeros(int(points.width))
    for some in points.blocks():
        block = _block(points, some)
        total += block.sum(0)
        axes.addmm_(block.mT, coefficients[some])
    return axes.addr_(total / points.samples, coefficients.sum(0), alpha=-1)


def _leading(matrix: Tensor, energies: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Find the energies (d,) and vectors (…, d) that hold the share, as far as any carry energy."""
    return _linalg.eigh_in_place(matrix, int(leading_count(energies, share)))
