"""Has a model learned? Its reconstructions against the mean image."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from latentgeo.metrics.intervals import MeanInterval, bootstrap_mean

# What a model must gain over the mean image to count as one that has learned. The mean image
# minimises the mean squared error among constant images, not minus the mean of the decibels:
# another constant image can beat it, but only by a fraction of a decibel.
LEARNED_MARGIN_DB = 1.0


class Learned(NamedTuple):
    """Whether a model has learned, and its gain over the baseline in dB with its interval."""

    learned: bool
    gain: MeanInterval


def judge_learned(psnr_db: ArrayLike, baseline_db: ArrayLike, *, seed: int = 0) -> Learned:
    """Return whether reconstructions beat a baseline by more than `LEARNED_MARGIN_DB`.

    This is the one definition of "learned": the 95 % interval of the gain over images has to lie
    above the margin. Where there is no interval (training keeps the mean over its validation
    images alone; one image; an infinite value), the gain itself has to. An estimate so
    close to the margin that the interval holds it counts as learned there, and not here.

    Parameters
    ----------
    psnr_db, baseline_db : array_like of shape (n,), or float
        PSNR of each image, in dB, as the model reconstructs it and as the baseline (the mean
        image) does; or the mean of each over images.
    seed : int, default=0
        Seeds the bootstrap over images.

    Returns
    -------
    Learned
        `learned`, and `gain`, NaN at both ends where there is no interval.

    Examples
    --------
    >>> from latentgeo.metrics import judge_learned
    >>> judge_learned([28.0, 29.0, 30.0], 13.0).learned
    True
    """
    gain = bootstrap_mean(np.atleast_1d(np.subtract(psnr_db, baseline_db)), seed=seed)
    least = gain.low if np.isfinite(gain.low) else gain.mean
    return Learned(bool(least > LEARNED_MARGIN_DB), gain)
