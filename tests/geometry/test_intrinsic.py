import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from latentgeo.geometry import local_pca_dimension, point_distances, two_nn_dimension

RNG = np.random.default_rng(0)


def cube(dimension, samples=1500, ambient=12):
    """Uniform points of a cube, turned into a larger space."""
    turn = np.linalg.qr(RNG.normal(size=(ambient, ambient)))[0][:, :dimension]
    return RNG.uniform(size=(samples, dimension)) @ turn.T


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_two_nn_reads_the_dimension_of_a_cube(dimension):
    found = two_nn_dimension(cube(dimension))
    assert found.dimension == pytest.approx(dimension, rel=0.12)
    assert found.low < found.dimension < found.high
    assert found.points == 1500


def test_the_interval_covers_the_dimension_as_often_as_it_says():
    covered = 0
    for _ in range(100):
        angles = RNG.uniform(0, 2 * np.pi, size=200)
        found = two_nn_dimension(np.stack([np.cos(angles), np.sin(angles)], 1), level=0.9)
        covered += found.low <= 1 <= found.high
    assert 75 <= covered <= 100


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize("apart", [0.0, 3e-7])
def test_copies_are_counted_and_leave_both_estimates_alone(share, apart):
    x = cube(5, 600).astype(np.float32)
    again = x[: int(600 * share)] * np.float32(1 + apart)
    both = np.concatenate([x, again])
    order = RNG.permutation(len(both))
    found, expected = two_nn_dimension(both[order]), two_nn_dimension(x)
    assert found.copies == len(again)
    assert found.points == expected.points == 600
    np.testing.assert_allclose(found[:3], expected[:3], rtol=1e-5)
    local, alone = local_pca_dimension(both), local_pca_dimension(x)
    assert local.copies == len(again)
    np.testing.assert_array_equal(local.each[:600], alone.each)
    np.testing.assert_array_equal(local.each[600:], alone.each[: len(again)])
    assert local[:3] == pytest.approx(alone[:3])
    distances = point_distances(both)
    told = two_nn_dimension(distances, metric="precomputed", source_dtype="float32")
    assert told.copies == len(again)


def test_neighbourhoods_of_few_distinct_points_hold_all_of_them():
    same = local_pca_dimension(np.ones((30, 4)))
    assert (same.mean, same.copies) == (0, 29)
    np.testing.assert_array_equal(same.each, np.zeros(30))
    three = local_pca_dimension(np.repeat(np.eye(3), 10, axis=0), share=0.99)
    assert three.mean == 2


def test_many_copies_of_few_points_are_refused():
    with pytest.raises(ValueError, match="4 points have a nearest neighbour"):
        two_nn_dimension(np.repeat(RNG.normal(size=(4, 3)), 20, axis=0))


def torus_distances(samples, dimension):
    """Uniform points of a flat torus: no edges, no curvature, no change of density."""
    x = RNG.uniform(size=(samples, dimension))
    gap = np.abs(x[:, None] - x)
    return np.sqrt((np.minimum(gap, 1 - gap) ** 2).sum(-1))


@pytest.mark.parametrize("dimension", [2, 5, 10])
def test_the_interval_is_as_wide_as_the_estimate_spreads(dimension):
    found = [
        two_nn_dimension(torus_distances(300, dimension), metric="precomputed") for _ in range(150)
    ]
    covered = np.mean([each.low <= dimension <= each.high for each in found])
    assert 0.89 <= covered <= 0.99
    # The likelihood alone claims 1/sqrt(270), which is too little by a fifth.
    spread = np.std(np.log([each.dimension for each in found]))
    claimed = np.mean([np.log(each.high / each.low) / (2 * 1.96) for each in found])
    assert claimed == pytest.approx(spread, rel=0.2)
    assert claimed > 1.1 / np.sqrt(270)


@pytest.mark.parametrize(("dimension", "is_local"), [(1, True), (2, True), (5, False), (20, False)])
def test_neighbours_that_are_far_make_a_lower_bound(dimension, is_local):
    found = two_nn_dimension(cube(dimension, 600, ambient=20))
    assert found.is_local == is_local
    if not is_local:
        assert found.dimension < dimension


def test_curvature_does_not_count():
    t = RNG.uniform(0, 4 * np.pi, size=1500)
    curve = np.stack([np.cos(t), np.sin(t), t], 1)
    assert two_nn_dimension(curve).dimension == pytest.approx(1, rel=0.1)
    assert local_pca_dimension(curve, neighbours=10).mean == pytest.approx(1, abs=0.1)


