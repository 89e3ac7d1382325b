"""Singular values and ranks of unfoldings, under named rules."""

from collections.abc import Callable, Sequence
from math import inf, prod
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from latentgeo.geometry import _linalg
from latentgeo.geometry._arrays import (
    A,
    DType,
    enter,
    enter_raw,
    epsilon,
    is_coarse,
    source_epsilon,
)
from latentgeo.geometry._checks import check_latents, check_matrices, check_weight
from latentgeo.geometry._scales import to_unit
from latentgeo.geometry._tiles import piece_bytes, tiles
from latentgeo.geometry.unfolding import centre, centring_floor, unfold

RankRule = Literal["spectrum", "rounding", "float32-covariance"] | float
"""How a spectrum becomes an integer: a named rule, or a relative tolerance on singular values."""

UNDECIDED = -1
"""The rank where rounding is as large as the largest singular value."""
# Rounding moves a float32 eigenvalue by a few eps of the largest, the cut lies at n eps.
_NEAR_THE_CUT = 0.3
_MANY_ROWS = 32  # from which on the rounding of a product is far below the cut


def default_tolerance(shape: tuple[int, ...], dtype: DType) -> float:
    """Relative tolerance of the ``spectrum`` rule.

    Parameters
    ----------
    shape : tuple of int
        Shape of the unfolding, (..., rows, columns).
    dtype : dtype or its name
        What the numbers were *computed* in, which may be coarser than what they are kept in.

    Returns
    -------
    float
        max(rows, columns) · eps(dtype); singular values at or below this share of the largest
        are rounding noise.

    Examples
    --------
    >>> from latentgeo.geometry import default_tolerance
    >>> f"{default_tolerance((7, 448), 'float32'):.1e}"
    '5.3e-05'
    """
    return max(shape[-2:]) * epsilon(dtype)


def singular_values(x: A, centred: bool = True, source_dtype: DType | None = None) -> A:
    """Singular values of matrices, in float64.

    Parameters
    ----------
    x : array or tensor, shape (..., rows, columns)
        Unfoldings.
    centred : bool
        Take the mean over the columns away first.
    source_dtype : dtype, optional
        What the numbers were computed in; by default the dtype of ``x``. From float32 or coarser
        they are found through the smaller Gram matrix, which resolves 1e-7 of the largest;
        from float64 by a true singular value decomposition.

    Returns
    -------
    array or tensor, shape (..., min(rows, columns)), float64
        In descending order; the same kind as ``x``.

    Raises
    ------
    ValueError
        If ``x`` is empty, has fewer than two dimensions, or holds NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import singular_values
    >>> singular_values(np.diag([3.0, 4.0]), centred=False)
    array([4., 3.])
    """
    inside, back = enter_raw(x)
    check_matrices(inside)
    return back(spectrum(inside, centred, source_epsilon(x, source_dtype)))


def matrix_rank(
    x: A,
    rule: RankRule = "spectrum",
    centred: bool = True,
    source_dtype: DType | None = None,
) -> A:
    """Ranks of matrices under a named rule.

    Parameters
    ----------
    x : array or tensor, shape (..., rows, columns)
        Unfoldings.
    rule : "spectrum", "rounding", "float32-covariance" or float
        - ``"spectrum"``: singular values in float64, cut at ``default_tolerance(x.shape,
          source_dtype)`` of the largest.
        - ``"rounding"``: the same, cut at what rounding these very numbers to ``source_dtype``
          adds (`rounding_floor`), which is far lower: the only rule for half precision. −1,
          undecided, where that is as large as the largest.
        - ``"float32-covariance"``: what `numpy.linalg.matrix_rank` gives, at its own tolerance,
          for the covariance of the rows computed in float32. A covariance squares the singular
          values, so this cuts at some 4e-3 of the largest.
        - a number: that share of the largest singular value.
    centred : bool
        Take the mean over the columns away first.
    source_dtype : dtype, optional
        What the numbers were computed in; by default the dtype of ``x``. Latents of a float32
        network that were upcast to float64 need ``"float32"`` here, or their rounding noise
        counts as rank.

    Returns
    -------
    int64 array or tensor, shape (...)
        The same kind as ``x``. A zero matrix, and a centred constant one, has rank 0.

    Raises
    ------
    ValueError
        If the rule is not known, or ``x`` is empty, has fewer than two dimensions, or holds NaN
        or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import matrix_rank
    >>> x = np.array([[1.0, -1.0, 0.0], [2.0, -2.0, 0.0]])
    >>> int(matrix_rank(x))
    1
    """
    inside, back = enter_raw(x)
    check_matrices(inside)
    return back(ranks_by_rule(inside, rule, centred, source_epsilon(x, source_dtype)))


