"""Clusters of whitened latents."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentgeo.metrics._points import Points, as_points, check_fit

_ITERATIONS = 1000  # at most, the paper's


class WhitenedClusters(NamedTuple):
    """What k-means found in whitened latents.

    Attributes
    ----------
    clusters : numpy.ndarray of shape (m,)
        Cluster of each point, whole numbers from 0, at the best restart: that with the lowest
        inertia on the train points.
    each : numpy.ndarray of shape (restarts, m)
        The same at each restart.
    inertias : numpy.ndarray of shape (restarts,)
        Sum of the squared distances of the train points to their centres.
    dropped : int
        Directions that were left out, for the train points do not vary in them.
    """

    clusters: NDArray[np.int32]
    each: NDArray[np.int32]
    inertias: NDArray[np.float64]
    dropped: int


def whitened_kmeans(
    train: Any,
    test: Any = None,
    *,
    clusters: int = 10,
    restarts: int = 20,
    tolerance: float = 1e-6,
    seed: int,
) -> WhitenedClusters:
    r"""Find clusters of latents by k-means, after whitening them by principal components.

    Points become :math:`(x - \mu) V \Lambda^{-1/2}` with the mean, the principal directions and
    variances of the train points. Centres are fitted to the train points from random
    ones of them, and test points go to the nearest. Labels have no part in it. The outcome does
    not depend on shift, rotation and, but for `tolerance`, any invertible linear map of the
    latents.

    Parameters
    ----------
    train : array_like of shape (n, ...)
        Latents, flattened.
    test : array_like of shape (m, ...), optional
        Other latents; those of train if left out.
    clusters : int, default=10
        How many.
    restarts : int, default=20
        Fits from other centres; the paper takes 1000.
    tolerance : float, default=1e-6
        Directions whose standard deviation is at most this share of the largest are dropped:
        whitened, they would be rounding errors as large as all else.
    seed : int
        Seeds the centres.

    Returns
    -------
    WhitenedClusters
        Of the test points, or of the train points where there are none; `clustering_accuracy`
        compares them with classes.

    Raises
    ------
    ValueError
        When points do not fit together, are not finite, are all the same or fewer than the
        clusters, or a number makes no sense.

    References
    ----------
    D. Berthelot, C. Raffel, A. Roy, I. Goodfellow, "Understanding and improving interpolation in
    autoencoders via an adversarial regularizer", ICLR 2019 (arXiv 1807.07543).

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.metrics import whitened_kmeans
    >>> x = np.random.default_rng(0).normal(size=(40, 2)) + np.repeat([[0.0], [50.0]], 20, 0)
    >>> found = whitened_kmeans(x, clusters=2, restarts=2, seed=0)
    >>> type(found)._fields
    ('clusters', 'each', 'inertias', 'dropped')
    """
    given = as_points(train, "train latents")
    others = None if test is None else as_points(test, "test latents")
    if others is not None:
        check_fit(given, others)
    _check_counts(clusters, restarts, len(given))
    whiten = _whitening(given, tolerance)
    white = whiten(given)
    seen = white if others is None else whiten(others)
    seeds = np.random.default_rng(seed).integers(0, 2**31, restarts)
    fits = [_restart(white, seen, clusters, int(own)) for own in seeds]
    inertias = np.array([inertia for inertia, _ in fits])
    each = np.stack([found for _, found in fits])
    dropped = given.shape[1] - white.shape[1]
    return WhitenedClusters(each[inertias.argmin()], each, inertias, dropped)


def _whitening(points: Points, tolerance: float) -> Callable[[Points], NDArray[np.float32]]:
    """Return the map that whitens these points."""
    mean = points.mean(axis=0, dtype=np.float64)
    covariance = np.atleast_2d(np.cov(points, rowvar=False, dtype=np.float64))
    variances, directions = np.linalg.eigh(covariance)
    if not variances[-1] > 0:
        raise ValueError("train latents are all the same point, expected points to tell apart")
    kept = variances > tolerance**2 * variances[-1]
    scaled = directions[:, kept] / np.sqrt(variances[kept])
    # Single precision: enough for numbers around 1, and k-means takes half the time.
    return lambda given: ((given - mean) @ scaled).astype(np.float32)


def _restart(
    points: NDArray[np.float32], seen: NDArray[np.float32], clusters: int, seed: int
) -> tuple[float, NDArray[np.int32]]:
    from sklearn.cluster import KMeans  # slow to import, and most of the project needs none of it

    fit = KMeans(clusters, init="random", n_init=1, max_iter=_ITERATIONS, random_state=seed).fit(
        points
    )
    return fit.inertia_, fit.predict(seen)


def _check_counts(clusters: int, restarts: int, points: int) -> None:
    if not 2 <= clusters <= points:
        raise ValueError(
            f"clusters is {clusters}, expected 2 or more, and no more than the {points} points"
        )
    if restarts < 1:
        raise ValueError(f"restarts is {restarts}, expected at least 1")