def test_without_censoring_it_is_the_textbook_estimate():
    x = cube(3, 200)
    nearest = np.sort(cdist(x, x), 1)[:, 1:3]
    expected = 200 / np.log(nearest[:, 1] / nearest[:, 0]).sum()
    assert two_nn_dimension(x, discard=0.0).dimension == pytest.approx(expected)


@pytest.mark.parametrize("dimension", [1, 3])
def test_local_pca_reads_the_dimension_of_a_cube(dimension):
    found = local_pca_dimension(cube(dimension, 400), neighbours=15, share=0.99)
    assert found.mean == pytest.approx(dimension, abs=0.35)
    assert found.each.shape == (400,)
    assert found.low <= found.mean <= found.high


def test_local_pca_is_that_of_each_neighbourhood():
    x = RNG.normal(size=(30, 6)) * np.geomspace(1, 0.1, 6)
    found = local_pca_dimension(x, neighbours=8, share=0.9).each
    order = np.argsort(cdist(x, x), 1)[:, :9]
    for i in range(30):
        near = x[order[i]] - x[order[i]].mean(0)
        energy = np.linalg.svd(near, compute_uv=False) ** 2
        assert found[i] == 1 + (energy.cumsum() / energy.sum() < 0.9).sum()


@pytest.mark.parametrize("estimate", [two_nn_dimension, local_pca_dimension])
def test_points_distances_latents_and_tensors_agree(estimate):
    z = RNG.normal(size=(40, 3, 2, 2))
    distances = cdist(z.reshape(40, -1), z.reshape(40, -1))
    expected = estimate(z)
    np.testing.assert_allclose(estimate(distances, metric="precomputed")[:3], expected[:3])
    np.testing.assert_allclose(estimate(torch.from_numpy(z))[:3], expected[:3])


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_the_scale_does_not_matter(scale):
    x = cube(2, 300)
    expected = two_nn_dimension(x).dimension
    assert two_nn_dimension(scale * x + 3 * scale).dimension == pytest.approx(expected, rel=1e-4)


def changed(distances, entry, value):
    found = distances.copy()
    found[entry] = value
    return found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: 1 - d / d.max(), "has 1 on its diagonal; expected 0"),
        (lambda d: d + np.eye(len(d)), "has 1 on its diagonal"),
        (lambda d: -d, "expected distances, none below 0"),
        (lambda d: changed(d, (0, 1), 2 * d.max()), "is not symmetric"),
        (lambda d: changed(d, (0, 0), np.inf), "NaN or infinite"),
    ],
)
@pytest.mark.parametrize("dimension", [two_nn_dimension, local_pca_dimension])
def test_what_are_no_distances_is_refused(dimension, change, words):
    distances = point_distances(cube(2, 60))
    dimension(distances + 1e-9 * distances.max() * np.eye(60), metric="precomputed")  # rounding
    with pytest.raises(ValueError, match=words):
        dimension(change(distances), metric="precomputed")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: two_nn_dimension(np.zeros((20, 3))), "0 points have a nearest neighbour"),
        (lambda: two_nn_dimension(cube(2, 20), discard=1.0), "discard is 1.0"),
        (lambda: two_nn_dimension(cube(2, 20), level=0.0), "share is 0.0"),
        (lambda: two_nn_dimension(cube(2, 20), metric="cosine"), "metric is 'cosine'"),
        (lambda: two_nn_dimension(np.arange(20.0)[:, None]), "the points form a lattice"),
        (lambda: two_nn_dimension(np.ones((3, 4)), metric="precomputed"), "expected square"),
        (lambda: two_nn_dimension(np.ones((20000, 1))), "20000 points needs .* take fewer points"),
        (lambda: two_nn_dimension(np.ones(4)), r"shape \(4,\)"),
        (
            lambda: local_pca_dimension(cube(2, 20), neighbours=20),
            "neighbours is 20; .* 2 to 19",
        ),
        (lambda: local_pca_dimension(np.full((9, 2), np.nan)), "18 NaN"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_distances_can_be_shared_by_both_estimates():
    x = cube(3, 120)
    shared = point_distances(x)
    np.testing.assert_allclose(shared, cdist(x, x), atol=1e-12)
    assert two_nn_dimension(shared, metric="precomputed") == two_nn_dimension(x)
    assert local_pca_dimension(shared, metric="precomputed")[:3] == local_pca_dimension(x)[:3]


def test_points_that_are_equal_are_at_no_distance():
    x = RNG.normal(size=(20, 500)) + 1e3
    assert point_distances(np.concatenate([x, x]))[np.arange(20), np.arange(20, 40)].max() == 0
    with pytest.raises(ValueError, match=r"expected points, \(samples, ...\)"):
        point_distances(np.zeros(3))