def mode_singular_values(
    z: A, centred: bool = True, source_dtype: DType | None = None, *, order: int = 3
) -> tuple[A, ...]:
    """Singular values of the mode unfoldings of latents, without keeping the unfoldings.

    Parameters
    ----------
    z, order
        As for `mode_unfoldings`.
    centred, source_dtype
        As for `singular_values`; the dtype of ``z`` itself is the default.

    Returns
    -------
    tuple of shapes (..., min(H, C·W)), (..., min(W, C·H)), (..., min(C, H·W))
        One per mode, the channels last; float64, descending; the same kind as ``z``.

    Raises
    ------
    ValueError
        If ``z`` has fewer dimensions than ``order``, is empty, or holds NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import mode_singular_values
    >>> [s.shape for s in mode_singular_values(np.ones((16, 7, 5)))]
    [(7,), (5,), (16,)]
    """
    inside, back = enter_raw(z)
    check_latents(inside, order)
    eps = source_epsilon(z, source_dtype)
    found = _over_latents(inside, order, lambda x: spectrum(x, centred, eps))
    return tuple(back(values) for values in found)


def mode_ranks(
    z: A,
    rule: RankRule = "spectrum",
    centred: bool = True,
    source_dtype: DType | None = None,
    singular_values: Sequence[A] | None = None,
    *,
    order: int = 3,
) -> A:
    """Ranks of the mode unfoldings of latents: the strata that they lie on.

    Parameters
    ----------
    z, order
        As for `mode_unfoldings`.
    rule, centred, source_dtype
        As for `matrix_rank`; the dtype of ``z`` itself is the default source.
    singular_values : one array or tensor per mode, optional
        What `mode_singular_values` gives, where it is there already; the rule
        ``"float32-covariance"`` has no use for it.

    Returns
    -------
    int64 array or tensor, shape (..., order)
        Ranks of rows, columns and channels, or of as many modes; the same kind as ``z``.

    Raises
    ------
    ValueError
        As for `mode_singular_values`, or if the rule is not known, or the singular values are not
        those of as many latents of this shape.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import mode_ranks
    >>> mode_ranks(np.random.default_rng(0).normal(size=(4, 3, 3)))
    array([3, 3, 4])
    """
    inside, back = enter_raw(z)
    check_latents(inside, order)
    eps = source_epsilon(z, source_dtype)
    if singular_values is None or rule == "float32-covariance":
        ranks = _over_latents(inside, order, lambda x: ranks_by_rule(x, rule, centred, eps))
    else:
        modes = unfold(inside, order)
        spectra = _checked_spectra(singular_values, modes)
        ranks = [_by_spectrum(x, s, rule, eps) for x, s in zip(modes, spectra, strict=True)]
    return back(torch.stack(ranks, -1))


def distinct_positions(z: A, *, order: int = 3, tolerance: float = 1e-5) -> A:
    """Count the different codes among the positions of each latent.

    Less one, the number bounds the rank of the channels' covariance, which is about the mean code:
    where a network gives each blank patch of an image the same code, that rank counts patches.

    Parameters
    ----------
    z, order
        As for `mode_unfoldings`.
    tolerance : float
        Two codes are equal up to this share of the largest number of their latent; convolutions
        round a little differently along an image.

    Returns
    -------
    int64 array or tensor, shape (...)
        From 1 to the number of positions; the same kind as ``z``.

    Raises
    ------
    ValueError
        As for `mode_singular_values`, or if the tolerance is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import distinct_positions
    >>> int(distinct_positions(np.array([[[1.0, 0.0, 0.0]], [[0.0, 1.0, 1.0]]])))
    2
    """
    inside, back = enter_raw(z)
    check_latents(inside, order)
    check_weight(tolerance, "tolerance")
    lead, channels = inside.shape[:-order], inside.shape[-order]
    codes = inside.reshape(-1, channels, prod(inside.shape[1 - order :])).mT.to(torch.float64)
    positions = codes.shape[1]
    found = torch.empty(len(codes), dtype=torch.int64, device=codes.device)
    for tile in tiles(len(codes), 16.0 * positions**2, piece_bytes(codes)):
        some = codes[tile].contiguous()
        equal = torch.cdist(some, some, p=inf) <= tolerance * some.abs().amax((1, 2), keepdim=True)
        found[tile] = positions - equal.tril(diagonal=-1).any(-1).sum(-1)
    return back(found.reshape(lead))


