"""Every check of input, once; the messages say what came, what was expected and the way out."""

from collections.abc import Sequence

import torch
from torch import Tensor


def check_matrices(x: Tensor, name: str = "x") -> None:
    """Require at least one non-empty finite matrix in the last two dimensions."""
    if x.ndim < 2:
        raise ValueError(
            f"{name} has shape {tuple(x.shape)}; expected matrices, shape (..., rows, columns)"
        )
    check_not_empty(x, name)
    check_finite(x, name)


def check_latents(z: Tensor, name: str = "z") -> None:
    """Require finite third-order tensors in the last three dimensions."""
    if z.ndim < 3:
        raise ValueError(
            f"{name} has shape {tuple(z.shape)}; expected latents of shape (..., channels, rows, "
            "columns). A vector latent has no modes to unfold: give it as (..., D, 1, 1)"
        )
    check_not_empty(z, name)
    check_finite(z, name)


def check_not_empty(x: Tensor, name: str = "x") -> None:
    """Require at least one number."""
    if x.numel() == 0:
        raise ValueError(f"{name} is empty: shape {tuple(x.shape)}; give at least one sample")


def check_finite(x: Tensor, name: str = "x") -> None:
    """Require numbers without NaN or infinity."""
    if bool(torch.isfinite(x.sum())):
        return
    bad = ~torch.isfinite(x)
    if bool(bad.any()):
        first = tuple(int(i) for i in bad.nonzero()[0])
        raise ValueError(
            f"{name} of shape {tuple(x.shape)} holds {int(bad.sum())} NaN or infinite values, "
            f"the first at {first}; remove or replace them"
        )


def check_square(x: Tensor, name: str = "x") -> None:
    """Require square matrices in the last two dimensions."""
    check_matrices(x, name)
    if x.shape[-1] != x.shape[-2]:
        raise ValueError(f"{name} has shape {tuple(x.shape)}; expected square (..., n, n)")


def check_gram(gram: Tensor, name: str = "gram") -> None:
    """Require symmetric matrices, to a relative tolerance."""
    check_square(gram, name)
    gap = (gram - gram.mT).abs().amax()
    scale = gram.abs().amax()
    if bool(gap > 1e-8 * scale):
        raise ValueError(
            f"{name} of shape {tuple(gram.shape)} is not symmetric: entries differ by up to "
            f"{float(gap):.3g} where the largest is {float(scale):.3g}; expected a Gram matrix"
        )


def check_shares(shares: Sequence[float]) -> None:
    """Require shares of energy in (0, 1]."""
    for share in shares:
        if not 0 < share <= 1:
            raise ValueError(f"share is {share}; expected a share of the energy in (0, 1]")


def check_same_rows(a: Tensor, b: Tensor) -> None:
    """Require two sets of subspaces of one and the same space."""
    if a.shape[-2] != b.shape[-2]:
        raise ValueError(
            f"the subspaces live in spaces of {a.shape[-2]} and {b.shape[-2]} dimensions "
            f"(shapes {tuple(a.shape)} and {tuple(b.shape)}); expected the same"
        )
