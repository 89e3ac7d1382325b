"""How well clusters that were found without labels agree with the classes."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from latentgeo.metrics.intervals import MeanInterval, bootstrap_mean


def name_clusters(
    probabilities: Any, labels: Any, rule: Literal["surest", "majority"] = "surest"
) -> NDArray[np.int64]:
    """Name each cluster by the label of one point, or of most.

    Parameters
    ----------
    probabilities : array_like of shape (n, K)
        How surely each validation point belongs to each cluster.
    labels : array_like of shape (n,)
        Their classes, whole numbers from 0.
    rule : {"surest", "majority"}, default="surest"
        "surest": by the one point that belongs to the cluster most surely, as the paper does.
        "majority": by the commonest class of the points whose likeliest cluster it is, and by the
        surest point where there are none; one odd image decides less.

    Returns
    -------
    numpy.ndarray of shape (K,)
        The class of each cluster.

    Raises
    ------
    ValueError
        When the shapes do not fit.

    References
    ----------
    Makhzani et al., Adversarial Autoencoders (arXiv 1511.05644), section 6; the rule as it is
    recalled, not as it could be confirmed.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.metrics import name_clusters
    >>> name_clusters(np.array([[0.9, 0.1], [0.2, 0.8]]), [5, 7])
    array([5, 7])
    >>> name_clusters(np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]]), [5, 7, 7], rule="majority")
    array([7, 7])
    """
    belongs, classes = _belongs(probabilities, labels)
    named: NDArray[np.int64] = classes[belongs.argmax(axis=0)]
    if rule == "surest":
        return named
    likeliest = belongs.argmax(axis=1)
    for cluster in np.unique(likeliest):
        named[cluster] = np.bincount(classes[likeliest == cluster]).argmax()
    return named


def clustering_error(probabilities: Any, labels: Any, names: Any) -> float:
    """Return the share of points whose cluster has the name of another class.

    Lower is better.

    Parameters
    ----------
    probabilities : array_like of shape (n, K)
        How surely each test point belongs to each cluster; it counts for the likeliest.
    labels : array_like of shape (n,)
        Their classes.
    names : array_like of shape (K,)
        The class of each cluster: what `name_clusters` gave of validation points.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ValueError
        When the shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.metrics import clustering_error
    >>> probabilities = np.array([[0.9, 0.1], [0.2, 0.8]])
    >>> clustering_error(probabilities, [5, 7], names=[5, 7])
    0.0
    """
    belongs, classes = _belongs(probabilities, labels)
    given = np.asarray(names)
    if given.shape != (belongs.shape[1],):
        raise ValueError(f"names have shape {given.shape}, expected ({belongs.shape[1]},)")
    return float((given[belongs.argmax(axis=1)] != classes).mean())


def matched_clustering_error(clusters: Any, labels: Any) -> float:
    """Return the share of points that are wrong under the best matching of clusters and classes.

    Each class is matched with at most one cluster and each cluster with at most one class
    (Hungarian algorithm), so with more clusters than classes the points of the clusters that are
    left over count as wrong. Lower is better; no label beyond those given is used, and they are
    the very ones that are counted, so it is an optimistic measure.

    Parameters
    ----------
    clusters : array_like of shape (n,)
        Cluster of each point, whole numbers from 0.
    labels : array_like of shape (n,)
        Its class, whole numbers from 0.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ValueError
        When the shapes differ, or there is nothing.

    Examples
    --------
    >>> from latentgeo.metrics import matched_clustering_error
    >>> matched_clustering_error([1, 1, 0, 0], [0, 0, 1, 1])
    0.0
    """
    return 1 - float(_agrees(clusters, labels).mean())


def clustering_accuracy(
    clusters: Any, labels: Any, *, seed: int, resamples: int = 2000, level: float = 0.95
) -> MeanInterval:
    """Return the share of points that are right under the best matching, with an interval.

    One minus `matched_clustering_error`, and as optimistic. Higher is better; it does not depend
    on how clusters are numbered.

    Parameters
    ----------
    clusters : array_like of shape (n,)
        Cluster of each point, whole numbers from 0.
    labels : array_like of shape (n,)
        Its class, whole numbers from 0.
    seed, resamples, level
        Of the bootstrap over points, as for `bootstrap_mean`; it keeps the matching.

    Returns
    -------
    MeanInterval
        From 0 to 1.

    Raises
    ------
    ValueError
        As `matched_clustering_error`.

    Examples
    --------
    >>> from latentgeo.metrics import clustering_accuracy
    >>> float(clustering_accuracy([1, 1, 0, 0], [0, 0, 1, 1], seed=0).mean)
    1.0
    """
    agrees = _agrees(clusters, labels)
    return bootstrap_mean(agrees, seed=seed, resamples=resamples, level=level)


def _agrees(clusters: Any, labels: Any) -> NDArray[np.bool_]:
    """Mark for each point whether its cluster is matched with its class."""
    from scipy.optimize import linear_sum_assignment  # slow to import

    found, classes = np.asarray(clusters), np.asarray(labels)
    if found.ndim != 1 or found.shape != classes.shape or not len(found):
        raise ValueError(
            f"clusters have shape {found.shape} and labels {classes.shape}, expected (n,) for both"
        )
    counts = np.zeros((found.max() + 1, classes.max() + 1), dtype=np.int64)
    np.add.at(counts, (found, classes), 1)
    matched = np.full(len(counts), -1)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    matched[rows] = columns
    agrees: NDArray[np.bool_] = matched[found] == classes
    return agrees


def _belongs(probabilities: Any, labels: Any) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    belongs, classes = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    if belongs.ndim != 2 or classes.shape != belongs.shape[:1] or not len(classes):
        raise ValueError(
            f"probabilities have shape {belongs.shape} and labels {classes.shape}, "
            "expected (n, K) and (n,)"
        )
    return belongs, classes
