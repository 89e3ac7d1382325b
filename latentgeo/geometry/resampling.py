"""What a finite sample does to dimensions and angles: curves, nulls and tests by resampling."""

from collections.abc import Iterator, Sequence
from math import nan
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from latentgeo.geometry._arrays import enter
from latentgeo.geometry._checks import check_count, check_gram, check_shares
from latentgeo.geometry._linalg import map_tiles
from latentgeo.geometry._tiles import tiles
from latentgeo.geometry.angles import (
    angle_statistics,
    angles_of_axes,
    check_blocks,
    joint_points,
    leading_axes,
    rkhs_principal_angles,
)
from latentgeo.geometry.hilbert import (
    SHARES,
    centre_both,
    dimension_of_energies,
    gram_block,
    gram_dimension,
)

DIMENSIONS = (1, 2, 5, 10, 20)
"""Dimensions of subspaces that papers report."""
Statistic = Literal["smallest", "largest", "mean", "chordal"]


class DimensionCurve(NamedTuple):
    """Hilbert dimension against sample size; arrays (sizes, shares).

    A curve that still rises at its end says that the sample is too small for the dimension.
    """

    sizes: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


class MatchedAngles(NamedTuple):
    """Mean angles between halves of images, whose spread over splits is no interval.

    Attributes
    ----------
    dims : ndarray of int, shape (d,)
        Dimensions of the subspaces.
    noisy : ndarray, shape (..., splits, d)
        One half, made noisy, against the other half clean; radians.
    clean : ndarray, shape (splits, d)
        The same halves, both clean.
    same : ndarray, shape (..., splits, d)
        The half made noisy against itself clean, which has no null.
    """

    dims: npt.NDArray[np.int64]
    noisy: npt.NDArray[np.float64]
    clean: npt.NDArray[np.float64]
    same: npt.NDArray[np.float64]

    @property
    def excess(self) -> npt.NDArray[np.float64]:
        """What the noise adds on average, at each dimension; radians, shape (..., d)."""
        added: npt.NDArray[np.float64] = (self.noisy - self.clean).mean(-2)
        return added


class AngleTest(NamedTuple):
    """A permutation test of the hypothesis that two sets are exchangeable.

    Attributes
    ----------
    observed : float
        The statistic of the two sets; radians, or the chordal distance.
    p_value : float
        Share of arrangements, the observed one included, with a statistic at least as high.
    null : ndarray, shape (permutations,)
        The statistic under random arrangements.
    """

    observed: float
    p_value: float
    null: npt.NDArray[np.float64]


def dimension_by_size(
    gram: Any,
    sizes: Sequence[int],
    shares: Sequence[float] = SHARES,
    *,
    resamples: int = 50,
    level: float = 0.95,
    centred: bool = True,
    seed: int = 0,
) -> DimensionCurve:
    """Hilbert dimension of random subsamples, for a list of sizes.

    Parameters
    ----------
    gram : array or tensor, shape (n, n)
        Gram matrix of the whole sample.
    sizes : sequence of int
        Subsample sizes, 2 to n; drawn without replacement.
    shares : sequence of float
        Shares of energy in (0, 1].
    resamples : int
        Subsamples of each size.
    level : float
        The interval between ``low`` and ``high`` holds this share of the subsamples.
    centred : bool
        Centre each subsample in feature space first.
    seed : int
        Draws the subsamples.

    Returns
    -------
    DimensionCurve
        Named tuple (sizes, shares, mean, low, high).

    Raises
    ------
    ValueError
        If a size is out of range, or the Gram matrix is not one.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import dimension_by_size
    >>> x = np.random.default_rng(0).normal(size=(30, 2))
    >>> dimension_by_size(x @ x.T, [10, 20], shares=[0.99]).mean[:, 0]
    array([2., 2.])
    """
    inside, _ = enter(gram)
    check_gram(inside)
    check_shares(shares)
    for size in sizes:
        if not 2 <= size <= len(inside):
            raise ValueError(f"a size is {size}; expected 2 to the {len(inside)} samples there are")
    check_count(resamples, "resamples")
    generator = np.random.default_rng(seed)
    tails = [(1 - level) / 2, (1 + level) / 2]
    mean, low, high = [], [], []
    for size in sizes:
        picks = [generator.permutation(len(inside))[:size] for _ in range(resamples)]
        found = _dimensions(inside, np.stack(picks), shares, centred)
        mean.append(found.mean(0))
        low.append(np.quantile(found, tails[0], axis=0))
        high.append(np.quantile(found, tails[1], axis=0))
    return DimensionCurve(
        np.asarray(sizes), np.asarray(shares), np.stack(mean), np.stack(low), np.stack(high)
    )


