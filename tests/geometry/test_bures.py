import numpy as np
import pytest
import torch

from latentgeo.geometry import (
    bures_wasserstein_geodesic,
    distance,
    frechet_mean,
    matrix_rank,
)

RNG = np.random.default_rng(0)


def matrix(size, rank):
    x = RNG.normal(size=(size, rank))
    return x @ x.T


@pytest.mark.parametrize(("rank", "other"), [(2, 2), (1, 4), (3, 5), (5, 5), (0, 2)])
def test_geodesics_are_travelled_at_constant_speed_between_any_ranks(rank, other):
    a, b = matrix(5, rank), matrix(5, other)
    times = [0.0, 0.25, 0.5, 1.0]
    path = bures_wasserstein_geodesic(a, b, times)
    np.testing.assert_allclose(path[0], a, atol=1e-12)
    np.testing.assert_allclose(path[-1], b, atol=1e-12)
    whole = distance(a, b)
    for t, point in zip(times, path, strict=True):
        assert distance(a, point) == pytest.approx(t * whole, abs=1e-7 * whole)
        assert distance(point, b) == pytest.approx((1 - t) * whole, abs=1e-7 * whole)
    assert matrix_rank(path[1], centred=False, rule=1e-9) == max(rank, other)


def test_geodesics_take_factors_and_tensors():
    x, y = RNG.normal(size=(2, 4, 2))
    expected = bures_wasserstein_geodesic(x @ x.T, y @ y.T, 0.3)
    found = bures_wasserstein_geodesic(torch.from_numpy(x), torch.from_numpy(y), 0.3, form="factor")
    assert isinstance(found, torch.Tensor)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_mean_of_commuting_matrices_is_the_square_of_the_mean_root():
    values = RNG.uniform(0.1, 2, size=(6, 4))
    found = frechet_mean(values[:, :, None] * np.eye(4))
    expected = np.square(np.sqrt(values).mean(0))
    np.testing.assert_allclose(found.factor @ found.factor.T, np.diag(expected), atol=1e-9)
    assert found.converged
    assert found.dispersion == pytest.approx(np.sqrt(values).var(0).sum())


@pytest.mark.parametrize("rank", [2, 5])
def test_the_mean_has_less_dispersion_than_anything_near(rank):
    base = RNG.normal(size=(5, rank))
    x = base + 0.3 * RNG.normal(size=(8, 5, rank))
    found = frechet_mean(x, form="factor")

    def spread(factor):
        return np.mean(distance(factor, x, form="factor") ** 2)

    assert spread(found.factor) == pytest.approx(found.dispersion, rel=1e-9)
    for _ in range(20):
        assert spread(found.factor + 0.01 * RNG.normal(size=(5, rank))) > found.dispersion


def test_the_mean_of_definite_matrices_solves_the_fixed_point_equation():
    from scipy.linalg import sqrtm

    x = np.stack([matrix(4, 4) for _ in range(5)])
    found = frechet_mean(x)
    mean = found.factor @ found.factor.T
    root = sqrtm(mean)
    np.testing.assert_allclose(
        np.mean([np.real(sqrtm(root @ s @ root)) for s in x], axis=0), mean, atol=1e-8
    )


def test_weights_are_shares():
    a, b = matrix(4, 2), matrix(4, 2)
    found = frechet_mean(np.stack([a, b]), weights=[3.0, 1.0])
    mean = found.factor @ found.factor.T
    np.testing.assert_allclose(mean, bures_wasserstein_geodesic(a, b, 0.25), atol=1e-8)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: frechet_mean(np.eye(3)), "expected a set of matrices"),
        (lambda: frechet_mean(np.eye(3)[None], weights=[0.0]), "all weights are zero"),
        (lambda: frechet_mean(np.eye(3)[None], weights=[1, 2]), "expected 1 numbers"),
        (lambda: bures_wasserstein_geodesic(np.ones((2, 3)), np.eye(2), 0.5), "expected square"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
