"""What runs that differ in their seed say together."""

from typing import Any

import numpy as np
from scipy.stats import t

from latentgeo.metrics.intervals import MeanInterval


def interval_over_seeds(values: Any, *, level: float = 0.95) -> MeanInterval:
    """Give the mean over seeds with Student's interval.

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
    """
    samples = np.asarray(values, dtype=np.float64)
    if samples.ndim == 0 or samples.shape[-1] == 0:
        raise ValueError(f"values has shape {samples.shape}, expected (..., n) with n at least 1")
    mean, seeds = samples.mean(axis=-1), samples.shape[-1]
    if seeds == 1:
        return MeanInterval(mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan))
    error = samples.std(axis=-1, ddof=1) / np.sqrt(seeds)
    reach = t.ppf(0.5 + level / 2, seeds - 1) * error
    return MeanInterval(mean, mean - reach, mean + reach)
