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


def check_latents(z: Tensor, order: int = 3, name: str = "z") -> None:
    """Require finite tensors of an order, at least 2, in the last dimensions."""
    check_count(order, "order", 2)
    if z.ndim < order:
        axes = {2: "channels, positions", 3: "channels, rows, columns"}
        raise ValueError(
            f"{name} has shape {tuple(z.shape)}; expected latents of shape (..., "
            f"{axes.get(order, f'and {order} axes')}), or another order. A vector latent has no "
            "modes to unfold: give it as (..., D, 1, 1)"
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


def check_count(value: int, name: str, least: int = 1) -> None:
    """Require a whole number of at least some value."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} is {value!r}; expected a whole number from {least}")


def check_floats(z: Tensor, name: str = "z") -> None:
    """Require a tensor of finite floats, as a decoder takes it."""
    if not isinstance(z, Tensor) or not z.dtype.is_floating_point:
        raise TypeError(f"{name} is {type(z).__name__}; expected a tensor of floats for a decoder")
    check_not_empty(z, name)
    check_finite(z, name)


def check_square(x: Tensor, name: str = "x") -> None:
    """Require square matrices in the last two dimensions."""
    check_matrices(x, name)
    if x.shape[-1] != x.shape[-2]:
        raise ValueError(
            f"{name} has shape {tuple(x.shape)}; expected square (..., n, n). {_first_words(x)}"
        )


def check_distances(x: Tensor, name: str = "x") -> None:
    """Require a matrix of distances: symmetric, nothing negative, 0 from each point to itself.

    A similarity, or a matrix with something else on its diagonal, would give a number too.
    """
    check_not_empty(x, name)
    check_finite(x, name)
    check_square(x, name)
    scale = float(x.abs().max())
    near = 1e-5 * scale
    least, own = float(x.min()), float(x.diagonal().abs().max())
    skew = float((x - x.mT).abs().max())
    hint = "give distances, or points with metric='euclidean'"
    if least < -near:
        raise ValueError(f"{name} holds {least:.3g}; expected distances, none below 0; {hint}")
    if own > near:
        raise ValueError(
            f"{name} has {own:.3g} on its diagonal; expected 0, the distance of each point to "
            f"itself (a similarity has its largest value there); {hint}"
        )
    if skew > near:
        raise ValueError(
            f"{name} is not symmetric: entries that should be equal differ by {skew:.3g}; {hint}"
        )


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


def check_symmetric(s: Tensor, eps: float, name: str = "x") -> None:
    """Require symmetry of each matrix to a relative tolerance, the root of the source's epsilon."""
    check_square(s, name)
    gap = (s - s.mT).abs().amax((-2, -1))
    scale = s.abs().amax((-2, -1))
    bad = gap > eps**0.5 * scale
    if bool(bad.any()):
        i = int(bad.flatten().nonzero()[0])
        raise ValueError(
            f"{name} of shape {tuple(s.shape)} is not symmetric: in matrix {i} entries differ by "
            f"{float(gap.flatten()[i]):.3g} where the largest is {float(scale.flatten()[i]):.3g} "
            f"({_first_words(s.reshape(-1, *s.shape[-2:])[i])}); "
            "give symmetric matrices, or factors with form='factor'"
        )


def check_spsd(s: Tensor, values: Tensor, eps: float, name: str = "x") -> None:
    """Require eigenvalues (ascending) that are not negative beyond rounding."""
    tolerance = 4 * s.shape[-1] * eps * values.abs().amax(-1)
    bad = values[..., 0] < -tolerance
    if bool(bad.any()):
        raise ValueError(
            f"{name} is not positive semi-definite: {describe(values[bad][0], s.shape, eps)}; "
            "expected no eigenvalue below rounding"
        )


def check_definite(
    values: Tensor, rank: Tensor, rows: int, metric: str, name: str, start: int = 0
) -> None:
    """Require full rank, for metrics that have no meaning below it."""
    bad = rank < rows
    if bool(bad.any()):
        i = int(bad.nonzero()[0])
        low, high = _ends(values[i], int(rank[i]))
        raise ValueError(
            f"{metric} needs definite matrices, and matrix {start + i} of {name}, {rows}x{rows}, "
            f"has rank {int(rank[i])} (eigenvalues on its range {low:.3g} to {high:.3g}); use a "
            "metric that holds at every rank, such as 'bures-wasserstein' or 'pseudo-log', or "
            "give ridge="
        )


def check_equal_ranks(
    first: Tensor, second: Tensor, values: tuple[Tensor, Tensor], rows: int, metric: str
) -> None:
    """Require one rank for all matrices of both sets, whose eigenvalues are given."""
    ranks = sorted(set(torch.cat([first, second]).tolist()))
    if len(ranks) > 1:
        kept = torch.cat([v[v > 0] for v in values])
        raise ValueError(
            f"{metric} compares matrices of one rank, and these, {rows}x{rows}, have ranks {ranks} "
            f"(eigenvalues on their ranges {_span(kept)}); take one "
            "stratum at a time, or a metric across ranks such as 'bures-wasserstein'"
        )


def check_set(x: Tensor, name: str, rows: int | None = None) -> None:
    """Require a set of matrices, (samples, rows, columns), of a given number of rows."""
    check_not_empty(x, name)
    if x.ndim != 3:
        raise ValueError(
            f"{name} has shape {tuple(x.shape)}; expected a set of matrices, shape (samples, "
            f"rows, columns), and got {x.ndim} dimensions"
        )
    if rows is not None and x.shape[-2] != rows:
        raise ValueError(
            f"x and y hold matrices of {rows} and {x.shape[-2]} rows; expected the same"
        )


def check_weight(weight: float, name: str) -> float:
    """Require a finite number of at least 0."""
    if not 0 <= weight < float("inf"):
        raise ValueError(f"{name} is {weight}; expected a number of at least 0")
    return float(weight)


def check_weights(weights: Sequence[float], count: int) -> None:
    """Require one finite weight of at least 0 for each mode."""
    if len(weights) != count or any(not 0 <= w < float("inf") for w in weights):
        raise ValueError(
            f"weights are {tuple(weights)}; expected {count} numbers of at least 0, one a mode"
        )


def describe(values: Tensor, shape: torch.Size, eps: float) -> str:
    """Write shape, ends of the spectrum and rank of one symmetric matrix in words."""
    rank = int((values > shape[-1] * eps * values.abs().amax()).sum())
    return (
        f"shape {tuple(shape)}, eigenvalues {float(values.amin()):.3g} to "
        f"{float(values.amax()):.3g}, rank {rank}"
    )


def _first_words(x: Tensor) -> str:
    """Write the ends of the spectrum and the rank of the first matrix, for an error message."""
    first = x.detach().reshape(-1, *x.shape[-2:])[0].to(torch.float64).cpu()
    values = torch.linalg.svdvals(first)
    rtol = max(first.shape) * torch.finfo(x.dtype).eps
    rank = int((values > rtol * values.amax()).sum())
    return f"singular values {_span(values)}, rank {rank}"


def _span(values: Tensor) -> str:
    return f"{float(values.amin()):.3g} to {float(values.amax()):.3g}"


def _ends(values: Tensor, rank: int) -> tuple[float, float]:
    if rank == 0:
        return 0.0, 0.0
    return float(values[rank - 1]), float(values[0])