def rounding_floor(x: A, source_dtype: DType | None = None) -> A:
    r"""Bound the largest singular value of what rounding to a dtype has added to matrices.

    An entry :math:`x_{ij}` was moved by up to half its unit in the last place :math:`u_{ij}`, with
    a standard deviation of :math:`\sigma_{ij} = u_{ij}/\sqrt{12}`; the bound is
    :math:`2\,(\max_i \|\sigma_{i\cdot}\| + \max_j \|\sigma_{\cdot j}\|)`, twice what a matrix of
    such independent errors has. It is that of the last rounding: a network that rounds at every
    layer adds more.

    Parameters
    ----------
    x : array or tensor, shape (..., rows, columns)
        Unfoldings as they came, not centred.
    source_dtype : dtype, optional
        What the numbers were computed in; by default the dtype of ``x``.

    Returns
    -------
    array or tensor, shape (...), float64
        In the units of ``x``; the same kind.

    Raises
    ------
    ValueError
        If ``x`` is empty, has fewer than two dimensions, or holds NaN or infinity.

    References
    ----------
    A. S. Bandeira and R. van Handel, "Sharp nonasymptotic bounds on the norm of random matrices
    with independent entries", Annals of Probability 44 (2016), corollary 3.9, for the bound;
    N. J. Higham and T. Mary, "A new approach to probabilistic rounding error analysis", SIAM J.
    Sci. Comput. 41 (2019), for rounding errors as independent ones.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import rounding_floor
    >>> x = np.random.default_rng(0).normal(size=(3, 20))
    >>> bool(rounding_floor(x, "float16") > rounding_floor(x, "float32"))
    True
    """
    inside, back = enter(x)
    check_matrices(inside)
    return back(rounding(inside, source_epsilon(x, source_dtype)))


def effective_rank(s: A) -> A:
    r"""Compute the effective rank :math:`\exp(-\sum p_k \log p_k)`, :math:`p_k = s_k/\sum s`.

    A rank without a tolerance: k equal singular values count k, small ones next to nothing. It
    does not change with scale or rotation, and is at most the rank. Of the singular values of
    uncentred latents, a row each, it is *RankMe* (Garrido et al. 2023), up to their ε of 1e-7.

    Parameters
    ----------
    s : array or tensor, shape (..., k)
        Singular values, in any order.

    Returns
    -------
    array or tensor, shape (...), float64
        From 1 to k, and 0 where all are zero; the same kind as ``s``.

    References
    ----------
    O. Roy and M. Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO
    2007; Q. Garrido, R. Balestriero, L. Najman and Y. LeCun, "RankMe", ICML 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import effective_rank
    >>> round(float(effective_rank(np.array([1.0, 1.0, 0.0]))), 6)
    2.0
    """
    inside, back = enter(s)
    total = inside.sum(-1, keepdim=True)
    shares = inside / torch.where(total > 0, total, 1.0)
    return back(torch.where(total[..., 0] > 0, torch.special.entr(shares).sum(-1).exp(), 0.0))


def stable_rank(s: A) -> A:
    r"""Compute the stable rank :math:`\sum s_k^2/\max s^2`.

    It does not change with scale or rotation, is at most the rank, and moves little where the
    matrix does: it is continuous but at zero.

    Parameters
    ----------
    s : array or tensor, shape (..., k)
        Singular values, in any order.

    Returns
    -------
    array or tensor, shape (...), float64
        From 1 to k, and 0 where all are zero; the same kind as ``s``.

    References
    ----------
    M. Rudelson and R. Vershynin, "Sampling from large matrices", J. ACM 54 (2007), section 1.1.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import stable_rank
    >>> float(stable_rank(np.array([2.0, 2.0, 0.0])))
    2.0
    """
    inside, back = enter(s)
    largest = inside.amax(-1, keepdim=True)
    return back((inside / torch.where(largest > 0, largest, 1.0)).square().sum(-1))


