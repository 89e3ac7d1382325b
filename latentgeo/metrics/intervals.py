"""Confidence intervals over images."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

_SHARES_AT_A_TIME = 2**23
HALF_SAMPLE_WIDENING = 1.2
"""What halves miss of the spread of angles between subspaces whose energies nearly tie.

Chosen on the populations of benchmarks/results/calibration-reported-angle.md, so that 95 %
intervals cover in 92 % of samples and more.
"""


class MeanInterval(NamedTuple):
    """A mean with the ends of its confidence interval, arrays of one shape."""

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def bootstrap_mean(
    values: ArrayLike, *, seed: int, resamples: int = 2000, level: float = 0.95
) -> MeanInterval:
    """Compute the mean over images with a percentile bootstrap interval.

    The same resampled images serve every leading index, so that intervals at several noise
    levels are paired: their differences are as narrow as the images allow.

    Parameters
    ----------
    values : array_like of shape (..., n)
        One number for each of n images.
    seed : int
        Seeds the choice of images.
    resamples : int, default=2000
        How many bootstrap samples are drawn.
    level : float, default=0.95
        Coverage of the interval.

    Returns
    -------
    MeanInterval
        Mean, low and high, each of shape (...). With a single image, or where a value is
        infinite, the interval is NaN: there is none.

    Raises
    ------
    ValueError
        When there is no image.

    Examples
    --------
    >>> from latentgeo.metrics import bootstrap_mean
    >>> found = bootstrap_mean([20.0, 21.0, 22.0, 23.0], seed=0)
    >>> float(found.mean), bool(found.low < 21.5 < found.high)
    (21.5, True)
    """
    samples = _samples(values)
    mean = samples.mean(axis=-1)
    low, high = np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    usable = np.isfinite(mean)
    if samples.shape[-1] > 1 and usable.any():
        blocks = _blocks_of_shares(samples.shape[-1], resamples, seed)
        means = np.concatenate([samples[usable] @ shares.T for shares in blocks], axis=-1)
        low[usable], high[usable] = middle(means, level)
    return MeanInterval(mean, low, high)


def bootstrap_median(
    values: ArrayLike, *, seed: int, resamples: int = 2000, level: float = 0.95
) -> MeanInterval:
    """Compute the median over images with a percentile bootstrap interval.

    Parameters
    ----------
    values : array_like of shape (n,)
        One number for each of n images.
    seed, resamples, level
        As for `bootstrap_mean`.

    Returns
    -------
    MeanInterval
        The median in the place of the mean; with a single image the interval is NaN.

    Raises
    ------
    ValueError
        When there is no image.

    Examples
    --------
    >>> from latentgeo.metrics import bootstrap_median
    >>> float(bootstrap_median([1.0, 2.0, 100.0], seed=0).mean)
    2.0
    """
    samples = np.asarray(values, dtype=np.float64)
    if samples.ndim != 1 or len(samples) == 0:
        raise ValueError(f"values has shape {samples.shape}, expected (n,) with n at least 1")
    median = np.asarray(np.median(samples))
    if len(samples) == 1:
        return MeanInterval(median, np.asarray(np.nan), np.asarray(np.nan))
    chosen = np.random.default_rng(seed).integers(0, len(samples), (resamples, len(samples)))
    return MeanInterval(median, *middle(np.median(samples[chosen], axis=-1), level))


def bootstrap_ratio(
    numerators: ArrayLike,
    denominators: ArrayLike,
    *,
    seed: int,
    resamples: int = 2000,
    level: float = 0.95,
) -> MeanInterval:
    """Compute a ratio of two sums over samples with a percentile bootstrap interval.

    Parameters
    ----------
    numerators, denominators : array_like of shape (n,)
        Both numbers of each of n samples, as nats and tokens of a sentence, drawn together.
    seed, resamples, level
        As for `bootstrap_mean`.

    Returns
    -------
    MeanInterval
        The ratio in the place of the mean; with a single sample the interval is NaN.

    Raises
    ------
    ValueError
        When the shapes differ, there is no sample, or the denominators sum to 0.

    Examples
    --------
    >>> from latentgeo.metrics import bootstrap_ratio
    >>> float(bootstrap_ratio([1.0, 2.0], [2.0, 4.0], seed=0).mean)
    0.5
    """
    above, below = (np.asarray(values, np.float64) for values in (numerators, denominators))
    if above.ndim != 1 or above.shape != below.shape or not len(above) or not below.sum():
        raise ValueError(
            f"numerators and denominators have shapes {above.shape} and {below.shape}, expected "
            "one shape (n,) with n at least 1, and denominators that do not sum to 0"
        )
    ratio = np.asarray(above.sum() / below.sum())
    if len(above) == 1:
        return MeanInterval(ratio, np.asarray(np.nan), np.asarray(np.nan))
    blocks = _blocks_of_shares(len(above), resamples, seed)
    ratios = np.concatenate([(shares @ above) / (shares @ below) for shares in blocks])
    return MeanInterval(ratio, *middle(ratios, level))


def interval_over_seeds(values: ArrayLike, *, level: float = 0.95) -> MeanInterval:
    """Compute the mean over seeds with Student's interval.

    A bootstrap of three values has only ten outcomes and is far too narrow; this interval takes
    what seeds change to be normal.

    Parameters
    ----------
    values : array_like of shape (..., seeds)
        One number for each seed.
    level : float, default=0.95
        Coverage of the interval.

    Returns
    -------
    MeanInterval
        Mean, low and high, each of shape (...). With a single seed the interval is NaN: there is
        none.

    Raises
    ------
    ValueError
        When there is no seed.

    Examples
    --------
    >>> from latentgeo.metrics import interval_over_seeds
    >>> found = interval_over_seeds([20.0, 21.0, 22.0])
    >>> round(float(found.low), 1), round(float(found.high), 1)
    (18.5, 23.5)
    """
    from scipy.special import stdtrit  # slow to import

    samples = _samples(values)
    mean, seeds = samples.mean(axis=-1), samples.shape[-1]
    if seeds == 1:
        return MeanInterval(mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan))
    error = samples.std(axis=-1, ddof=1) / np.sqrt(seeds)
    reach = stdtrit(seeds - 1, 0.5 + level / 2) * error
    return MeanInterval(mean, mean - reach, mean + reach)


def middle(draws: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """Return both ends of the middle share ``level`` of draws (..., k): shape (2, ...)."""
    ends: NDArray[np.float64] = np.quantile(draws, ((1 - level) / 2, (1 + level) / 2), axis=-1)
    return ends


def _samples(values: ArrayLike) -> NDArray[np.float64]:
    samples = np.asarray(values, dtype=np.float64)
    if samples.ndim == 0 or samples.shape[-1] == 0:
        raise ValueError(f"values has shape {samples.shape}, expected (..., n) with n at least 1")
    return samples


def _blocks_of_shares(count: int, resamples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Compute the share that each image has in each bootstrap sample: blocks (some, count).

    A product with these is the mean of every sample, and no sample need be gathered; of many
    images all shares at once would be too large.
    """
    rng = np.random.default_rng(seed)
    most = max(1, _SHARES_AT_A_TIME // count)
    for start in range(0, resamples, most):
        rows = min(most, resamples - start)
        chosen = rng.integers(0, count, (rows, count))
        chosen += count * np.arange(rows)[:, None]
        yield np.bincount(chosen.ravel(), minlength=rows * count).reshape(-1, count) / count


def jackknife_interval(
    estimate: ArrayLike, half_sample_estimates: ArrayLike, *, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Compute an interval from estimates on random halves of the images.

    A bootstrap sample repeats images, and a repeated image adds no dimension: dimensions and
    angles of a bootstrap sample are biased far below the estimate. Halves drawn *without*
    replacement repeat nothing. The delete-half jackknife takes the spread of the halves'
    estimates as the standard error of the whole (Shao and Wu 1989, with d = n/2, where its
    factor (n - d)/d is 1), and the bias of the halves drops out. The interval is of what
    samples of this size have on average; it is made wider by `HALF_SAMPLE_WIDENING`.

    Parameters
    ----------
    estimate : array_like of shape (...)
        The estimate on all images, the centre of the interval.
    half_sample_estimates : array_like of shape (..., halves)
        The same estimate on random halves.
    level : float, default=0.95
        Coverage, by Student's quantile with as many degrees of freedom as halves less one.

    Returns
    -------
    low, high : numpy.ndarray of shape (...)
        Ends of the interval.

    References
    ----------
    .. [1] J. Shao and C. F. J. Wu, "A general theory for jackknife variance estimation",
       Annals of Statistics 17 (1989).

    Examples
    --------
    >>> from latentgeo.metrics import jackknife_interval
    >>> low, high = jackknife_interval(10.0, [9.5, 10.5, 10.0, 9.8])
    >>> bool(low < 10 < high)
    True
    """
    from scipy.special import stdtrit  # slow to import

    centre = np.asarray(estimate, dtype=np.float64)
    halves = np.asarray(half_sample_estimates, dtype=np.float64)
    if halves.shape[:-1] != centre.shape or halves.shape[-1] < 2:
        raise ValueError(
            f"half_sample_estimates has shape {halves.shape}, expected {centre.shape} "
            "followed by at least 2 halves"
        )
    error = HALF_SAMPLE_WIDENING * halves.std(axis=-1, ddof=1)
    reach = stdtrit(halves.shape[-1] - 1, 0.5 + level / 2) * error
    return centre - reach, centre + reach
