"""Mode unfoldings of latent tensors and the covariances of their rows."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from latentgeo.geometry._arrays import A, enter_raw
from latentgeo.geometry._checks import check_latents
from latentgeo.geometry._scales import check_held, largest_absolute, to_unit
from latentgeo.geometry._tiles import fill, require_result

_POSITIONS = {3: ("rows", "columns"), 4: ("depth", "rows", "columns")}


def mode_names(order: int) -> tuple[str, ...]:
    """Return the names S1, S2, ... of the modes of latents of an order, the channels last.

    Examples
    --------
    >>> from latentgeo.geometry import mode_names
    >>> mode_names(3)
    ('S1', 'S2', 'S3')
    """
    return tuple(f"S{mode}" for mode in range(1, order + 1))


def mode_words(order: int) -> tuple[str, ...]:
    """Return what the modes of latents of an order stand for: rows, columns, channels of images.

    Examples
    --------
    >>> from latentgeo.geometry import mode_words
    >>> mode_words(3)
    ('rows', 'columns', 'channels')
    """
    positions = _POSITIONS.get(order, tuple(f"mode {mode}" for mode in range(1, order)))
    return (*positions, "channels")


def unfolded_shapes(shape: Sequence[int]) -> list[tuple[int, int]]:
    """Return the shapes of the unfoldings of a latent of shape (C, ...), the channels last.

    Examples
    --------
    >>> from latentgeo.geometry import unfolded_shapes
    >>> unfolded_shapes((16, 7, 5))
    [(7, 80), (5, 112), (16, 35)]
    """
    channels, *positions = (int(size) for size in shape)
    numbers = channels * prod(positions)
    return [(size, numbers // size) for size in (*positions, channels)]


def mode_unfoldings(z: A, order: int = 3) -> tuple[A, ...]:
    r"""Unfold latent tensors along each of their modes.

    Parameters
    ----------
    z : array or tensor, shape (..., C, H, W)
        Latents: channels, rows, columns. Of another order the channels come first too: signals and
        tokens (..., C, L), volumes (..., C, D, H, W).
    order : int, default=3
        How many of the last axes are those of one latent, at least 2; all before them are batches.

    Returns
    -------
    tuple of shapes (..., H, C·W), (..., W, C·H), (..., C, H·W)
        One unfolding per mode, the channels last. The same kind and precision as ``z``: nothing
        is computed, and the precision tells `matrix_rank` where rounding noise ends.

    Raises
    ------
    ValueError
        If ``z`` has fewer dimensions than ``order``, is empty, or holds NaN or infinity.

    References
    ----------
    T. G. Kolda and B. W. Bader, "Tensor decompositions and applications", SIAM Review 51 (2009),
    section 2.4. The order of the columns changes neither rank nor covariance.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import mode_unfoldings
    >>> [x.shape for x in mode_unfoldings(np.ones((16, 7, 5)))]
    [(7, 80), (5, 112), (16, 35)]
    """
    inside, back = enter_raw(z)
    check_latents(inside, order)
    return tuple(back(x) for x in unfold(inside, order))


def mode_covariances(z: A, order: int = 3) -> tuple[A, ...]:
    r"""Covariances of the mode unfoldings of latent tensors.

    :math:`S_i = (X_i - m_i)(X_i - m_i)^\top / (\mathrm{cols}_i - 1)`, with :math:`m_i` the mean
    over the columns of the unfolding; no ridge. Ranks should be taken from the unfoldings, not
    from these: a covariance squares the singular values.

    Parameters
    ----------
    z, order
        As for `mode_unfoldings`.

    Returns
    -------
    tuple of shapes (..., H, H), (..., W, W), (..., C, C)
        One per mode, the channels last; float64, the same kind as ``z``.

    Raises
    ------
    ValueError
        If ``z`` has fewer dimensions than ``order``, is empty, or holds NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import mode_covariances
    >>> [s.shape for s in mode_covariances(np.ones((16, 7, 5)))]
    [(7, 7), (5, 5), (16, 16)]
    """
    inside, back = enter_raw(z)
    check_latents(inside, order)
    flat = inside.reshape(-1, *inside.shape[-order:])
    return tuple(back(_covariances(x, inside.shape[:-order])) for x in unfold(flat, order))


def _covariances(x: Tensor, lead: torch.Size) -> Tensor:
    """Covariances of one mode of all latents, in float64 a few latents at a time."""
    samples, rows, columns = x.shape
    what = f"a table of {samples} covariances of {rows}x{rows}"
    require_result(8.0 * samples * rows**2, x, what, "work in blocks of samples")
    out = x.new_empty(samples, rows, rows, dtype=torch.float64)
    fill(out, lambda tile: covariance(x[tile].to(torch.float64)), 24.0 * rows * (columns + rows))
    return out.reshape(*lead, rows, rows)


def unfold(z: Tensor, order: int) -> list[Tensor]:
    """Unfold checked tensors (..., C, H, W) along rows and columns, then along channels."""
    return [unfold_along(z, order, mode) for mode in range(order)]


def unfold_along(z: Tensor, order: int, mode: int) -> Tensor:
    """Unfold checked tensors along one mode, counted from 0; the channels are the last."""
    lead, shape = z.shape[:-order], z.shape[-order:]
    axis = (mode + 1) % order
    return z.movedim(axis - order, -order).reshape(*lead, *unfolded_shapes(shape)[mode])


def centre(x: Tensor) -> Tensor:
    """Take the mean over the columns away."""
    return x - x.mean(-1, keepdim=True)


def centring_floor(x: Tensor) -> Tensor:
    """Bound what centring itself leaves: a constant matrix is not exactly zero after it."""
    most = largest_absolute(x, (-2, -1))[..., 0, 0].to(torch.float64)
    return max(x.shape[-2:]) * torch.finfo(torch.float64).eps * most


def covariance(x: Tensor) -> Tensor:
    """Covariance of the rows of an unfolding; a single column has none and gives zeros."""
    return square(centre(x)) / max(x.shape[-1] - 1, 1)


def square(x: Tensor) -> Tensor:
    """Return XXᵀ, where float64 can hold it."""
    x, unit = to_unit(x, (-2, -1))
    scaled = x @ x.mT
    if not bool((unit != 1).any()):
        return scaled
    found = scaled * unit * unit
    largest = scaled.diagonal(dim1=-2, dim2=-1).amax(-1)
    check_held(
        found.diagonal(dim1=-2, dim2=-1).amax(-1),
        largest > 0,
        "the square of x",
        "multiply it by a constant first",
    )
    return found