def rank_from_singular_values(s: A, rtol: float) -> A:
    """Count singular values above a share of the largest.

    Parameters
    ----------
    s : array or tensor, shape (..., k)
        Singular values, in any order.
    rtol : float
        Share of the largest, at or below which a value counts as zero.

    Returns
    -------
    int64 array or tensor, shape (...)
        The same kind as ``s``; 0 where all values are zero.

    Raises
    ------
    ValueError
        If ``rtol`` is negative or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import rank_from_singular_values
    >>> int(rank_from_singular_values(np.array([1.0, 1e-3, 1e-9]), 1e-6))
    2
    """
    inside, back = enter(s)
    return back(_count(inside, _checked_tolerance(rtol)))


def rank_at_tolerance(s: A, tolerances: Sequence[float] | Any) -> A:
    """Ranks as a function of the relative tolerance.

    Parameters
    ----------
    s : array or tensor, shape (..., k)
        Singular values, in any order.
    tolerances : sequence of float, length t
        Shares of the largest singular value.

    Returns
    -------
    int64 array or tensor, shape (..., t)
        The same kind as ``s``.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import rank_at_tolerance
    >>> rank_at_tolerance(np.array([1.0, 1e-3, 1e-9]), [1e-6, 1e-2])
    array([2, 1])
    """
    inside, back = enter(s)
    cuts = torch.as_tensor(tolerances, dtype=torch.float64, device=inside.device)
    ascending = inside.sort(-1).values
    scaled = (cuts * ascending[..., -1:]).contiguous()
    below = torch.searchsorted(ascending.contiguous(), scaled, right=True)
    return back(ascending.shape[-1] - below)


def ranks_by_rule(x: Tensor, rule: RankRule, centred: bool, eps: float) -> Tensor:
    """Ranks of checked matrices under a named rule."""
    if rule == "float32-covariance":
        return _float32_covariance_rank(x, centred)
    return _by_spectrum(x, spectrum(x, centred, eps), rule, eps)


def _checked_spectra(given: Sequence[Any], modes: Sequence[Tensor]) -> list[Tensor]:
    spectra = [enter(values)[0] for values in given]
    found = [tuple(values.shape) for values in spectra]
    wanted = [(*x.shape[:-2], min(x.shape[-2:])) for x in modes]
    if found != wanted:
        raise ValueError(
            f"singular_values have the shapes {found}; expected {wanted}: what "
            "mode_singular_values gives for the same latents"
        )
    return spectra


def _by_spectrum(x: Tensor, values: Tensor, rule: RankRule, eps: float) -> Tensor:
    if rule == "rounding":
        floor = rounding(x.to(torch.float64), eps)
        counts = _count(values, 0.0, torch.maximum(floor, centring_floor(x)))
        return counts.masked_fill((counts == 0) & (values.amax(-1) > 0), UNDECIDED)
    return _count(values, _relative_tolerance(rule, tuple(x.shape), eps), centring_floor(x))


def spectrum(x: Tensor, centred: bool, eps: float) -> Tensor:
    """Singular values of checked matrices, through Gram matrices where the source allows it."""
    flat = x.reshape(-1, *x.shape[-2:])
    solve = _values_from_gram if is_coarse(eps) else _linalg.svdvals

    def values(tile: slice) -> Tensor:
        some = flat[tile].to(torch.float64)
        return solve(centre(some) if centred else some)

    parts = _linalg.map_tiles(
        values,
        tiles(len(flat), 24.0 * flat.shape[-2] * flat.shape[-1], piece_bytes(flat)),
        float(flat.numel()) * min(flat.shape[-2:]),
        flat,
    )
    return torch.cat(parts).reshape(*x.shape[:-2], -1)


