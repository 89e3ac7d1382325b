"""Whether a number has settled at this sample size, and intervals that name what they are of."""

from collections.abc import Callable, Sequence
from math import hypot, nan
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from latentgeo.geometry import _linalg
from latentgeo.geometry._arrays import enter
from latentgeo.geometry._checks import check_count, check_gram, check_shares
from latentgeo.geometry.angles import angle_statistics, rkhs_principal_angles
from latentgeo.geometry.hilbert import (
    SHARES,
    continuous_dimension,
    gram_block,
    spectrum_of_gram,
)

Word = Literal["settled", "still rising", "still falling", "bounded by n"]
Places = npt.NDArray[np.int64]
Statistic = Callable[[Places], float]

_HALVES = 8
_EXTRAPOLATED = 1.5
"""Spread of 2 v(n) - v(n/2) over that of v(n): 0.9 to 1.3 on the populations of the calibration."""


class Settling(NamedTuple):
    """A number at three sample sizes, with its intervals and one word.

    Attributes
    ----------
    sizes : tuple of three int
        n/4, n/2 and n; where only m of all n samples can be followed, m/4, m/2 and n.
    values : tuple of three float
        The number at each, the first two averaged over subsamples.
    low, high : float
        Ends of the interval of what samples of *this size* have on average.
    extrapolated : float
        2 v(n) − v(n/2), an estimate of the *population's* number whose bias falls faster than
        1/n, or its like at other sizes; NaN where the number has not settled, for nothing
        justifies it there.
    population_low, population_high : float
        Ends of the interval of the population's number, which allows half of the step from n/2 to
        n for the bias that is left, so that it mostly holds more than its level; NaN where the
        number has not settled.
    word : {"settled", "still rising", "still falling", "bounded by n"}
        "settled": from n/2 to n it changed by less than the tolerance. A number that still rises
        is a lower bound.
    """

    sizes: tuple[int, int, int]
    values: tuple[float, float, float]
    low: float
    high: float
    extrapolated: float
    population_low: float
    population_high: float
    word: Word


def settling(
    statistic: Statistic,
    samples: int,
    *,
    bound: float | None = None,
    tolerance: float = 0.05,
    groups: int = 20,
    level: float = 0.95,
    seed: int = 0,
    whole: tuple[int, float] | None = None,
) -> Settling:
    """Follow a statistic from a quarter of the sample to all of it.

    The interval at this size is that of the delete-a-group jackknife: samples without one of
    ``groups`` random groups, which repeat no image. Its coverage is tabled in
    benchmarks/results/calibration-dimension.md.

    Parameters
    ----------
    statistic : callable
        Takes the places of some images, distinct integers below ``samples``, to a number that
        changes smoothly with the images: not to an integer.
    samples : int
        n, the number of images; at least 4, and one for each group.
    bound : float, optional
        The most that the statistic can be at n. Where it is above half of that it is bounded by n.
    tolerance : float
        Relative change from n/2 to n up to which it has settled.
    groups : int
        At least 2.
    level : float
        Coverage of the intervals.
    seed : int
        Draws the subsamples.
    whole : tuple of int and float, optional
        The number of all images, and the statistic of them, where ``samples`` of them stand for the
        rest: spreads shrink with the root of the number.

    Returns
    -------
    Settling

    Raises
    ------
    ValueError
        If there are too few images, or a number is out of range.

    References
    ----------
    P. S. Kott, "The delete-a-group jackknife", J. Official Statistics 17 (2001); for
    extrapolation, M. H. Quenouille, "Notes on bias in estimation", Biometrika 43 (1956).

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import settling
    >>> x = np.random.default_rng(0).normal(size=100)
    >>> settling(lambda chosen: 10 + x[chosen].mean(), 100).word
    'settled'
    """
    return _settled(
        lambda subsamples: [[float(statistic(part))] for part in subsamples],
        samples,
        bound=bound,
        tolerance=tolerance,
        groups=groups,
        level=level,
        seed=seed,
        whole=whole and (whole[0], [whole[1]]),
    )[0]


