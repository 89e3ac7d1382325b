import numpy as np
import pytest

from latentgeo.metrics import clustering_accuracy, whitened_kmeans
from latentgeo.metrics.whitening import _whitening


def blobs(count=300, dimension=6, seed=0, classes=3):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    centres = 8 * np.eye(classes, dimension)
    return centres[labels] + 0.5 * rng.normal(size=(count, dimension)), labels


def test_finds_what_lies_apart_and_names_test_points_by_the_train_centres():
    train, _ = blobs()
    test, labels = blobs(200, seed=1)
    found = whitened_kmeans(train, test, clusters=3, restarts=20, seed=0)
    assert found.each.shape == (20, 200)
    assert found.inertias.shape == (20,)
    assert np.array_equal(found.clusters, found.each[found.inertias.argmin()])
    assert clustering_accuracy(found.clusters, labels, seed=0).mean > 0.95


def test_a_test_point_has_no_part_in_the_fit():
    train, _ = blobs()
    test, _ = blobs(50, seed=1)
    both = whitened_kmeans(train, test, clusters=3, seed=0)
    alone = whitened_kmeans(train, test[:7] + 0.0, clusters=3, seed=0)
    assert np.array_equal(both.inertias, alone.inertias)
    assert np.array_equal(both.clusters[:7], alone.clusters)


def test_without_test_points_those_of_train_are_named():
    train, labels = blobs()
    found = whitened_kmeans(train, clusters=3, seed=0)
    again = whitened_kmeans(train, train, clusters=3, seed=0)
    assert np.array_equal(found.clusters, again.clusters)
    assert clustering_accuracy(found.clusters, labels, seed=0).mean > 0.95


def test_whitened_points_have_unit_covariance():
    points, _ = blobs()
    white = _whitening(points, 1e-6)(points)
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(np.cov(white, rowvar=False), np.eye(6), atol=1e-5)


def test_it_does_not_depend_on_an_invertible_linear_map():
    points, _ = blobs()
    mixed = points @ np.random.default_rng(5).normal(size=(6, 6)) + 3
    one, other = (whitened_kmeans(given, clusters=3, seed=0) for given in (points, mixed))
    np.testing.assert_allclose(one.inertias, other.inertias, rtol=1e-3)


def test_whitening_is_what_brings_out_a_small_direction():
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    points = np.stack([100 * rng.normal(size=400), labels + 0.05 * rng.normal(size=400)], axis=1)
    found = whitened_kmeans(points, clusters=2, restarts=50, seed=0)
    assert clustering_accuracy(found.clusters, labels, seed=0).mean == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_directions_without_variance_are_dropped_and_counted(dtype):
    points, labels = blobs()
    flat = np.concatenate([points, np.ones((300, 2)), 1e-9 * points[:, :1]], axis=1).astype(dtype)
    found = whitened_kmeans(flat, clusters=3, seed=0)
    assert found.dropped == 3
    assert whitened_kmeans(points, clusters=3, seed=0).dropped == 0
    assert clustering_accuracy(found.clusters, labels, seed=0).mean > 0.95


def test_latents_are_flattened():
    points, _ = blobs()
    tensor = whitened_kmeans(points.reshape(300, 3, 2, 1), clusters=3, seed=0)
    assert np.array_equal(tensor.clusters, whitened_kmeans(points, clusters=3, seed=0).clusters)


def test_the_seed_decides_and_more_restarts_are_no_worse():
    points = np.random.default_rng(0).normal(size=(200, 4))
    few, again, many = (
        whitened_kmeans(points, clusters=8, restarts=count, seed=0) for count in (3, 3, 30)
    )
    assert np.array_equal(few.each, again.each)
    assert few.inertias.std() > 0
    assert np.array_equal(many.inertias[:3], few.inertias)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": np.ones((20, 3))}, "train latents are all the same point"),
        ({"train": np.zeros(5)}, r"train latents have shape \(5,\), expected \(n, ...\)"),
        ({"train": np.full((20, 3), np.nan)}, "train latents hold 20 points that are not finite"),
        ({"test": np.full((2, 6), np.inf)}, "test latents hold 2 points that are not finite"),
        ({"test": np.zeros((4, 5))}, "test points have 5 numbers each, the train points 6"),
        ({"clusters": 1}, "clusters is 1, expected 2 or more"),
        ({"clusters": 301}, "clusters is 301, expected 2 or more, and no more than the 300"),
        ({"restarts": 0}, "restarts is 0, expected at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(change, message):
    given = {"train": blobs()[0], "seed": 0} | change
    with pytest.raises(ValueError, match=message) as caught:
        whitened_kmeans(given.pop("train"), given.pop("test", None), **given)
    assert "\n" not in str(caught.value)
