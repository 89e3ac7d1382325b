"""Paths in a latent space: how long a decoder makes them, and which ranks they cross."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from latentgeo.geometry._arrays import A, DType
from latentgeo.geometry._checks import check_count, check_floats
from latentgeo.geometry.pullback import Decoder
from latentgeo.geometry.rank import RankRule, mode_ranks, mode_singular_values

# Images that are decoded at once for a length.
_BATCH = 256


class Geodesic(NamedTuple):
    """Shortest paths that were found between N pairs of latents.

    Attributes
    ----------
    points : Tensor, shape (N, P, ...)
        Latents along each path, both ends included, in the dtype of the latents.
    length : Tensor, shape (N,), float64
        Length of the path through the points, in the units of the decoder's output.
    line_length : Tensor, shape (N,)
        Length of the straight line in latent space, measured in the same way.
    excess : Tensor, shape (N,)
        1 − length / line_length: the share of the line's length that the geodesic saves. 0 where
        the line is a geodesic; at most 1; NaN where the line has no length.
    converged : Tensor, shape (N,), bool
        Whether the gradient fell below the tolerance.
    gradient : Tensor, shape (N,)
        Largest entry of the gradient at the end, of the energy relative to that of the line and
        for points in units of the distance between endpoints.
    """

    points: Tensor
    length: Tensor
    line_length: Tensor
    excess: Tensor
    converged: Tensor
    gradient: Tensor


class PathRanks(NamedTuple):
    """Ranks along N paths of P latents.

    Attributes
    ----------
    ranks : shape (N, P, modes), int64
        The rank of each mode's unfolding.
    crossings : shape (N,), int64
        How often the tuple of ranks changes from one point to the next.
    singular_values : tuple of shapes (N, P, k)
        Of each mode, descending.
    """

    ranks: Any
    crossings: Any
    singular_values: tuple[Any, ...]


def path_length(decoder: Decoder, path: Tensor, *, substeps: int = 4) -> Tensor:
    r"""Length of paths as the decoder sees them, :math:`\sum_i \|g(z_{i+1}) - g(z_i)\|`.

    It converges from below to the length under the pull-back metric as the points get closer.

    Parameters
    ----------
    decoder : callable
        Takes latents (b, ...) to images (b, ...), each sample on its own: a module in eval mode.
        Let it end in the features of another net for a perceptual length.
    path : Tensor, shape (N, P, ...)
        Latents along each path.
    substeps : int, default=4
        Parts into which each step between points is divided by a straight line.

    Returns
    -------
    Tensor, shape (N,), float64

    Raises
    ------
    ValueError
        If there are fewer than two points, or they are not finite.

    Examples
    --------
    >>> import torch
    >>> from latentgeo.geometry import path_length
    >>> path = torch.tensor([[[0.0], [1.0], [2.0]]])
    >>> path_length(lambda z: 3 * z, path)
    tensor([6.], dtype=torch.float64)
    """
    _check_path(path)
    check_count(substeps, "substeps")
    return torch.stack([_length(decoder, one, substeps) for one in path])


def geodesic(
    decoder: Decoder,
    start: Tensor,
    end: Tensor,
    *,
    points: int = 16,
    iterations: int = 200,
    tolerance: float = 1e-3,
    substeps: int = 4,
) -> Geodesic:
    r"""Shortest paths between latents under the decoder's pull-back metric.

    The energy :math:`\sum_i \|g(z_{i+1}) - g(z_i)\|^2` is minimised over the inner points by
    L-BFGS, from the straight line: what is found is a local minimum.

    Parameters
    ----------
    decoder : callable
        As for `path_length`; differentiable.
    start, end : Tensor, shape (N, ...)
        Ends of each path.
    points : int, default=16
        Points on each path, both ends included.
    iterations : int, default=200
        Most iterations of the optimiser for each path.
    tolerance : float, default=1e-3
        Gradient below which a path has converged; see `Geodesic`.
    substeps : int, default=4
        As for `path_length`, for the lengths. A path that saves length only between its points
        shows by them.

    Returns
    -------
    Geodesic
        Named tuple (points, length, line_length, excess, converged, gradient).

    Raises
    ------
    ValueError
        If shapes or numbers cannot be used.

    References
    ----------
    .. [1] H. Shao, A. Kumar, P. T. Fletcher, "The Riemannian geometry of deep generative models",
       CVPR workshops 2018, algorithm 1.
    .. [2] M. Michelis, Q. Becker, "On linear interpolation in the latent space of deep generative
       models", arXiv 2105.03663.

    Examples
    --------
    >>> import torch
    >>> from latentgeo.geometry import geodesic
    >>> start, end = torch.tensor([[-1.0]]), torch.tensor([[1.0]])
    >>> found = geodesic(lambda z: torch.cat([z, z**2], 1), start, end, points=4)
    >>> found.points.shape
    torch.Size([1, 4, 1])
    """
    _check_ends(start, end)
    check_count(points, "points", 3)
    check_count(iterations, "iterations")
    check_count(substeps, "substeps")
    lines = _lines(start.detach(), end.detach(), points)
    found = [_bend(decoder, line, iterations, tolerance) for line in lines]
    paths = torch.stack([path for path, _ in found])
    gradient = torch.stack([rest for _, rest in found])
    length, line_length = (path_length(decoder, each, substeps=substeps) for each in (paths, lines))
    excess = torch.where(line_length > 0, 1 - length / line_length, torch.nan)
    return Geodesic(paths, length, line_length, excess, gradient <= tolerance, gradient)


def path_ranks(
    path: A, rule: RankRule = "spectrum", centred: bool = True, source_dtype: DType | None = None
) -> PathRanks:
    """Ranks of the mode unfoldings along paths: whether a path crosses strata, and where.

    Parameters
    ----------
    path : array or tensor, shape (N, P, channels, rows, columns)
        Latents along each path, or of another order with the channels first.
    rule, centred, source_dtype
        As for `mode_ranks`.

    Returns
    -------
    PathRanks
        Named tuple (ranks, crossings, singular_values), of the kind of ``path``.

    Raises
    ------
    ValueError
        If the paths have another shape or are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import path_ranks
    >>> path = np.random.default_rng(0).normal(size=(1, 5, 4, 3, 3))
    >>> path_ranks(path).ranks.shape
    (1, 5, 3)
    """
    order = path.ndim - 2
    if order < 2:
        raise ValueError(
            f"path has shape {tuple(path.shape)}; expected (paths, points, channels, rows, "
            "columns) or another order. A vector latent has no modes to unfold"
        )
    ranks = mode_ranks(path, rule, centred, source_dtype, order=order)
    crossings = (ranks[:, 1:] != ranks[:, :-1]).any(-1).sum(-1)
    spectra = mode_singular_values(path, centred, source_dtype, order=order)
    return PathRanks(ranks, crossings, spectra)


def _bend(
    decoder: Decoder, line: Tensor, iterations: int, tolerance: float
) -> tuple[Tensor, Tensor]:
    """Move the inner points of one line to where its energy is least."""
    scale = (line[-1] - line[0]).norm()
    with torch.no_grad():
        unit = _energy(decoder, line)
    if not bool(unit > 0):
        return line, torch.zeros((), dtype=torch.float64, device=line.device)
    # In these units one tolerance serves decoders and latents of any scale.
    moved = torch.zeros_like(line[1:-1], requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [moved],
        max_iter=iterations,
        max_eval=4 * iterations,
        tolerance_grad=tolerance,
        tolerance_change=1e-12,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def bent() -> Tensor:
        return torch.cat([line[:1], line[1:-1] + scale * moved, line[-1:]])

    def relative_energy() -> Tensor:
        optimiser.zero_grad()
        energy = _energy(decoder, bent()) / unit
        (moved.grad,) = torch.autograd.grad(energy, [moved])
        return energy

    with torch.enable_grad():
        optimiser.step(relative_energy)  # type: ignore[no-untyped-call]
        relative_energy()
    rest = moved.grad if moved.grad is not None else torch.zeros_like(moved)
    return bent().detach(), rest.abs().amax().double()


def _energy(decoder: Decoder, path: Tensor) -> Tensor:
    images = decoder(path).flatten(1).double()
    return (images[1:] - images[:-1]).square().sum()


@torch.no_grad()
def _length(decoder: Decoder, path: Tensor, substeps: int) -> Tensor:
    """Decode one path, and what lies between its points, in batches that share an image."""
    share = torch.arange(substeps, device=path.device, dtype=path.dtype) / substeps
    share = share.reshape(1, -1, *[1] * (path.ndim - 1))
    between = path[:-1, None] + share * (path[1:] - path[:-1])[:, None]
    fine = torch.cat([between.flatten(0, 1), path[-1:]])
    length = torch.zeros((), dtype=torch.float64, device=path.device)
    for first in range(0, len(fine) - 1, _BATCH):
        images = decoder(fine[first : first + _BATCH + 1]).flatten(1).double()
        length += (images[1:] - images[:-1]).norm(dim=1).sum()
    return length


def _lines(start: Tensor, end: Tensor, points: int) -> Tensor:
    share = torch.linspace(0, 1, points, device=start.device, dtype=start.dtype)
    share = share.reshape(1, -1, *[1] * (start.ndim - 1))
    return (1 - share) * start[:, None] + share * end[:, None]


def _check_path(path: Tensor) -> None:
    check_floats(path, "path")
    if path.ndim < 3 or path.shape[1] < 2:
        raise ValueError(
            f"path has shape {tuple(path.shape)}; expected (paths, points, ...) of at least 2 "
            "points"
        )


def _check_ends(start: Tensor, end: Tensor) -> None:
    check_floats(start, "start")
    check_floats(end, "end")
    if start.shape != end.shape or start.ndim < 2:
        raise ValueError(
            f"start has shape {tuple(start.shape)} and end {tuple(end.shape)}; expected the same, "
            "(pairs, ...)"
        )
