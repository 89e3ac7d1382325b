"""Numbers whose squares float64 cannot hold: brought to where it can, or refused."""

from collections.abc import Sequence

import torch
from torch import Tensor

_SAFE = 2.0**200
"""Numbers up to this, and down to its inverse, can be squared twice."""


def to_unit(x: Tensor, dim: int | Sequence[int]) -> tuple[Tensor, Tensor]:
    """Divide by a power of two for each item, and return it: 1 where the numbers are safe anyway.

    No digit is lost or changed, but of numbers 1e-308 times as large as the largest.
    """
    axes = (dim,) if isinstance(dim, int) else tuple(dim)
    unit = unit_of(largest_absolute(x, axes))
    return (x / unit if bool((unit != 1).any()) else x), unit


def largest_absolute(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Return the largest absolute value over some axes, which stay with length 1."""
    return torch.maximum(x.amax(axes, keepdim=True), -x.amin(axes, keepdim=True))


def unit_of(largest: Tensor) -> Tensor:
    """Return the power of two next below each number, or 1 where its square is safe."""
    largest = largest.detach().to(torch.float64)
    unit = torch.exp2(torch.frexp(largest)[1].to(torch.float64) - 1)
    safe = ((largest < _SAFE) & (largest > 1 / _SAFE)) | (largest == 0)
    return unit.masked_fill(safe, 1.0)


def norm(x: Tensor) -> Tensor:
    """Euclidean norms of vectors (..., n), of any size that float64 holds."""
    scaled, unit = to_unit(x, -1)
    return scaled.square().sum(-1).sqrt() * unit[..., 0]


def check_held(found: Tensor, where: Tensor | bool, what: str, way_out: str) -> None:
    """Require results that are not zero, where they should not be, to be numbers of all digits."""
    size = found.detach().abs()
    bad = ~torch.isfinite(size) | (size < torch.finfo(torch.float64).tiny) & where
    if bool(bad.any()):
        raise ValueError(
            f"{what} is beyond float64, which holds 2.2e-308 to 1.8e+308 in full; {way_out}"
        )
