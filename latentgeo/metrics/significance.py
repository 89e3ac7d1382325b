"""Whether seeds tell two ways of training apart, and what so many seeds could have told."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Difference(NamedTuple):
    """A difference of means over seeds, first less second.

    Attributes
    ----------
    mean : float
    low, high : float
        Ends of its confidence interval.
    p_value : float
        Of no difference, two-sided; not corrected for other comparisons (see `holm`).
    detectable : float
        The smallest true difference that so many seeds, spread as these are, find with the power
        that was asked for. A non-finding says no more than that the difference is below it.
    """

    mean: float
    low: float
    high: float
    p_value: float
    detectable: float


def seed_difference(
    first: Any, second: Any, *, paired: bool, level: float = 0.95, power: float = 0.8
) -> Difference:
    """Compare one number of two ways of training over seeds, by a t test.

    Whether two intervals touch is no test: at 95 % it has 0.5 % false positives, and half the
    power of this one.

    Parameters
    ----------
    first, second : array_like of shape (seeds,)
        One number for each seed.
    paired : bool
        Whether the two have the same seeds in the same order, and a seed sets something that both
        share (data, order, initialisation). Without, Welch's test, which takes no equal spread.
    level : float, default=0.95
        Coverage of the interval; the test's level is 1 less this.
    power : float, default=0.8
        With which `detectable` would be found.

    Returns
    -------
    Difference
        p is NaN where nothing varies.

    Raises
    ------
    ValueError
        When there are fewer than two seeds of either, a number is not finite, or pairs do not
        match.

    References
    ----------
    B. L. Welch, Biometrika 34 (1947); J. Cohen, "Statistical power analysis for the behavioral
    sciences", 1988, chapter 2, for the detectable difference, here by the noncentral t.

    Examples
    --------
    >>> from latentgeo.metrics import seed_difference
    >>> seed_difference([20.0, 21.0, 22.0], [25.0, 26.0, 27.0], paired=False).p_value < 0.05
    True
    """
    a, b = (np.asarray(values, dtype=np.float64) for values in (first, second))
    if a.ndim != 1 or b.ndim != 1 or min(len(a), len(b)) < 2 or (paired and len(a) != len(b)):
        raise ValueError(
            f"first has shape {a.shape} and second {b.shape}, expected two seeds of each at least"
            + (", in pairs" if paired else "")
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("first or second holds a number that is not finite; leave that seed out")
    if not (0 < level < 1 and 0 < power < 1):
        raise ValueError(f"level is {level} and power {power}, expected both between 0 and 1")
    parts = [a - b] if paired else [a, b]
    error = float(np.sqrt(sum(part.var(ddof=1) / len(part) for part in parts)))
    mean = float(a.mean() - b.mean())
    if error == 0:
        return Difference(mean, mean, mean, float("nan"), 0.0)
    from scipy.special import stdtrit  # slow to import
    from scipy.stats import ttest_ind, ttest_rel

    with warnings.catch_warnings():
        # Where one of both does not vary: its variance is 0 here, and Welch's test is of the other.
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        found = ttest_rel(a, b) if paired else ttest_ind(a, b, equal_var=False)
    freedom = float(found.df)
    cut = float(stdtrit(freedom, (1 + level) / 2))
    shift = _noncentrality(cut, freedom, power)
    return Difference(
        mean, mean - cut * error, mean + cut * error, float(found.pvalue), shift * error
    )


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Correct p-values of several comparisons by Holm's step-down method.

    Parameters
    ----------
    p_values : array_like of shape (k,)
        Of all comparisons that were made; NaN, of no comparison, stays and does not count.

    Returns
    -------
    numpy.ndarray of shape (k,)
        Those below a level are findings, with that chance at most of a false one among all.

    Raises
    ------
    ValueError
        When a p-value is not in [0, 1].

    References
    ----------
    S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statistics 6
    (1979).

    Examples
    --------
    >>> from latentgeo.metrics import holm
    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    given = np.asarray(p_values, dtype=np.float64)
    there = ~np.isnan(given)
    if given.ndim != 1 or ((given[there] < 0) | (given[there] > 1)).any():
        raise ValueError(f"p_values are {given}, expected numbers from 0 to 1, (k,)")
    some = given[there]
    order = some.argsort()
    steps = np.maximum.accumulate(some[order] * np.arange(len(some), 0, -1))
    corrected = given.copy()
    places = np.flatnonzero(there)[order]
    corrected[places] = np.minimum(steps, 1.0)
    return corrected


def _noncentrality(cut: float, freedom: float, power: float) -> float:
    """Find how many standard errors of difference are found with a power."""
    from scipy.optimize import brentq  # slow to import
    from scipy.stats import nct

    def missing(shift: float) -> float:
        # The other tail adds less than rounding wherever a power is worth the name.
        return float(nct.sf(cut, freedom, shift) - power)

    most = 1.0
    while missing(most) < 0:
        most *= 2
    return float(brentq(missing, 0.0, most)) if missing(0.0) < 0 else 0.0
