r"""Sums of squared logarithms of eigenvalues, without the eigenvalues.

For :math:`\varphi(u) = \log\det(e^u I + T)` one has

.. math:: \sum_k \log^2\lambda_k
   = 2\int (\varphi(u) - n\max(u, 0) - [u < 0]\log\det T)\,du - n\pi^2/3.

The integrand is analytic in a strip of width 2π, so the trapezoidal rule of step h is right to
exp(−2π²/h) once the kink at 0 is allowed for, and its tails are geometric. Each φ is one pass
through a tridiagonal matrix, for all nodes of all matrices of a batch at once: 5 µs for 49×49 where
LAPACK takes 38 to find the eigenvalues.
"""

from math import exp, pi

import torch
from torch import Tensor

from latentgeo.geometry._tiles import tiles
from latentgeo.geometry._tridiagonal import tridiagonal

_STEP = 0.55
_NODES = 39
_MATRICES_AT_ONCE = 256
_PIVOTS_PER_LOGARITHM = 25
"""Their product stays within the range of float64 even at the outermost node."""
_TAIL = 1e-6
"""Tails up to which all that is not geometric about them is below rounding."""
_LOST_BELOW = 0.1
"""Sums below which rounding, some 1e-13, is no longer small."""


def squared_logarithms(x: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
    """Σ log²λ for definite matrices (batch, n, n), and where it is right; x is overwritten.

    ``centre`` is about the mean logarithm of each matrix. Sums are not right where eigenvalues are
    further from it than some 7 on either side, or all so close to 1 that rounding counts.
    """
    reduced = tridiagonal(x)
    if reduced is None:
        return centre, torch.zeros_like(centre, dtype=torch.bool)
    scale = (-centre).exp()
    diagonals, squares = reduced[0] * scale, reduced[1] * scale.square()
    parts = [
        _about_centre(diagonals[:, tile].contiguous(), squares[:, tile].contiguous())
        for tile in tiles(len(centre), 1.0, _MATRICES_AT_ONCE)
    ]
    sums, determinants, sound = (torch.cat(part) for part in zip(*parts, strict=True))
    sums += centre * (2 * determinants + len(diagonals) * centre)
    return sums, sound & (sums > _LOST_BELOW)


def _about_centre(diagonals: Tensor, squares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Σ log²λ and Σ log λ of tridiagonal matrices with the batch last, and where both are right."""
    size = len(diagonals)
    u = _STEP * torch.arange(-_NODES, _NODES + 1, dtype=diagonals.dtype)
    shifts = torch.cat([torch.zeros_like(u[:1]), u.exp()])
    found = _log_determinants(diagonals, squares, shifts)
    determinants, integrand = found[0], found[1:]
    integrand[:_NODES] -= determinants
    integrand[_NODES] -= determinants / 2
    integrand[_NODES + 1 :] -= size * u[_NODES + 1 :, None]
    ends = integrand[0] + integrand[-1]
    tails = ends * exp(-_STEP) / (1 - exp(-_STEP))
    sums = 2 * _STEP * (integrand.sum(0) + tails) - size * (pi**2 / 3 + _STEP**2 / 6)
    return sums, determinants, torch.maximum(integrand[0].abs(), integrand[-1].abs()) < _TAIL


def _log_determinants(diagonals: Tensor, squares: Tensor, shifts: Tensor) -> Tensor:
    """Return log det(T + tI) for each shift t of each matrix, (shifts, batch)."""
    shifts = shifts[:, None]
    pivots = diagonals[0] + shifts
    product, total, shifted = pivots.clone(), torch.zeros_like(pivots), torch.empty_like(pivots)
    for k in range(1, len(diagonals)):
        if k % _PIVOTS_PER_LOGARITHM == 0:
            total += product.log_()
            product.fill_(1.0)
        torch.add(diagonals[k], shifts, out=shifted)
        torch.div(squares[k - 1], pivots, out=pivots)
        torch.sub(shifted, pivots, out=pivots)
        product *= pivots
    return total.add_(product.log_())
