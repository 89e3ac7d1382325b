"""Hilbert embedding: the flat space that a kernel spreads a set of points in."""

from collections.abc import Sequence

import torch
from torch import Tensor

from latentgeo.geometry import _linalg
from latentgeo.geometry._arrays import A, enter
from latentgeo.geometry._checks import check_gram, check_shares, check_square
from latentgeo.geometry._scales import largest_absolute

SHARES = (0.90, 0.95, 0.99)
_ROUNDED = 8  # the four terms of centring, twice over
_EPS64 = torch.finfo(torch.float64).eps


def centre_gram(gram: A) -> A:
    """Centre Gram matrices in feature space.

    Parameters
    ----------
    gram : array or tensor, shape (..., n, n)

    Returns
    -------
    array or tensor, shape (..., n, n), float64
        HKH with H = I − 11ᵀ/n; the same kind as ``gram``.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import centre_gram
    >>> centre_gram(np.array([[1.0, 0.0], [0.0, 1.0]]))
    array([[ 0.5, -0.5],
           [-0.5,  0.5]])
    """
    inside, back = enter(gram)
    check_square(inside, "gram")
    return back(centre_both(inside))


def gram_spectrum(gram: A, centred: bool = True) -> A:
    """Eigenvalues of Gram matrices, descending.

    Parameters
    ----------
    gram : array or tensor, shape (..., n, n)
        Symmetric.
    centred : bool
        Centre in feature space first.

    Returns
    -------
    array or tensor, shape (..., n), float64
        The same kind as ``gram``; negative ones are left in.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import gram_spectrum
    >>> gram_spectrum(np.diag([3.0, 1.0, 2.0]), centred=False)
    array([3., 2., 1.])
    """
    inside, back = enter(gram)
    check_gram(inside)
    return back(spectrum_of_gram(inside, centred))


def gram_dimension(gram: A, shares: Sequence[float] = SHARES, centred: bool = True) -> A:
    """Dimension d(q): the fewest eigenvalues of a Gram matrix that hold a share q of its trace.

    Parameters
    ----------
    gram : array or tensor, shape (..., n, n)
        Symmetric; leading dimensions are a batch (of resamples, for example).
    shares : sequence of float, length s
        Shares q in (0, 1].
    centred : bool
        Centre in feature space first.

    Returns
    -------
    int64 array or tensor, shape (..., s)
        The same kind as ``gram``; 0 where all points coincide. Negative eigenvalues count as zero.
        The dimension saturates near n: sweep n before trusting it.

    Raises
    ------
    ValueError
        If a Gram matrix is not square, symmetric and finite, or a share is not in (0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import gram_dimension
    >>> x = np.random.default_rng(0).normal(size=(20, 3))
    >>> gram_dimension(x @ x.T, [0.99])
    array([3])
    """
    inside, back = enter(gram)
    check_gram(inside)
    check_shares(shares)
    return back(dimension_of_energies(spectrum_of_gram(inside, centred), shares))


def dimension_of_energies(energies: Tensor, shares: Sequence[float]) -> Tensor:
    """Count the fewest leading energies (descending) that hold each share of their sum."""
    held = energies.clamp_min(0).cumsum(-1)
    total = held[..., -1:]
    # A share of 1 must be reachable in spite of rounding in the sum.
    wanted = torch.tensor(list(shares), dtype=held.dtype, device=held.device) * total
    wanted = wanted - held.shape[-1] * _EPS64 * total
    counts = torch.searchsorted(held.contiguous(), wanted.contiguous()) + 1
    return torch.where(total > 0, counts, 0)


def continuous_dimension(energies: Tensor, share: float) -> Tensor:
    """Interpolate the dimension: the part of the last energy (descending) that a share needs."""
    held = energies.clamp_min(0).cumsum(-1)
    count = dimension_of_energies(energies, [share])
    wanted = share * held[..., -1:]
    last = energies.gather(-1, (count - 1).clamp_min(0)).clamp_min(torch.finfo(held.dtype).tiny)
    after = held.gather(-1, (count - 1).clamp_min(0))
    found = count - ((after - wanted) / last).clamp(0, 1)
    return torch.where(count > 0, found, 0.0)[..., 0]


def leading_count(
    energies: Tensor, share: float, most: int | None = None, *, size: int | None = None
) -> Tensor:
    """Count the leading energies (..., k), descending, that hold a share, or ``most`` of them.

    Those at the level of rounding carry nothing and are never counted; it grows with the ``size``
    of the matrix, of which these may be the first eigenvalues only.
    """
    noise = (size or energies.shape[-1]) * _EPS64 * energies[..., :1].clamp_min(0)
    carrying = (energies > noise).sum(-1)
    if most is not None:
        return carrying.clamp(max=most)
    return torch.minimum(dimension_of_energies(energies, [share])[..., 0], carrying)


def centre_both(gram: Tensor) -> Tensor:
    """Take row and column means away, each set its own: any block (..., n, m).

    What rounding alone may have left, where all points coincide, is 0.
    """
    rows, columns = gram.mean(-1, keepdim=True), gram.mean(-2, keepdim=True)
    centred = (gram - rows).sub_(columns).add_(rows.mean(-2, keepdim=True))
    left, there = (largest_absolute(x, (-2, -1)) for x in (centred, gram))
    return centred.masked_fill_(left <= _ROUNDED * _EPS64 * there, 0.0)


def gram_block(gram: Tensor, rows: Tensor, columns: Tensor | None = None) -> Tensor:
    """Return some rows and columns, or both the same, of matrices (..., n, m).

    On the CPU NumPy takes a fifth of torch's time (500 of 1,000: 0.4 ms against 1.2 to 3.7).
    """
    first, last = rows, rows if columns is None else columns
    if _linalg.runs_through_numpy(gram):
        return torch.from_numpy(gram.numpy().take(first, -2).take(last, -1))
    return gram.index_select(-2, first.to(gram.device)).index_select(-1, last.to(gram.device))


def spectrum_of_gram(gram: Tensor, centred: bool) -> Tensor:
    """Compute the eigenvalues of checked Gram matrices, descending."""
    return _linalg.eigvalsh(centre_both(gram) if centred else gram).flip(-1)
