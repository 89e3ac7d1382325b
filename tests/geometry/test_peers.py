"""The same numbers as other libraries, where they have them and are installed."""

import numpy as np
import pytest

from latentgeo.geometry import distance, pairwise_distance


def definite(count, size, seed):
    x = np.random.default_rng(seed).normal(size=(count, size, 2 * size))
    return x @ x.swapaxes(-1, -2) / (2 * size)


PYRIEMANN = {
    "log-euclidean": ("distance_logeuclid", 1),
    "affine-invariant": ("distance_riemann", 1),
    "bures-wasserstein": ("distance_wasserstein", 1),
    "log-cholesky": ("distance_logchol", 1),
    "stein": ("distance_logdet", 2),
}


@pytest.mark.parametrize("size", [3, 20])
@pytest.mark.parametrize("metric", PYRIEMANN)
def test_pyriemann_agrees_on_definite_matrices(metric, size):
    pytest.importorskip("pyriemann")
    from pyriemann.geometry import distance as theirs

    name, power = PYRIEMANN[metric]
    a, b = definite(4, size, 0), definite(4, size, 1)
    expected = [[getattr(theirs, name)(x, y) ** power for y in b] for x in a]
    np.testing.assert_allclose(pairwise_distance(a, b, metric), expected, rtol=1e-8)


def test_optimal_transport_between_gaussians_agrees():
    ot = pytest.importorskip("ot")
    a, b = definite(2, 6, 0)
    zero = np.zeros(6)
    expected = ot.gaussian.bures_wasserstein_distance(zero, zero, a, b)
    assert distance(a, b) == pytest.approx(float(expected), rel=1e-9)
