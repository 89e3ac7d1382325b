import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles

from latentgeo.geometry import (
    HilbertEmbedding,
    angle_permutation_test,
    angles_by_dimension,
    dimension_by_size,
    disjoint_angles,
    gram_dimension,
    held_out_variance,
    matched_angles,
    rkhs_principal_angles,
)

RNG = np.random.default_rng(0)


def blocks(a, b):
    return a @ a.T, a @ b.T, b @ b.T


def test_a_curve_rises_to_the_dimension_and_stays_there():
    points = RNG.normal(size=(120, 6))
    curve = dimension_by_size(points @ points.T, [3, 5, 20, 60, 120], [0.8], resamples=20)
    assert (np.diff(curve.mean[:, 0]) >= 0).all()
    assert curve.mean[0, 0] <= 2
    assert curve.mean[-1, 0] == gram_dimension(points @ points.T, [0.8])[0]
    assert (curve.low <= curve.mean).all()
    assert (curve.mean <= curve.high).all()
    assert curve.low[-1] == curve.high[-1]


def test_a_curve_of_noise_saturates_near_the_sample_size():
    points = RNG.normal(size=(40, 4000))
    curve = dimension_by_size(points @ points.T, [10, 20, 40], [0.99], resamples=5)
    assert (curve.mean[:, 0] >= np.array([10, 20, 40]) - 2).all()


def test_curves_and_nulls_are_seeded():
    gram = blocks(RNG.normal(size=(30, 5)), RNG.normal(size=(30, 5)))[0]
    for function in (
        lambda seed: dimension_by_size(gram, [10], seed=seed).mean,
        lambda seed: disjoint_angles(torch.from_numpy(gram), splits=5, dims=2, seed=seed),
    ):
        np.testing.assert_array_equal(function(1), function(1))
        assert not np.array_equal(function(1), function(2))


def test_the_null_is_the_angle_between_disjoint_halves():
    points = RNG.normal(size=(20, 5))
    order = np.random.default_rng(4).permutation(20)
    a, b = points[order[:10]], points[order[10:]]
    expected = rkhs_principal_angles(*blocks(a, b), dims=2)
    found = disjoint_angles(points @ points.T, splits=1, dims=2, seed=4)
    np.testing.assert_allclose(found[0], expected, atol=1e-10)


def test_null_angles_shrink_with_the_sample():
    axes = np.geomspace(1, 0.05, 12)
    small, large = (RNG.normal(size=(n, 12)) * axes for n in (30, 600))
    means = [disjoint_angles(x @ x.T, splits=10, dims=3).mean() for x in (small, large)]
    assert means[1] < means[0] / 2


def test_sets_of_one_kind_are_not_told_apart_and_others_are():
    axes = np.array([3, 2, 1, 0.3, 0.3, 0.3])
    clean = RNG.normal(size=(40, 6)) * axes
    same = RNG.normal(size=(40, 6)) * axes
    other = RNG.normal(size=(40, 6)) * axes[::-1]
    kept = angle_permutation_test(*blocks(clean, same), permutations=99, dims=3)
    rejected = angle_permutation_test(*blocks(clean, other), permutations=99, dims=3)
    assert kept.p_value > 0.05
    assert rejected.p_value == pytest.approx(0.01)
    assert rejected.observed > rejected.null.max()
    assert len(rejected.null) == 99


def test_p_values_of_exchangeable_sets_are_uniform():
    found = []
    for _ in range(60):
        a, b = RNG.normal(size=(2, 15, 4)) * np.array([2.0, 1.5, 0.5, 0.2])
        found.append(angle_permutation_test(*blocks(a, b), permutations=39, dims=2).p_value)
    assert 0.3 < np.mean(found) < 0.7
    assert np.mean(np.array(found) <= 0.1) < 0.3


def test_paired_sets_exchange_within_pairs():
    clean = RNG.normal(size=(20, 4))
    shift = clean @ np.diag([1.0, 1.0, 0.1, 3.0])
    found = angle_permutation_test(
        *blocks(clean, shift), permutations=49, paired=True, statistic="largest", dims=2
    )
    assert 0 < found.p_value <= 1


def leading(x, d):
    return np.linalg.svd(x - x.mean(0), full_matrices=False)[2][:d].T


def test_angles_by_dimension_are_those_of_the_leading_subspaces():
    a = RNG.normal(size=(60, 8)) * np.geomspace(1, 0.05, 8)
    b = a + 0.05 * RNG.normal(size=a.shape)
    found = angles_by_dimension(*blocks(a, b), dims=(1, 3, 8, 9))
    for d, angle in zip((1, 3), found, strict=False):
        assert angle == pytest.approx(subspace_angles(leading(a, d), leading(b, d)).mean())
    assert found[2] == pytest.approx(0, abs=1e-6)
    assert np.isnan(found[3])


def test_several_sets_are_compared_with_one_as_each_alone():
    a = RNG.normal(size=(30, 6))
    others = [a + level * RNG.normal(size=a.shape) for level in (0.1, 0.5, 2.0)]
    k_cc, k_cn, k_nn = (
        np.stack(each) for each in zip(*(blocks(a, b) for b in others), strict=True)
    )
    found = angles_by_dimension(k_cc[0], k_cn, k_nn, dims=(1, 4))
    expected = [angles_by_dimension(*blocks(a, b), dims=(1, 4)) for b in others]
    np.testing.assert_allclose(found, expected)
    assert angles_by_dimension(k_cc[0], k_cn[:0], k_nn[:0], dims=(1, 4)).shape == (0, 2)
    with pytest.raises(ValueError, match="expected as many sets in each"):
        angles_by_dimension(k_cc[0], k_cn, k_nn[:2])


