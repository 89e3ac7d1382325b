"""Whether two measures of the same pairs rise together."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentgeo.metrics.intervals import middle

_NOTHING = 1e-12
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
    x: ArrayLike,
    y: ArrayLike,
    *,
    seed: int,
    given: ArrayLike | None = None,
    resamples: int = 2000,
    level: float = 0.95,
) -> RankCorrelation:
    """Compute Spearman's rank correlation with a percentile bootstrap interval.

    It does not change under rising maps of either measure. Ties share their mean rank.

    Parameters
    ----------
    x, y : array_like of shape (n,)
        Two measures of the same things. Where either is not finite, both are left out.
    seed : int
        Seeds the choice of things.
    given : array_like of shape (n,), optional
        A third measure: the partial correlation tells whether the two go together among things
        that are alike in it.
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

    Examples
    --------
    >>> from latentgeo.metrics import spearman
    >>> spearman([1.0, 2.0, 3.0, 4.0], [1.0, 4.0, 9.0, 16.0], seed=0).rho
    1.0
    """
    asked = [x, y] if given is None else [x, y, given]
    measures = [np.asarray(each, dtype=np.float64) for each in asked]
    shapes = [each.shape for each in measures]
    if measures[0].ndim != 1 or len(set(shapes)) > 1:
        raise ValueError(
            f"x has shape {shapes[0]} and y {shapes[1]}"
            + (f" and given {shapes[2]}" if given is not None else "")
            + "; expected the same, (n,)"
        )
    every = np.stack(measures)
    every = every[:, np.isfinite(every).all(axis=0)]
    count = every.shape[1]
    rho = float(_correlation(every)) if count >= _LEAST else np.nan
    if np.isnan(rho):
        return RankCorrelation(np.nan, np.nan, np.nan, count)
    chosen = np.random.default_rng(seed).integers(0, count, (resamples, count))
    drawn = _correlation(every[:, chosen])
    defined = drawn[~np.isnan(drawn)]
    if 2 * len(defined) < resamples:
        return RankCorrelation(rho, np.nan, np.nan, count)
    low, high = middle(defined, level)
    return RankCorrelation(rho, float(low), float(high), count)


def _correlation(measures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlate the ranks of two measures (2, ..., n), or of three the first two given the third.

    NaN where one of them is constant.
    """
    from scipy.stats import rankdata  # slow to import

    ranks = rankdata(measures, axis=-1)
    x, y, *given = ranks - ranks.mean(axis=-1, keepdims=True)
    rho = _pearson(x, y)
    if not given:
        return rho
    along_x, along_y = _pearson(x, given[0]), _pearson(y, given[0])
    rest = (1 - along_x**2) * (1 - along_y**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        # What the third measure decides wholly has no rest that could go together.
        partial: NDArray[np.float64] = np.where(
            rest > _NOTHING, (rho - along_x * along_y) / np.sqrt(rest), np.nan
        )
    return partial


def _pearson(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
        rho: NDArray[np.float64] = np.where(scale > 0, (x * y).sum(-1) / scale, np.nan)
    return rho