def disjoint_angles(
    gram: Any,
    *,
    splits: int = 50,
    share: float = 0.95,
    dims: int | tuple[int, int] | None = None,
    centred: bool = True,
    seed: int = 0,
) -> npt.NDArray[np.float64]:
    """Principal angles between random disjoint halves of one set: what sampling alone makes.

    Angles between a clean and a noisy set of n/2 samples mean something only beyond these.

    Parameters
    ----------
    gram : array or tensor, shape (n, n)
        Gram matrix of the set, n at least 4.
    splits : int
        Random splits into halves.
    share, dims, centred
        As for `latentgeo.geometry.rkhs_principal_angles`.
    seed : int
        Draws the splits.

    Returns
    -------
    ndarray, shape (splits, d), float64
        Radians, ascending, NaN padded.

    Raises
    ------
    ValueError
        If there are fewer than 4 samples, or the Gram matrix is not one.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import disjoint_angles
    >>> x = np.random.default_rng(0).normal(size=(20, 3))
    >>> disjoint_angles(x @ x.T, splits=4, dims=2).shape
    (4, 2)
    """
    inside, _ = enter(gram)
    check_gram(inside)
    check_count(splits, "splits")
    half = len(inside) // 2
    if half < 2:
        raise ValueError(f"the set has {len(inside)} samples; expected at least 4 to split")
    generator = np.random.default_rng(seed)
    orders = np.stack([generator.permutation(len(inside)) for _ in range(splits)])
    return _arranged_angles(
        inside, orders[:, :half], orders[:, half : 2 * half], share, dims, centred
    )


