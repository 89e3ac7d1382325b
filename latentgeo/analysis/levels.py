"""Which noise level stands for the noisy ones."""

import numpy as np
from numpy.typing import NDArray


def nearest_level(levels: NDArray[np.float64], wanted: float = 0.1) -> float | None:
    """Give the level above 0 that is nearest to the wanted one.

    Parameters
    ----------
    levels : numpy.ndarray of shape (levels,)
        Noise levels, in any order.
    wanted : float, default=0.1
        The level that one would like to see.

    Returns
    -------
    float or None
        None where there is none above 0.
    """
    above = levels[levels > 0]
    return float(above[np.abs(above - wanted).argmin()]) if above.size else None
