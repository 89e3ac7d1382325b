"""Mode unfoldings of latent tensors and the covariances of their rows."""

from typing import NamedTuple

import torch
from torch import Tensor

from latentgeo.geometry._arrays import A, enter_raw
from latentgeo.geometry._checks import check_latents
from latentgeo.geometry._scales import check_held, to_unit
from latentgeo.geometry._tiles import fill, require_result


class Modes(NamedTuple):
    """One thing per mode of a latent tensor, in the order S1, S2, S3."""

    rows: Tensor
    columns: Tensor
    channels: Tensor


def mode_unfoldings(z: A) -> tuple[A, A, A]:
    r"""Unfold latent tensors along each of their three modes.

    Parameters
    ----------
    z : array or tensor, shape (..., C, H, W)
        Latents: channels, rows, columns.

    Returns
    -------
    rows : shape (..., H, C·W)
    columns : shape (..., W, C·H)
    channels : shape (..., C, H·W)
        The same kind and precision as ``z``: nothing is computed, and the precision tells
        `matrix_rank` where rounding noise ends.

    Raises
    ------
    ValueError
        If ``z`` has fewer than three dimensions, is empty, or holds NaN or infinity.

    References
    ----------
    T. G. Kolda and B. W. Bader, "Tensor decompositions and applications", SIAM Review 51 (2009),
    section 2.4. The order of the columns changes neither rank nor covariance.
    """
    inside, back = enter_raw(z)
    check_latents(inside)
    rows, columns, channels = unfold(inside)
    return back(rows), back(columns), back(channels)


def mode_covariances(z: A) -> tuple[A, A, A]:
    r"""Covariances of the three mode unfoldings of latent tensors.

    :math:`S_i = (X_i - m_i)(X_i - m_i)^\top / (\mathrm{cols}_i - 1)`, with :math:`m_i` the mean
    over the columns of the unfolding; no ridge. Ranks should be taken from the unfoldings, not
    from these: a covariance squares the singular values.

    Parameters
    ----------
    z : array or tensor, shape (..., C, H, W)
        Latents: channels, rows, columns.

    Returns
    -------
    rows : shape (..., H, H)
    columns : shape (..., W, W)
    channels : shape (..., C, C)
        float64; the same kind as ``z``.

    Raises
    ------
    ValueError
        If ``z`` has fewer than three dimensions, is empty, or holds NaN or infinity.
    """
    inside, back = enter_raw(z)
    check_latents(inside)
    flat = inside.reshape(-1, *inside.shape[-3:])
    rows, columns, channels = (_covariances(x, inside.shape[:-3]) for x in unfold(flat))
    return back(rows), back(columns), back(channels)


def _covariances(x: Tensor, lead: torch.Size) -> Tensor:
    """Covariances of one mode of all latents, in float64 a few latents at a time."""
    samples, rows, columns = x.shape
    what = f"a table of {samples} covariances of {rows}x{rows}"
    require_result(8.0 * samples * rows**2, x, what, "work in blocks of samples")
    out = x.new_empty(samples, rows, rows, dtype=torch.float64)
    fill(out, lambda tile: covariance(x[tile].to(torch.float64)), 24.0 * rows * (columns + rows))
    return out.reshape(*lead, rows, rows)


def unfold(z: Tensor) -> Modes:
    """Unfold checked tensors (..., C, H, W) along rows, columns and channels."""
    channels, rows, columns = z.shape[-3:]
    lead = z.shape[:-3]
    return Modes(
        z.transpose(-3, -2).reshape(*lead, rows, channels * columns),
        z.movedim(-1, -3).reshape(*lead, columns, channels * rows),
        z.reshape(*lead, channels, rows * columns),
    )


def centre(x: Tensor) -> Tensor:
    """Take the mean over the columns away."""
    return x - x.mean(-1, keepdim=True)


def centring_floor(x: Tensor) -> Tensor:
    """Bound what centring itself leaves: a constant matrix is not exactly zero after it."""
    largest = torch.maximum(x.amax((-2, -1)), -x.amin((-2, -1)))
    return max(x.shape[-2:]) * torch.finfo(torch.float64).eps * largest.to(torch.float64)


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