def test_held_out_variance_is_that_of_the_other_half():
    x = RNG.normal(size=(40, 6)) * np.geomspace(1, 0.1, 6)
    order = np.random.default_rng(5).permutation(40)
    a, b = x[order[:20]], x[order[20:]]
    b = b - b.mean(0)
    found = held_out_variance(x @ x.T, dims=(1, 3, 6, 7), splits=1, seed=5)[0]
    for d, held in zip((1, 3, 6), found, strict=False):
        assert held == pytest.approx(np.square(b @ leading(a, d)).sum() / np.square(b).sum())
    assert found[2] == pytest.approx(1)
    assert np.isnan(found[3])


@pytest.mark.parametrize("offset", [0.0, 1.0, 30.0, 1e3])
def test_points_about_their_mean_span_one_dimension_fewer_than_they_are(offset):
    for seed in range(5):
        x = np.random.default_rng(seed).normal(size=(20, 60)) + offset
        gram = x @ x.T
        held = held_out_variance(gram, dims=(9, 10), splits=3)
        assert np.isfinite(held[:, 0]).all()
        assert np.isnan(held[:, 1]).all()
        angles = angles_by_dimension(gram, gram, gram, dims=(19, 20))
        assert np.isfinite(angles).tolist() == [True, False]
        assert len(rkhs_principal_angles(gram, gram, gram, dims=20)) == 19
        assert HilbertEmbedding(input="gram").fit(gram).n_components_ == 19


def test_what_a_subspace_of_noise_holds_is_not_held_out():
    x = RNG.normal(size=(60, 3000))
    held = held_out_variance(x @ x.T, dims=(20,), splits=3)
    assert held.max() < 0.02


def test_a_share_has_its_own_subspace():
    x = RNG.normal(size=(24, 9)) * np.geomspace(1, 0.01, 9)
    found = held_out_variance(x @ x.T, dims=(1, 2), share=0.95, splits=1, seed=5)[0]
    order = np.random.default_rng(5).permutation(24)
    first = x[order[:12]] - x[order[:12]].mean(0)
    energies = np.linalg.svd(first, compute_uv=False) ** 2
    kept = int((energies.cumsum() / energies.sum() < 0.95).sum()) + 1
    assert found[2] == held_out_variance(x @ x.T, dims=(1, kept), splits=1, seed=5)[0, 1]


def test_matched_angles_of_several_noisy_sets_are_those_of_each():
    a, b, c = RNG.normal(size=(3, 20, 6))
    sets = [blocks(a, other) for other in (b, c)]
    crosses, grams = (np.stack([one[i] for one in sets]) for i in (1, 2))
    found = matched_angles(a @ a.T, crosses, grams, dims=(1, 3), splits=4)
    for place, one in enumerate(sets):
        alone = matched_angles(*one, dims=(1, 3), splits=4)
        np.testing.assert_allclose(found.noisy[place], alone.noisy)
        np.testing.assert_allclose(found.same[place], alone.same)
        np.testing.assert_allclose(found.excess[place], alone.excess)
    half = np.random.default_rng(0).permutation(20)[:10]
    expected = angles_by_dimension(*blocks(a[half], b[half]), dims=(1, 3))
    np.testing.assert_allclose(found.same[0, 0], expected)


def test_matched_angles_have_the_same_halves_and_see_what_noise_turns():
    a = RNG.normal(size=(80, 6)) * np.geomspace(1, 0.1, 6)
    same = matched_angles(*blocks(a, a), dims=(1, 2), splits=5)
    np.testing.assert_allclose(same.noisy, same.clean, atol=1e-9)
    order = np.random.default_rng(0).permutation(80)
    expected = subspace_angles(leading(a[order[:40]], 2), leading(a[order[40:]], 2)).mean()
    assert same.clean[0, 1] == pytest.approx(expected)
    turned = a[:, [5, 1, 2, 3, 4, 0]]
    found = matched_angles(*blocks(a, turned), dims=(1, 2), splits=5)
    np.testing.assert_allclose(found.clean, same.clean)
    assert found.excess[0] > 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dimension_by_size(np.eye(5), [6]), "a size is 6; expected 2 to the 5"),
        (lambda: dimension_by_size(np.eye(5), [3], resamples=0), "resamples is 0"),
        (lambda: disjoint_angles(np.eye(3)), "3 samples; expected at least 4"),
        (lambda: disjoint_angles(np.eye(5), splits=0), "splits is 0"),
        (lambda: held_out_variance(np.eye(3)), "samples is 3"),
        (lambda: held_out_variance(np.eye(8), dims=(0, 1)), r"dims are \(0, 1\)"),
        (lambda: matched_angles(np.eye(8), np.ones((8, 4)), np.eye(4)), "same images in each"),
        (lambda: angles_by_dimension(np.eye(8), np.ones((4, 8)), np.eye(4)), "k_cn has shape"),
        (
            lambda: angle_permutation_test(np.eye(3), np.ones((3, 4)), np.eye(4), paired=True),
            "3 and 4 samples; expected the same images",
        ),
        (
            lambda: angle_permutation_test(*[np.eye(3)] * 3, statistic="median"),
            "statistic is 'median'",
        ),
        (lambda: angle_permutation_test(*[np.eye(3)] * 3, permutations=0), "permutations is 0"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
