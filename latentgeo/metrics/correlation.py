"""Whether two measures of the same pairs rise together."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

_LEAST = 4  # with three pairs a rank correlation takes only four values


class RankCorrelation(NamedTuple):
    """A rank correlation with the ends of its confidence interval.

    Attributes
    ----------
    rho : float
        From -1 to 1; NaN where it is undefined.
    low, high : float
        Ends of the interval; NaN where there is none.
    pairs : int
        How many of the values entered: those that are finite in both measures.
    """

    rho: float
    low: float
    high: float
    pairs: int


def spearman(
    x: ArrayLike, y: ArrayLike, *, seed: int, resamples: int = 2000, level: float = 0.95
) -> RankCorrelation:
    """Give Spearman's rank correlation with a percentile bootstrap interval.

    It does not change under rising maps of either measure. Ties share their mean rank.

    Parameters
    ----------
    x, y : array_like of shape (n,)
        Two measures of the same things. Where either is not finite, both are left out.
    seed : int
        Seeds the choice of things.
    resamples : int, default=2000
        How many bootstrap samples are drawn.
    level : float, default=0.95
        Coverage of the interval.

    Returns
    -------
    RankCorrelation
        Undefined with fewer than four things, and where a measure is the same for all. Bootstrap
        samples in which it is the same for all are left out; where they are more than half,
        there is no interval.

    Raises
    ------
    ValueError
        When the shapes differ.

    References
    ----------
    C. Spearman, "The proof and measurement of association between two things", American Journal
    of Psychology 15 (1904).
    """
    first, second = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"x has shape {first.shape} and y {second.shape}; expected the same, (n,)")
    kept = np.isfinite(first) & np.isfinite(second)
    both = np.stack([first[kept], second[kept]])
    count = both.shape[1]
    rho = float(_correlation(both)) if count >= _LEAST else np.nan
    if np.isnan(rho):
        return RankCorrelation(np.nan, np.nan, np.nan, count)
    chosen = np.random.default_rng(seed).integers(0, count, (resamples, count))
    drawn = _correlation(both[:, chosen])
    defined = drawn[~np.isnan(drawn)]
    if 2 * len(defined) < resamples:
        return RankCorrelation(rho, np.nan, np.nan, count)
    tail = (1 - level) / 2
    low, high = np.quantile(defined, (tail, 1 - tail))
    return RankCorrelation(rho, float(low), float(high), count)


def _correlation(both: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlate the ranks of two measures (2, ..., n); NaN where one of them is constant."""
    ranks = rankdata(both, axis=-1)
    x, y = ranks - ranks.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
        rho: NDArray[np.float64] = np.where(scale > 0, (x * y).sum(-1) / scale, np.nan)
    return rho
