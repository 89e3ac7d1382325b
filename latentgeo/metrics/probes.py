"""How much of the classes a linear layer can read from latents."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentgeo.metrics._points import Points, as_points, check_fit
from latentgeo.metrics.intervals import MeanInterval, bootstrap_mean

Labels = NDArray[Any]


class ProbeScore(NamedTuple):
    """What a probe reached.

    Attributes
    ----------
    accuracy : MeanInterval
        Share of the test points whose class it names, from 0 to 1, with an interval over them.
    train_accuracy : float
        The same share of the train points.
    converged : bool
        Whether the fit came to its end; if not, more iterations would still change it.
    """

    accuracy: MeanInterval
    train_accuracy: float
    converged: bool


def linear_probe(
    train: Any,
    train_labels: Any,
    test: Any,
    test_labels: Any,
    *,
    strength: float = 1.0,
    iterations: int = 1000,
    seed: int,
    resamples: int = 2000,
    level: float = 0.95,
) -> ProbeScore:
    """Fit one softmax layer to latents of a frozen encoder, and count how often it is right.

    It is scikit-learn's logistic regression on latents that are standardised by the train points:
    the optimum of a convex problem, so that no step size, number of epochs or draw has a part in
    it, as they have in a layer that is trained by steps. Higher is better; it does not depend on
    shift and scale of each number of the latents.

    Parameters
    ----------
    train : array_like of shape (n, ...)
        Latents to fit to, flattened.
    train_labels : array_like of shape (n,)
        Their classes, whole numbers from 0.
    test : array_like of shape (m, ...)
        Latents to count on.
    test_labels : array_like of shape (m,)
        Their classes; one that the train points lack counts as wrong.
    strength : float, default=1.0
        Variance of a normal prior on the weights (C in scikit-learn): larger is freer.
    iterations : int, default=1000
        After so many the fit stops.
    seed, resamples, level
        Of the bootstrap over test points, as for `bootstrap_mean`.

    Returns
    -------
    ProbeScore
        The accuracy with its interval.

    Raises
    ------
    ValueError
        When points and labels do not fit together, points are not finite, there is one class
        only, or a number makes no sense.

    References
    ----------
    G. Alain, Y. Bengio, "Understanding intermediate layers using linear classifier probes", 2016
    (arXiv 1610.01644).

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.metrics import linear_probe
    >>> x, y = np.array([[-1.0], [-2.0], [1.0], [2.0]]), np.array([0, 0, 1, 1])
    >>> float(linear_probe(x, y, x, y, seed=0).accuracy.mean)
    1.0
    """
    known, seen = as_points(train, "train latents"), as_points(test, "test latents")
    check_fit(known, seen)
    classes = _labels(train_labels, known, "train")
    wanted = _labels(test_labels, seen, "test")
    if len(np.unique(classes)) < 2:
        raise ValueError(
            f"train labels are all {classes[0]}, expected at least 2 classes to tell apart"
        )
    if not (strength > 0 and iterations >= 1):
        raise ValueError(
            f"strength is {strength} and iterations {iterations}, "
            "expected more than 0 and at least 1"
        )
    probe, converged = _fit(known, classes, strength, iterations)
    right = probe.predict(seen) == wanted
    return ProbeScore(
        bootstrap_mean(right, seed=seed, resamples=resamples, level=level),
        float(probe.score(known, classes)),
        converged,
    )


def _fit(points: Points, classes: Labels, strength: float, iterations: int) -> tuple[Any, bool]:
    """Fit the layer; say whether it came to the end."""
    # Slow to import, and most of the project needs none of it.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    regression = LogisticRegression(C=strength, max_iter=iterations)
    probe = make_pipeline(StandardScaler(), regression)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the score records it
        probe.fit(points, classes)
    return probe, bool(regression.n_iter_.max() < iterations)


def _labels(given: Any, points: Points, what: str) -> Labels:
    labels = np.asarray(given)
    if labels.shape != points.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"{what} labels have shape {labels.shape} and dtype {labels.dtype}, "
            f"expected {points.shape[:1]}, whole numbers"
        )
    return labels
