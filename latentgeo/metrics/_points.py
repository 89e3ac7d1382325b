"""Points in rows, as estimators of other libraries take them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32] | NDArray[np.float64]


def as_points(values: Any, what: str) -> Points:
    """Flatten latents (n, ...) to points (n, d) of floating point, checked.

    Parameters
    ----------
    values : array_like of shape (n, ...)
        Latents.
    what : str
        What they are, for messages.

    Returns
    -------
    numpy.ndarray of shape (n, d)
        float32 where they are, else float64.

    Raises
    ------
    ValueError
        When there are none, or one is not finite.
    """
    given = np.asarray(values)
    if given.ndim < 2 or 0 in given.shape:
        raise ValueError(f"{what} have shape {given.shape}, expected (n, ...) with n at least 1")
    points: Points = given.reshape(len(given), -1)
    if points.dtype != np.float32:
        points = points.astype(np.float64)
    broken = int((~np.isfinite(points)).any(axis=1).sum())
    if broken:
        raise ValueError(f"{what} hold {broken} points that are not finite; leave them out")
    return points


def check_count(value: int, name: str, least: int = 1) -> None:
    """Require a whole number of at least some value."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} is {value!r}; expected a whole number from {least}")


def check_fit(train: Points, test: Points) -> None:
    """Raise `ValueError` unless test points have as many numbers as train points."""
    if train.shape[1] != test.shape[1]:
        raise ValueError(
            f"test points have {test.shape[1]} numbers each, the train points {train.shape[1]}; "
            "expected the latents of one model"
        )