def held_out_variance(
    gram: Any,
    dims: Sequence[int] = DIMENSIONS,
    *,
    share: float | None = None,
    splits: int = 20,
    seed: int = 0,
) -> npt.NDArray[np.float64]:
    """Compute how much variance of one half of a set the leading subspace of the other holds.

    A subspace that holds 95 % of the variance of the set that it was found in may hold far less of
    what that set was drawn from; only what it holds here belongs to the latents.

    Parameters
    ----------
    gram : array or tensor, shape (n, n)
        Gram matrix of the set, n at least 4.
    dims : sequence of int, length d
        Dimensions of the subspaces.
    share : float, optional
        One subspace more: that which holds this share of the variance of its own half.
    splits : int
        Random splits into halves.
    seed : int
        Draws the splits.

    Returns
    -------
    ndarray, shape (splits, d), or (splits, d + 1) with a share, float64
        Shares from 0 to 1, each half about its own mean; NaN where a half has not so many
        dimensions, or the other does not vary.

    Raises
    ------
    ValueError
        If there are fewer than 4 samples, a dimension is below 1, or the Gram matrix is not one.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import held_out_variance
    >>> x = np.random.default_rng(0).normal(size=(20, 2))
    >>> float(held_out_variance(x @ x.T, dims=(2,), splits=4).mean().round(3))
    1.0
    """
    inside, _ = enter(gram)
    check_gram(inside)
    if share is not None:
        check_shares([share])

    def of_half(half: tuple[Tensor, Tensor]) -> list[float]:
        first, second = half
        own, cross, other = (
            centre_both(gram_block(inside, i, j))[None]
            for i, j in ((first, first), (second, first), (second, second))
        )
        axes, count = leading_axes(own, 1.0, max(dims) if share is None else len(first))
        held = (cross @ axes)[0].square().sum(0).cumsum(0) / other.diagonal(dim1=1, dim2=2).sum()
        wanted, most = [*dims], int(count[0])
        if share is not None:
            energies = axes[0, :, :most].square().sum(0).reciprocal()
            wanted.append(int(dimension_of_energies(energies, [share])) if most else 0)
        return [float(held[d - 1]) if 0 < d <= most else nan for d in wanted]

    halves = list(_halves(len(inside), splits, dims, seed))
    return np.array(map_tiles(of_half, halves, splits * float(len(inside) // 2) ** 3, inside))


def matched_angles(
    k_cc: Any,
    k_cn: Any,
    k_nn: Any,
    dims: Sequence[int] = DIMENSIONS,
    *,
    splits: int = 20,
    seed: int = 0,
) -> MatchedAngles:
    """Measure the mean angle of noisy against other clean images, beside clean against the same.

    Both pairs have disjoint images, of one number: their difference is what the noise does. The
    angle between an image set and itself made noisy is not comparable to a null of disjoint sets.

    Parameters
    ----------
    k_cc : array or tensor, shape (n, n)
        Gram matrix of the clean set; each set is centred.
    k_cn, k_nn : arrays or tensors, shape (..., n, n)
        Kernel of the clean set and of noisy ones, and of each noisy set; the same images in the
        same order. Without a noisy set, the baseline alone is measured.
    dims : sequence of int, length d
        Dimensions of the subspaces.
    splits : int
        Random splits of the images into halves.
    seed : int
        Draws the splits.

    Returns
    -------
    MatchedAngles
        Named tuple (dims, noisy, clean, same), in radians.

    Raises
    ------
    ValueError
        If there are fewer than 4 samples, a dimension is below 1, or the blocks do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import matched_angles
    >>> x = np.random.default_rng(0).normal(size=(20, 3))
    >>> matched_angles(x @ x.T, x @ x.T, x @ x.T, dims=(2,), splits=4)._fields
    ('dims', 'noisy', 'clean', 'same')
    """
    clean, cross, noisy = (enter(k)[0] for k in (k_cc, k_cn, k_nn))
    check_gram(clean, "k_cc")
    if len(noisy):
        check_gram(noisy, "k_nn")
    if cross.shape != noisy.shape or cross.shape[-2:] != clean.shape:
        shapes = [tuple(k.shape) for k in (clean, cross, noisy)]
        raise ValueError(f"the blocks have shapes {shapes}; expected the same images in each")
    lead = noisy.shape[:-2]
    sets = list(zip(cross.reshape(-1, *clean.shape), noisy.reshape(-1, *clean.shape), strict=True))
    halves = list(_halves(len(clean), splits, dims, seed))
    cost = 2.0 * splits * (1 + len(sets)) * (len(clean) // 2) ** 3

    def of_half(half: tuple[Tensor, Tensor]) -> tuple[list[float], list[list[list[float]]]]:
        first, second = half
        return _matched(clean, sets, first, second, dims)

    found = map_tiles(of_half, halves, cost, clean)
    null = np.array([one for one, _ in found])
    pairs = np.array([each for _, each in found]).reshape(splits, *lead, 2, len(dims))
    apart, same = np.moveaxis(pairs, (0, -2), (-2, 0))
    return MatchedAngles(np.asarray(dims), apart, null, same)


def _matched(
    clean: Tensor,
    sets: Sequence[tuple[Tensor, Tensor]],
    first: Tensor,
    second: Tensor,
    dims: Sequence[int],
) -> tuple[list[float], list[list[list[float]]]]:
    """Compare one half with the other, and each noisy first half with both clean ones."""

    def block(gram: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        return centre_both(gram_block(gram, rows, columns))[None]

    own, other = block(clean, first, first), block(clean, second, second)
    axes, of_other = (leading_axes(gram, 1.0, max(dims)) for gram in (own, other))
    null = _mean_angles((other, block(clean, second, first), own), of_other, axes, dims)
    pairs = []
    for cross, gram in sets:
        noisy = block(gram, first, first)
        moved = leading_axes(noisy, 1.0, max(dims))
        apart = (other, block(cross, second, first), noisy), of_other
        same = (own, block(cross, first, first), noisy), axes
        pairs.append([_mean_angles(*each, moved, dims) for each in (apart, same)])
    return null, pairs


def angles_by_dimension(
    k_cc: Any, k_cn: Any, k_nn: Any, dims: Sequence[int] = DIMENSIONS
) -> npt.NDArray[np.float64]:
    """Compute the mean principal angle between leading subspaces of several fixed dimensions.

    Parameters
    ----------
    k_cc, k_cn, k_nn : arrays or tensors, shapes (n, n), (..., n, m), (..., m, m)
        Kernel blocks of one set and of one or several others; each is centred.
    dims : sequence of int, length d
        Dimensions of the subspaces.

    Returns
    -------
    ndarray, shape (..., d), float64
        Radians; NaN where a set has not so many dimensions.

    Raises
    ------
    ValueError
        If a dimension is below 1, or as for `rkhs_principal_angles`.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import angles_by_dimension
    >>> x = np.diag([3.0, 2.0, 1.0])
    >>> angles_by_dimension(x @ x.T, x @ x.T, x @ x.T, dims=(1,)).round(6)
    array([0.])
    """
    clean, cross, noisy = (enter(k)[0] for k in (k_cc, k_cn, k_nn))
    check_gram(clean, "k_cc")
    if len(noisy):
        check_blocks(clean, cross, noisy)
    _check_dims(dims)
    lead, (samples, others) = cross.shape[:-2], cross.shape[-2:]
    if lead != noisy.shape[:-2]:
        shapes = tuple(cross.shape), tuple(noisy.shape)
        raise ValueError(f"k_cn and k_nn have shapes {shapes}; expected as many sets in each")
    own = centre_both(clean)[None]
    first = leading_axes(own, 1.0, max(dims))

    def angles(pair: tuple[Tensor, Tensor]) -> list[float]:
        between, other = (centre_both(k)[None] for k in pair)
        second = leading_axes(other, 1.0, max(dims))
        return _mean_angles((own, between, other), first, second, dims)

    sets = (cross.reshape(-1, samples, others), noisy.reshape(-1, others, others))
    pairs = list(zip(*sets, strict=True))
    found = map_tiles(angles, pairs, float(len(pairs)) * others**3, clean)
    return np.array(found, dtype=np.float64).reshape(*lead, len(dims))


def angle_permutation_test(
    k_cc: Any,
    k_cn: Any,
    k_nn: Any,
    *,
    statistic: Statistic = "mean",
    permutations: int = 200,
    paired: bool = False,
    share: float = 0.95,
    dims: int | tuple[int, int] | None = None,
    centred: bool = True,
    seed: int = 0,
) -> AngleTest:
    """Test whether the angles between two sets are larger than between random re-divisions.

    Parameters
    ----------
    k_cc, k_cn, k_nn : arrays or tensors, shapes (n, n), (n, m), (m, m)
        Kernel blocks of the two sets.
    statistic : {"smallest", "largest", "mean", "chordal"}
        Of the angles; high speaks against exchangeability.
    permutations : int
        Random re-divisions.
    paired : bool
        The two sets hold the same images in the same order: exchange only within pairs.
    share, dims, centred
        As for `latentgeo.geometry.rkhs_principal_angles`. Fixed ``dims`` keep the statistic
        comparable between arrangements.
    seed : int
        Draws the re-divisions.

    Returns
    -------
    AngleTest
        Named tuple (observed, p_value, null).

    Raises
    ------
    ValueError
        If the statistic is not known, or ``paired`` sets differ in size.

    References
    ----------
    B. Phipson and G. Smyth, "Permutation p-values should never be zero", Stat. Appl. Genet. Mol.
    Biol. 9 (2010).

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import angle_permutation_test
    >>> x, y = np.random.default_rng(0).normal(size=(2, 10, 4))
    >>> found = angle_permutation_test(x @ x.T, x @ y.T, y @ y.T, dims=2, permutations=20)
    >>> 0 < found.p_value <= 1
    True
    """
    if statistic not in get_args(Statistic):
        known = ", ".join(map(repr, get_args(Statistic)))
        raise ValueError(f"statistic is {statistic!r}; expected one of {known}")
    check_count(permutations, "permutations")
    clean, cross, noisy = (enter(k)[0] for k in (k_cc, k_cn, k_nn))
    angles = rkhs_principal_angles(clean, cross, noisy, share=share, dims=dims, centred=centred)
    observed = float(getattr(angle_statistics(angles), statistic))
    joint = torch.cat([torch.cat([clean, cross], 1), torch.cat([cross.mT, noisy], 1)], 0)
    first, second = _redivisions(len(clean), len(noisy), permutations, paired, seed)
    null_angles = _arranged_angles(joint, first, second, share, dims, centred)
    null = np.asarray(getattr(angle_statistics(null_angles), statistic))
    p_value = (1 + int((null >= observed * (1 - 1e-12)).sum())) / (1 + permutations)
    return AngleTest(observed, p_value, null)


def _mean_angles(
    blocks: tuple[Tensor, Tensor, Tensor],
    first: tuple[Tensor, Tensor],
    second: tuple[Tensor, Tensor],
    dims: Sequence[int],
) -> list[float]:
    """Compute the mean angle (radians) at each dimension, from the leading axes of two sets."""
    (a, count_a), (b, count_b) = first, second
    there = min(int(count_a[0]), int(count_b[0]))
    joint = joint_points(blocks)
    found = []
    for d in dims:
        count = torch.tensor([d], device=a.device)
        ends = (a[..., :d], count), (b[..., :d], count)
        angles = angles_of_axes(blocks, *ends, joint) if d <= there else None
        found.append(nan if angles is None else float(angles.mean()))
    return found


def _halves(
    samples: int, splits: int, dims: Sequence[int], seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    check_count(splits, "splits")
    check_count(samples, "samples", 4)
    _check_dims(dims)
    rng = np.random.default_rng(seed)
    half = samples // 2
    for _ in range(splits):
        order = torch.from_numpy(rng.permutation(samples))
        yield order[:half], order[half : 2 * half]


def _check_dims(dims: Sequence[int]) -> None:
    if not len(dims) or min(dims) < 1:
        raise ValueError(f"dims are {tuple(dims)}; expected numbers of at least 1")


def _redivisions(
    n: int, m: int, count: int, paired: bool, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    generator = np.random.default_rng(seed)
    if not paired:
        orders = np.stack([generator.permutation(n + m) for _ in range(count)])
        return orders[:, :n], orders[:, n:]
    if n != m:
        raise ValueError(f"paired sets have {n} and {m} samples; expected the same images")
    swap = generator.integers(0, 2, size=(count, n)).astype(bool)
    own, other = np.arange(n), np.arange(n) + n
    return np.where(swap, other, own), np.where(swap, own, other)


def _arranged_angles(
    gram: Tensor,
    first: npt.NDArray[np.int64],
    second: npt.NDArray[np.int64],
    share: float,
    dims: int | tuple[int, int] | None,
    centred: bool,
) -> npt.NDArray[np.float64]:
    parts = []
    for tile in tiles(len(first), 64.0 * first.shape[1] * max(first.shape[1], second.shape[1])):
        a, b = torch.from_numpy(first[tile]), torch.from_numpy(second[tile])
        blocks = [gram[i[:, :, None], j[:, None, :]] for i, j in ((a, a), (a, b), (b, b))]
        found = rkhs_principal_angles(*blocks, share=share, dims=dims, centred=centred)
        parts.append(found.cpu().numpy())
    width = max(part.shape[1] for part in parts)
    padded = [
        np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=np.nan) for part in parts
    ]
    return np.concatenate(padded)


def _dimensions(
    gram: Tensor, picks: npt.NDArray[np.int64], shares: Sequence[float], centred: bool
) -> npt.NDArray[np.int64]:
    parts = []
    for tile in tiles(len(picks), 24.0 * picks.shape[1] ** 2):
        index = torch.from_numpy(picks[tile])
        found = gram_dimension(gram[index[:, :, None], index[:, None, :]], shares, centred)
        parts.append(found.cpu().numpy())
    return np.concatenate(parts)
