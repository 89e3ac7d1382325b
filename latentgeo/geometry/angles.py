"""Principal angles between subspaces of R^n and of a reproducing kernel Hilbert space."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from latentgeo.geometry import _linalg
from latentgeo.geometry._arrays import A, enter, enter_pair
from latentgeo.geometry._checks import (
    check_finite,
    check_gram,
    check_matrices,
    check_same_rows,
    check_shares,
)
from latentgeo.geometry._linalg import product
from latentgeo.geometry._tiles import piece_bytes, tiles
from latentgeo.geometry.hilbert import centre_both, leading_count

JointPoints = Callable[[int], tuple[Tensor, Tensor]]
_EPS64 = torch.finfo(torch.float64).eps
_COSINES_RESOLVE = 1e-2
"""Angles (radians) from which on a cosine in float64 gives the angle to 1e-13."""
_SQUARED_COSINES_RESOLVE = 1e-3
"""Cosines from which on their squares in float64 give the angle to 1e-12."""
_TRUSTED_ERROR = 3e-13
"""Estimated errors (radians) up to which Gram matrices of the columns are good enough."""
_GRAM_COSINES_RESOLVE = 1e-3
"""Angles (radians) from which on cosines suffice in a kernel space."""


class AngleStatistics(NamedTuple):
    """Summary of sets of principal angles, in radians; ``chordal`` is √Σ sin²θ."""

    smallest: Any
    largest: Any
    mean: Any
    chordal: Any


def principal_angles(a: A, b: A) -> A:
    """Principal angles between the column spaces of matrices.

    Parameters
    ----------
    a : array or tensor, shape (..., n, p)
    b : array or tensor, shape (..., n, q)
        Columns span the subspaces and need not be orthonormal nor independent; leading dimensions
        broadcast.

    Returns
    -------
    array or tensor, shape (..., min(n, p, q)), float64
        Radians, ascending, in [0, π/2]; NaN beyond the smaller of the two ranks. Small ones come
        from sines and are right to 1e-12.

    Raises
    ------
    ValueError
        If the subspaces live in different spaces, or the input is empty or not finite.

    References
    ----------
    Å. Björck and G. H. Golub, "Numerical methods for computing angles between linear subspaces",
    Mathematics of Computation 27 (1973); A. V. Knyazev and M. E. Argentati, SIAM J. Sci. Comput.
    23 (2002), algorithm 3.1, for sines.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import principal_angles
    >>> np.rad2deg(principal_angles(np.array([[1.0], [0.0]]), np.array([[1.0], [1.0]]))).round(1)
    array([45.])
    """
    left, right, back = enter_pair(a, b)
    assert right is not None
    check_matrices(left, "a")
    check_matrices(right, "b")
    check_same_rows(left, right)
    lead = _broadcast(left.shape[:-2], right.shape[:-2])
    a_flat, b_flat = _flatten(left, lead, 2), _flatten(right, lead, 2)
    bytes_each = 8.0 * a_flat.shape[-2] * (a_flat.shape[-1] + b_flat.shape[-1]) * 6
    pieces = tiles(len(a_flat), bytes_each, piece_bytes(a_flat))
    cost = 8.0 * (a_flat.numel() + b_flat.numel()) * max(a_flat.shape[-1], b_flat.shape[-1])
    parts = _linalg.map_tiles(
        lambda tile: _angles_of_spans(a_flat[tile], b_flat[tile]), pieces, cost, a_flat
    )
    return back(torch.cat(parts).reshape(*lead, -1))


def rkhs_principal_angles(
    k_cc: A,
    k_cn: A,
    k_nn: A,
    *,
    share: float = 0.95,
    dims: int | tuple[int, int] | None = None,
    centred: bool = True,
) -> A:
    r"""Principal angles between the leading subspaces of two sets in a kernel's feature space.

    With :math:`A = V_d \Lambda_d^{-1/2}` of each set's own (centred) Gram matrix, the cosines are
    the singular values of :math:`A_c^\top K_{cn} A_n`. Where an angle is small they say nothing
    more, and both sets get coordinates from their joint Gram matrix: angles then come from sines.

    Parameters
    ----------
    k_cc : array or tensor, shape (..., n, n)
        Gram matrix of the first set (clean).
    k_cn : array or tensor, shape (..., n, m)
        Kernel between the first and the second set.
    k_nn : array or tensor, shape (..., m, m)
        Gram matrix of the second set (noisy).
    share : float
        Each subspace holds this share of its set's energy.
    dims : int or two ints, optional
        Dimensions of the two subspaces, instead of ``share``; capped at the sets' numerical ranks.
    centred : bool
        Centre each set on its own mean in feature space first.

    Returns
    -------
    array or tensor, shape (..., d), float64
        Radians, ascending, all min(d_c, d_n) of them; NaN beyond (batches may differ in d). A
        Gram matrix resolves angles down to about 1e-8·√(λ₁/λ_d); smaller ones read as zero.

    Raises
    ------
    ValueError
        If shapes do not fit, Gram matrices are not symmetric, or ``share`` is not in (0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import rkhs_principal_angles
    >>> x, y = np.diag([1.0, 0.5]), np.diag([1.0, 0.5])
    >>> rkhs_principal_angles(x @ x.T, x @ y.T, y @ y.T, dims=1).round(6)
    array([0.])
    """
    clean, cross, back = enter_pair(k_cc, k_cn)
    noisy = enter(k_nn)[0].to(clean.device)
    assert cross is not None
    check_blocks(clean, cross, noisy)
    check_shares([share])
    lead = _broadcast(clean.shape[:-2], cross.shape[:-2], noisy.shape[:-2])
    c, x, n = (_flatten(centre_both(k) if centred else k, lead, 2) for k in (clean, cross, noisy))
    angles = _rkhs_angles(c, x, n, share, _pair(dims), centred)
    return back(angles.reshape(lead + angles.shape[-1:]))


def angle_statistics(angles: A) -> AngleStatistics:
    """Smallest, largest and mean angle, and the chordal distance √Σ sin²θ.

    Parameters
    ----------
    angles : array or tensor, shape (..., d)
        Radians; NaN marks absent angles.

    Returns
    -------
    AngleStatistics
        Named tuple (smallest, largest, mean, chordal), each of shape (...). All NaN (chordal 0)
        where there is no angle at all.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import angle_statistics
    >>> round(float(angle_statistics(np.array([0.0, np.pi / 2])).mean), 3)
    0.785
    """
    inside, back = enter(angles)
    if not inside.shape[-1]:  # two subspaces one of which is a point
        inside = inside.new_full((*inside.shape[:-1], 1), torch.nan)
    absent = inside.isnan()
    none = absent.all(-1)
    smallest = inside.masked_fill(absent, float("inf")).amin(-1).masked_fill(none, float("nan"))
    largest = inside.masked_fill(absent, -float("inf")).amax(-1).masked_fill(none, float("nan"))
    chordal = inside.masked_fill(absent, 0.0).sin().square().sum(-1).sqrt()
    parts = (smallest, largest, inside.nanmean(-1), chordal)
    return AngleStatistics(*(back(part) for part in parts))


def _broadcast(*shapes: torch.Size) -> torch.Size:
    return torch.Size(np.broadcast_shapes(*shapes))


def _flatten(x: Tensor, lead: torch.Size, kept: int) -> Tensor:
    """Broadcast the leading dimensions and make them one; the last ``kept`` stay."""
    tail = x.shape[x.ndim - kept :]
    return x.expand(lead + tail).reshape(-1, *tail)


def _unit_size(x: Tensor) -> Tensor:
    """Divide each matrix by its largest entry, so that no square overflows or vanishes."""
    return x / x.abs().amax((-2, -1), keepdim=True).clamp_min(torch.finfo(x.dtype).tiny)


def _orthonormal(x: Tensor) -> tuple[Tensor, Tensor]:
    """Orthonormal bases (batch, n, k) of column spaces, zero beyond the rank, and the ranks."""
    basis, triangle = _linalg.qr(x)
    pivots = triangle.diagonal(dim1=-2, dim2=-1).abs()
    rank = torch.full((len(x),), basis.shape[-1], device=x.device)
    doubtful = (pivots.amin(-1) <= 1e-11 * pivots.amax(-1)) | (x.shape[-1] > x.shape[-2])
    if bool(doubtful.any()):
        left, singular, _ = _linalg.svd(x[doubtful])
        keep = singular > max(x.shape[-2:]) * _EPS64 * singular.amax(-1, keepdim=True)
        basis[doubtful] = left.masked_fill(~keep[..., None, :], 0.0)
        rank[doubtful] = keep.sum(-1)
    return basis, rank


def _angles_of_spans(a: Tensor, b: Tensor) -> Tensor:
    """Angles between column spaces (batch, n, k); with bases only where Grams will not do."""
    if a.shape[-1] < b.shape[-1]:
        a, b = b, a
    a, b = _unit_size(a), _unit_size(b)
    if a.shape[-1] > a.shape[-2]:
        return _angles_by_bases(a, b)
    angles, doubtful = _angles_by_cholesky(a, b)
    if bool(doubtful.any()):
        angles[doubtful] = _angles_by_bases(a[doubtful], b[doubtful])
    return angles


def _angles_by_cholesky(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Angles by Cholesky factors of both Gram matrices, and where they are not right to 1e-12."""
    (white_a, condition_a), (white_b, condition_b) = _whitening(a), _whitening(b)
    cross = product(product(white_a, product(a.mT, b)), white_b.mT)
    cosines = _cosines_by_squares(cross)
    low = cosines[:, -1] < _SQUARED_COSINES_RESOLVE
    if bool(low.any()):
        cosines[low] = _linalg.svdvals(cross[low]).clamp(max=1)
    angles = torch.arccos(cosines)
    # The bases that the factors stand for are orthonormal to eps times the condition, and a cosine
    # that is off by its δ-th part moves its angle by δ/tan(angle).
    error = _EPS64 * torch.maximum(condition_a, condition_b) / angles[:, 0].tan().abs()
    return angles, ~((error < _TRUSTED_ERROR) & (angles[:, 0] > _COSINES_RESOLVE))


def _whitening(x: Tensor) -> tuple[Tensor, Tensor]:
    """Inverse Cholesky factors W, xWᵀ orthonormal, and bounds on the condition of xᵀx.

    The bound is infinite where there is no factor, and W then nothing to go by.
    """
    gram = product(x.mT, x)
    unit = torch.eye(gram.shape[-1], dtype=x.dtype, device=x.device).expand_as(gram)
    factor, failed = torch.linalg.cholesky_ex(gram)
    factor = torch.where((failed == 0)[:, None, None], factor, unit)
    white = torch.linalg.solve_triangular(factor, unit, upper=False)
    condition = _frobenius(gram) * _frobenius(product(white.mT, white))
    return white, condition.masked_fill(failed != 0, float("inf"))


def _frobenius(x: Tensor) -> Tensor:
    return x.square().sum((-2, -1)).sqrt()


def _angles_by_bases(a: Tensor, b: Tensor) -> Tensor:
    """Angles by orthonormal bases, whatever the ranks."""
    (u, rank_u), (v, rank_v) = _orthonormal(a), _orthonormal(b)
    return angles_of_bases(u, rank_u, v, rank_v)


def angles_of_bases(u: Tensor, rank_u: Tensor, v: Tensor, rank_v: Tensor) -> Tensor:
    """Angles between orthonormal bases (batch, n, k), zero beyond their ranks."""
    if u.shape[-1] < v.shape[-1]:
        u, rank_u, v, rank_v = v, rank_v, u, rank_u

    def some(doubtful: Tensor) -> tuple[Tensor, Tensor]:
        return u[doubtful], v[doubtful]

    return angles_from_cross(u.mT @ v, rank_u, rank_v, some)


def angles_from_cross(
    cross: Tensor,
    rank_u: Tensor,
    rank_v: Tensor,
    some: Callable[[Tensor], tuple[Tensor, Tensor]],
) -> Tensor:
    """Angles from cross = uᵀv (batch, p, q), p ≥ q; ``some(mask)`` gives bases where in doubt."""
    count = torch.minimum(rank_u, rank_v)
    cosines = _cosines_by_squares(cross)
    angles = torch.arccos(cosines)
    doubtful = _squares_lose_digits(cosines, count)
    if bool(doubtful.any()):
        u, v = some(doubtful)
        angles[doubtful] = _resolved_angles(u, v, cross[doubtful], rank_v[doubtful])
    return _mask_absent(angles, count)


def _cosines_by_squares(cross: Tensor) -> Tensor:
    """Singular values of matrices (batch, p, q), p ≥ q, descending; small ones are uncertain."""
    return _linalg.eigvalsh(product(cross.mT, cross)).flip(-1).clamp(0, 1).sqrt()


def _squares_lose_digits(cosines: Tensor, count: Tensor) -> Tensor:
    """Mark where a squared cosine leaves an angle uncertain: near 0 and near a right angle."""
    last = cosines.gather(-1, (count[:, None] - 1).clamp_min(0))[:, 0]
    near_zero = cosines[:, 0] > 1 - _COSINES_RESOLVE**2 / 2
    return (near_zero | (last < _SQUARED_COSINES_RESOLVE)) & (count > 0)


def _resolved_angles(u: Tensor, v: Tensor, cross: Tensor, rank_v: Tensor) -> Tensor:
    """Take each angle from whichever of sine and cosine resolves it."""
    cosines = _linalg.svdvals(cross).clamp(max=1)
    sines = _linalg.svdvals(v - u @ cross).flip(-1).clamp(max=1)
    # Columns of v beyond its rank are zero and would pose as the sines of zero angles.
    absent = v.shape[-1] - rank_v
    index = torch.arange(v.shape[-1], device=u.device) + absent[:, None]
    sines = sines.gather(-1, index.clamp(max=v.shape[-1] - 1))
    return torch.where(cosines.square() > 0.5, torch.arcsin(sines), torch.arccos(cosines))


def _mask_absent(angles: Tensor, count: Tensor) -> Tensor:
    index = torch.arange(angles.shape[-1], device=angles.device)
    return angles.masked_fill(index >= count[:, None], float("nan"))


def _rkhs_angles(
    clean: Tensor,
    cross: Tensor,
    noisy: Tensor,
    share: float,
    dims: tuple[int, int] | tuple[None, None],
    centred: bool,
) -> Tensor:
    a, count_a = leading_axes(clean, share, dims[0], centred)
    b, count_b = leading_axes(noisy, share, dims[1], centred)
    return angles_of_axes((clean, cross, noisy), (a, count_a), (b, count_b))


def angles_of_axes(
    blocks: tuple[Tensor, Tensor, Tensor],
    first: tuple[Tensor, Tensor],
    second: tuple[Tensor, Tensor],
    joint: JointPoints | None = None,
) -> Tensor:
    """Compute angles between what `leading_axes` gives of two sets, from all their kernels.

    Who asks for several subspaces of the same sets gives their `joint_points`, found once.
    """
    (_, cross, _), (a, count_a), (b, count_b) = blocks, first, second
    count = torch.minimum(count_a, count_b)
    width = int(count.max())
    if width == 0:
        return cross.new_empty(len(cross), 0)
    cosines = _linalg.svdvals(a.mT @ cross @ b)[..., :width].clamp(max=1)
    angles = torch.arccos(cosines)
    small = (cosines[..., 0] > 1 - _GRAM_COSINES_RESOLVE**2 / 2) & (count > 0)
    points = joint or joint_points(blocks)
    for i in small.nonzero().flatten().tolist():
        u, v = (each.mT @ axes[i] for each, axes in zip(points(i), (a, b), strict=True))
        found = principal_angles(u[:, : count_a[i]], v[:, : count_b[i]])[: int(count[i])]
        angles[i] = float("nan")  # directions below the rounding of both sets have none
        angles[i, : len(found)] = found
    return _mask_absent(angles, count)


def leading_axes(
    gram: Tensor, share: float, dim: int | None, centred: bool = True
) -> tuple[Tensor, Tensor]:
    """Coefficients V_d Λ_d^{-1/2} of unit axes, zero from each item's own dimension on."""
    if len(gram) > 1 and gram.stride(0) == 0:  # one set against many: solved once
        axes, count = leading_axes(gram[:1], share, dim, centred)
        return axes.expand(len(gram), -1, -1), count.expand(len(gram))
    size = gram.shape[-1]
    values, vectors = _linalg.leading_eigh(gram, size if dim is None else min(dim, size))
    values, vectors = values.flip(-1), vectors.flip(-1)
    # Points about their mean have one dimension fewer; what rounding left of it can be above that
    # of the centred matrix, for it is rounding of what was there before centring.
    count = leading_count(values, share, dim, size=size).clamp(max=size - centred)
    width = int(count.max())
    keep = torch.arange(width, device=gram.device) < count[:, None]
    scale = torch.where(keep, values[:, :width], 1.0).rsqrt() * keep
    return vectors[..., :width] * scale[:, None, :], count


def joint_points(blocks: tuple[Tensor, Tensor, Tensor]) -> JointPoints:
    """Return what gives both sets of an item in common coordinates, without the Gram's rounding."""

    @cache
    def points(item: int) -> tuple[Tensor, Tensor]:
        clean, cross, noisy = (block[item] for block in blocks)
        joint = torch.cat([torch.cat([clean, cross], -1), torch.cat([cross.mT, noisy], -1)], -2)
        values, vectors = _linalg.eigh(joint)
        keep = values > 4 * len(values) * _EPS64 * values[-1]
        found = vectors[:, keep] * values[keep].sqrt()
        return found[: len(clean)], found[len(clean) :]

    return points


def check_blocks(clean: Tensor, cross: Tensor, noisy: Tensor) -> None:
    """Require kernel blocks of two sets that fit together."""
    check_gram(clean, "k_cc")
    check_gram(noisy, "k_nn")
    check_finite(cross, "k_cn")
    wanted = (clean.shape[-1], noisy.shape[-1])
    if cross.ndim < 2 or tuple(cross.shape[-2:]) != wanted:
        raise ValueError(
            f"k_cn has shape {tuple(cross.shape)}; expected (..., {wanted[0]}, {wanted[1]}) "
            f"between the sets of k_cc {tuple(clean.shape)} and k_nn {tuple(noisy.shape)}"
        )


def _pair(dims: int | tuple[int, int] | None) -> tuple[int, int] | tuple[None, None]:
    if dims is None:
        return (None, None)
    pair = (dims, dims) if isinstance(dims, int) else dims
    if len(pair) != 2 or min(pair) < 1:
        raise ValueError(f"dims is {dims}; expected a number of at least 1, or one for each set")
    return pair