def _settled(
    evaluate: Callable[[list[Places]], Sequence[Sequence[float]]],
    samples: int,
    *,
    bound: float | None = None,
    tolerance: float = 0.05,
    groups: int = 20,
    level: float = 0.95,
    seed: int = 0,
    whole: tuple[int, Sequence[float]] | None = None,
) -> list[Settling]:
    """Follow several statistics, evaluated on all subsamples at once: (subsample, statistic)."""
    from scipy.special import stdtrit  # slow to import

    check_count(groups, "groups", 2)
    check_count(samples, "samples", max(4, groups))
    check_shares([level, tolerance])
    rng = np.random.default_rng(seed)
    half = samples // 2
    orders = [rng.permutation(samples) for _ in range(_HALVES // 2)]
    halves = [part for order in orders for part in (order[:half], order[half : 2 * half])]
    quarters = np.array_split(orders[0], 4)
    dropped = np.array_split(rng.permutation(samples), groups)
    without = [np.delete(np.arange(samples), part) for part in dropped]
    everything = [np.arange(samples)] if whole is None else []
    found = np.array(evaluate([*halves, *quarters, *without, *everything]))
    at_half, at_quarter, jackknife, rest = np.split(
        found, np.cumsum([_HALVES, len(quarters), groups])
    )
    count, values = (samples, rest[0]) if whole is None else whole
    sizes = samples // 4, half, count
    errors = jackknife.std(0) * np.sqrt((groups - 1) * samples / count)
    reaches = float(stdtrit(groups - 1, (1 + level) / 2)) * errors
    each = zip(at_quarter.mean(0), at_half.mean(0), values, reaches, strict=True)
    return [
        _judged(
            sizes, (float(quarter), float(before), float(value)), float(reach), bound, tolerance
        )
        for quarter, before, value, reach in each
    ]


def _judged(
    sizes: tuple[int, int, int],
    values: tuple[float, float, float],
    reach: float,
    bound: float | None,
    tolerance: float,
) -> Settling:
    (_, half, count), (_, before, value) = sizes, values
    word = settled_word(value, before, bound=bound, tolerance=tolerance)
    step = (value - before) * half / (count - half)
    better = value + step if word == "settled" else nan
    farther = hypot(_EXTRAPOLATED * reach, step / 2)
    return Settling(
        sizes,
        values,
        value - reach,
        value + reach,
        better,
        better - farther,
        better + farther,
        word,
    )


def settled_word(
    value: float,
    before: float,
    *,
    bound: float | None = None,
    tolerance: float = 0.05,
    least: float = 0.0,
) -> Word:
    """Say in one word whether a number has settled.

    Parameters
    ----------
    value, before : float
        At n, and at n/2 or less.
    bound : float, optional
        The most that it can be at n.
    tolerance : float
        Relative change up to which it has settled.
    least : float
        Change up to which it has settled in any case, in the unit of the number.

    Returns
    -------
    str
        One of ``Word``.

    Examples
    --------
    >>> from latentgeo.geometry import settled_word
    >>> settled_word(20.0, 15.0), settled_word(20.0, 19.9)
    ('still rising', 'settled')
    """
    if bound is not None and value > bound / 2:
        return "bounded by n"
    if abs(value - before) <= max(tolerance * abs(value), least):
        return "settled"
    return "still rising" if value > before else "still falling"


def dimension_settling(
    gram: Any,
    shares: Sequence[float] = SHARES,
    *,
    centred: bool = True,
    whole: tuple[int, Sequence[float]] | None = None,
    **options: Any,
) -> list[Settling]:
    """Follow the Hilbert dimension, interpolated between integers.

    Parameters
    ----------
    gram : array or tensor, shape (n, n)
        Gram matrix of the whole sample, or of some of it.
    shares : sequence of float
        Shares of the energy, in (0, 1].
    centred : bool
        Centre each subsample in feature space first.
    whole : tuple of int and sequence of float, optional
        The number of all samples, and the dimension of them at each share, where the Gram matrix
        is of some.
    **options
        ``tolerance``, ``groups``, ``level`` and ``seed`` of `settling`.

    Returns
    -------
    list of Settling
        At each share. The integer that `gram_dimension` counts is the next one above each value.

    Raises
    ------
    ValueError
        As for `settling` and `gram_dimension`.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import dimension_settling
    >>> x = np.random.default_rng(0).normal(size=(60, 2))
    >>> dimension_settling(x @ x.T, [0.99])[0].word
    'settled'
    """
    inside, _ = enter(gram)
    check_gram(inside)
    check_shares(shares)

    def dimensions(some: Places) -> list[float]:
        energies = spectrum_of_gram(_of(inside, some), centred)
        return [float(continuous_dimension(energies, share)) for share in shares]

    samples = len(inside)
    bound = (samples if whole is None else whole[0]) - 1.0
    return _settled(
        lambda subsamples: _linalg.map_tiles(dimensions, subsamples, samples**3, inside),
        samples,
        bound=bound,
        whole=whole,
        **options,
    )


def angle_settling(
    k_cc: Any, k_cn: Any, k_nn: Any, dims: int, *, centred: bool = True, **options: Any
) -> Settling:
    """Follow the mean principal angle between subspaces of fixed dimension of paired sets.

    Parameters
    ----------
    k_cc, k_cn, k_nn : arrays or tensors, shape (n, n)
        Kernel blocks of two sets of the same images in the same order, such as clean and noisy.
    dims : int
        Dimension of both subspaces. Those that hold a share have another dimension at every n.
    centred : bool
        Centre each set in feature space first.
    **options
        ``tolerance``, ``groups``, ``level`` and ``seed`` of `settling`.

    Returns
    -------
    Settling
        In radians.

    Raises
    ------
    ValueError
        As for `settling` and `rkhs_principal_angles`, or if the sets differ in size.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.geometry import angle_settling
    >>> x, y = np.random.default_rng(0).normal(size=(2, 40, 3))
    >>> angle_settling(x @ x.T, x @ y.T, y @ y.T, dims=2).sizes
    (10, 20, 40)
    """
    blocks = [enter(k)[0] for k in (k_cc, k_cn, k_nn)]
    if len({k.shape for k in blocks}) != 1:
        shapes = [tuple(k.shape) for k in blocks]
        raise ValueError(f"the blocks have shapes {shapes}; expected the same images in each")

    def statistic(some: Places) -> float:
        found = rkhs_principal_angles(*(_of(k, some) for k in blocks), dims=dims, centred=centred)
        return float(angle_statistics(found).mean)

    return settling(statistic, len(blocks[0]), **options)


def _of(gram: Tensor, some: Places) -> Tensor:
    return gram_block(gram, torch.from_numpy(some))
