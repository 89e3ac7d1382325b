"""The metric that a decoder pulls back from images to latents: smoothness, measured."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import jacrev, jvp, vmap

from latentgeo.geometry import _linalg
from latentgeo.geometry._checks import check_finite, check_floats
from latentgeo.geometry._tiles import DEFAULT_BUDGET, require

Decoder = Callable[[Tensor], Tensor]


class PullbackStatistics(NamedTuple):
    """What a decoder does to the latent space near each of N latents.

    Attributes
    ----------
    singular_values : Tensor, shape (N, k), float64
        Of the Jacobian (along the directions), descending: how far the image moves for a unit
        step of the latent.
    condition : Tensor, shape (N,)
        Condition number of the metric JᵀJ, (s₁/s_k)²: 1 is an isometry up to scale, infinite a
        direction that the decoder does not see.
    log_volume : Tensor, shape (N,)
        Logarithm of √det JᵀJ, the volume element; −∞ where it collapses.
    """

    singular_values: Tensor
    condition: Tensor
    log_volume: Tensor


def pullback_metric(
    decoder: Decoder,
    z: Tensor,
    *,
    directions: Tensor | None = None,
    budget: float = DEFAULT_BUDGET,
) -> Tensor:
    r"""Riemannian metric :math:`J^\top J` that a decoder pulls back to its latent space.

    Parameters
    ----------
    decoder : callable
        Takes latents (b, ...) to images (b, ...), each sample on its own: a module in eval mode.
    z : Tensor, shape (N, ...)
        Latents, D numbers each; the Jacobian is taken in their dtype.
    directions : Tensor, shape (D, k) or (N, D, k), optional
        Columns to restrict the metric to, such as a basis of the latent set's tangent space. A
        latent with more numbers than the image has pixels is degenerate without.
    budget : float
        Bytes of temporaries that the call may hold.

    Returns
    -------
    Tensor, shape (N, D, D), or (N, k, k) for directions, float64

    Raises
    ------
    ValueError
        If shapes do not fit, ``z`` is empty or not finite, or one Jacobian is over the budget.

    References
    ----------
    G. Arvanitidis, L. K. Hansen and S. Hauberg, "Latent space oddity: on the curvature of deep
    generative models", ICLR 2018, equation 2.

    Examples
    --------
    >>> import torch
    >>> from latentgeo.geometry import pullback_metric
    >>> pullback_metric(lambda z: torch.cat([z, z], 1), torch.zeros(1, 2))
    tensor([[[2., 0.],
             [0., 2.]]], dtype=torch.float64)
    """
    jacobians = _jacobians(decoder, z, directions, budget)
    return torch.stack([j.mT @ j for j in jacobians])


def pullback_statistics(
    decoder: Decoder,
    z: Tensor,
    *,
    directions: Tensor | None = None,
    budget: float = DEFAULT_BUDGET,
) -> PullbackStatistics:
    """Singular values, condition number and volume of the decoder's pull-back metric.

    Parameters
    ----------
    decoder, z, directions, budget
        As for `pullback_metric`.

    Returns
    -------
    PullbackStatistics
        Named tuple (singular_values, condition, log_volume).

    Examples
    --------
    >>> import torch
    >>> from latentgeo.geometry import pullback_statistics
    >>> pullback_statistics(lambda z: z * torch.tensor([1.0, 2.0]), torch.zeros(1, 2)).condition
    tensor([4.], dtype=torch.float64)
    """
    jacobians = _jacobians(decoder, z, directions, budget)
    values = torch.stack([_padded_singular_values(j) for j in jacobians])
    smallest, largest = values[:, -1], values[:, 0]
    noise = values.shape[1] * torch.finfo(z.dtype).eps * largest
    seen = smallest > noise
    condition = torch.where(seen, (largest / smallest.clamp_min(1e-300)).square(), float("inf"))
    volume = torch.where(seen, values.clamp_min(1e-300).log().sum(-1), -float("inf"))
    return PullbackStatistics(values, condition, volume)


def _padded_singular_values(jacobian: Tensor) -> Tensor:
    """Return one value for each latent direction: those beyond the pixels are not seen."""
    values = _linalg.svdvals(jacobian)
    return torch.nn.functional.pad(values, (0, jacobian.shape[1] - len(values)))


def _jacobians(
    decoder: Decoder, z: Tensor, directions: Tensor | None, budget: float
) -> list[Tensor]:
    _check(z, directions)
    with torch.no_grad():
        pixels = decoder(z[:1]).numel()
    latent = z[0].numel()
    columns = latent if directions is None else directions.shape[-1]
    # Activations of a decoder are some dozens of times its image, for each direction at once.
    chunk = max(1, min(columns, int(budget / 2 / (64.0 * 8 * (pixels + latent)))))
    needed = 16.0 * pixels * columns
    require(
        needed,
        budget,
        f"a Jacobian of {pixels} by {columns}",
        "give fewer directions=, or raise budget=",
    )
    return [
        _jacobian(decoder, sample, _of_sample(directions, i), chunk).to(torch.float64)
        for i, sample in enumerate(z)
    ]


def _jacobian(decoder: Decoder, sample: Tensor, directions: Tensor | None, chunk: int) -> Tensor:
    """Jacobian (pixels, D), or its product (pixels, k) with directions, of one sample."""

    def one(flat: Tensor) -> Tensor:
        return decoder(flat.reshape(1, *sample.shape)).flatten()

    flat = sample.flatten().detach()
    if directions is None:
        with torch.no_grad():
            pixels = one(flat).numel()
        if pixels < flat.numel():
            wide: Tensor = jacrev(one, chunk_size=chunk)(flat)
            return wide.detach()
        directions = torch.eye(flat.numel(), device=flat.device)

    def along(direction: Tensor) -> Any:
        return jvp(one, (flat,), (direction,))[1]

    moved: Tensor = vmap(along, in_dims=1, out_dims=1, chunk_size=chunk)(directions.to(flat))
    return moved.detach()


def _of_sample(directions: Tensor | None, i: int) -> Tensor | None:
    if directions is None or directions.ndim == 2:
        return directions
    return directions[i]


def _check(z: Tensor, directions: Tensor | None) -> None:
    check_floats(z)
    if directions is None:
        return
    check_finite(directions, "directions")
    wanted = z[0].numel()
    fits = directions.ndim in (2, 3) and directions.shape[-2] == wanted
    if not fits or (directions.ndim == 3 and len(directions) != len(z)):
        raise ValueError(
            f"directions have shape {tuple(directions.shape)}; expected ({wanted}, k) or "
            f"({len(z)}, {wanted}, k) for latents of shape {tuple(z.shape)}"
        )