def _over_latents(z: Tensor, order: int, function: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """Apply a function to each mode of each latent, a few latents at a time."""
    flat = z.reshape(-1, *z.shape[-order:])
    each = flat[0].numel()

    def modes(tile: slice) -> list[Tensor]:
        return [function(x) for x in unfold(flat[tile].to(torch.float64), order)]

    cost = float(flat.numel()) * sum(min(x.shape) for x in unfold(flat[0], order))
    parts = _linalg.map_tiles(modes, tiles(len(flat), 48.0 * each, piece_bytes(flat)), cost, flat)
    joined = [torch.cat(mode) for mode in zip(*parts, strict=True)]
    return [mode.reshape(z.shape[:-order] + mode.shape[1:]) for mode in joined]


def _values_from_gram(x: Tensor) -> Tensor:
    x, unit = to_unit(x, (-2, -1))
    return _linalg.eigvalsh(_linalg.small_gram(x)).flip(-1).clamp_min(0).sqrt() * unit[..., 0]


def _relative_tolerance(rule: RankRule, shape: tuple[int, ...], eps: float) -> float:
    if rule == "spectrum":
        return max(shape[-2:]) * eps
    if isinstance(rule, str):
        raise ValueError(  # noqa: TRY004 - a string is right, this one is not known
            f"rule is {rule!r}; expected 'spectrum', 'rounding', 'float32-covariance' or a "
            "relative tolerance"
        )
    return _checked_tolerance(rule)


def rounding(x: Tensor, eps: float) -> Tensor:
    """Bound the norm of what rounding adds; see `rounding_floor`."""
    x, scale = to_unit(x, (-2, -1))
    _, exponent = torch.frexp(x)
    unit = torch.where(x == 0, 0.0, eps / 2 * torch.exp2(exponent.to(x.dtype)))
    squares = unit.square() / 12
    rows, columns = (squares.sum(axis).amax(-1).sqrt() for axis in (-1, -2))
    return 2 * (rows + columns) * scale[..., 0, 0]


def _checked_tolerance(rtol: float) -> float:
    if not 0 <= rtol < float("inf"):
        raise ValueError(f"the relative tolerance is {rtol}; expected a number of at least 0")
    return float(rtol)


def _count(values: Tensor, rtol: float, floor: Tensor | None = None) -> Tensor:
    cut = rtol * values.amax(-1)
    if floor is not None:
        cut = torch.maximum(cut, floor)
    return (values > cut[..., None]).sum(-1)


def _float32_covariance_rank(x: Tensor, centred: bool) -> Tensor:
    """NumPy itself decides: values near its tolerance depend on the last bits of its arithmetic."""
    flat = x.detach().cpu().numpy().reshape(-1, *x.shape[-2:])
    parts = _linalg.map_tiles(
        lambda tile: _numpy_covariance_rank(flat[tile], centred),
        tiles(len(flat), 4.0 * x.shape[-2] * (x.shape[-1] + 2 * x.shape[-2]), piece_bytes(x)),
        float(flat.size) * x.shape[-2] * 8,
        x.cpu(),
    )
    return torch.from_numpy(np.concatenate(parts)).reshape(x.shape[:-2]).to(x.device)


def _numpy_covariance_rank(x: Any, centred: bool) -> Any:
    single = x.astype(np.float32)
    if centred:
        single = single - single.mean(-1, keepdims=True)
    # Eigenvalues cost a third of what NumPy's singular values do, those of a smaller Gram matrix
    # less again, and they differ by rounding alone: only a matrix with one near the cut has to be
    # counted by NumPy itself.
    rows, columns = x.shape[-2:]
    smaller = columns < rows and rows >= _MANY_ROWS
    count = np.float32(max(columns - 1, 1))
    short = single.swapaxes(-1, -2) if smaller else single
    values = np.abs(np.linalg.eigvalsh(short @ short.swapaxes(-1, -2) / count))
    cut = values.max(-1, keepdims=True) * (rows * np.finfo(np.float32).eps)
    ranks = (values > cut).sum(-1).astype(np.int64)
    near = (np.abs(values - cut) < _NEAR_THE_CUT * cut).any(-1)
    some = single[near]
    ranks[near] = np.linalg.matrix_rank(some @ some.swapaxes(-1, -2) / count)
    return ranks
