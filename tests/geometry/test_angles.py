import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles

from latentgeo.geometry import (
    angle_statistics,
    gram_dimension,
    principal_angles,
    rkhs_principal_angles,
)

RNG = np.random.default_rng(0)


def planes_at(angles, n, seed=0):
    """Two subspaces of R^n at given principal angles."""
    angles = np.asarray(angles)
    k = len(angles)
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]
    a = rotation[:, :k]
    b = a * np.cos(angles) + rotation[:, k : 2 * k] * np.sin(angles)
    mix = np.random.default_rng(seed + 1).normal(size=(2, k, k)) + 3 * np.eye(k)
    return a @ mix[0], b @ mix[1]


@pytest.mark.parametrize(
    ("n", "p", "q"), [(20, 5, 5), (20, 3, 8), (20, 8, 3), (6, 5, 4), (128, 49, 49)]
)
def test_agrees_with_scipy(n, p, q):
    a, b = RNG.normal(size=(4, n, p)), RNG.normal(size=(4, n, q))
    shared = max(0, p + q - n)  # directions in both, of which scipy is 1e-8 off
    for x, y, angles in zip(a, b, principal_angles(a, b), strict=True):
        np.testing.assert_allclose(angles[:shared], 0, atol=1e-12)
        expected = np.sort(subspace_angles(x, y))[shared:]
        np.testing.assert_allclose(angles[shared:], expected, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_known_angles_small_and_large_are_right(scale):
    known = [0.0, 1e-14, 1e-11, 1e-9, 1e-7, 1e-4, 5e-3, 0.3, 0.8, 1.2, np.pi / 2]
    a, b = planes_at(known, 40)
    np.testing.assert_allclose(principal_angles(scale * a, b), known, atol=1e-12, rtol=0)


def test_subspaces_without_small_angles_take_the_fast_way_to_the_same_precision():
    known = [0.02, 0.5, 1.0]
    np.testing.assert_allclose(principal_angles(*planes_at(known, 12)), known, atol=1e-12, rtol=0)


@pytest.mark.parametrize("condition", [1.0, 10.0, 100.0, 1000.0])
@pytest.mark.parametrize("smallest", [1e-5, 2e-3, 0.03, 0.3])
@pytest.mark.parametrize("count", [2, 12, 49])
def test_angles_are_right_whatever_the_columns(condition, smallest, count):
    rng = np.random.default_rng(count)
    known = np.sort(np.r_[smallest, rng.uniform(smallest, np.pi / 2, size=(count - 1))])
    axes = np.linalg.qr(rng.normal(size=(128, 128)))[0]
    a = axes[:, :count]
    b = a * np.cos(known) + axes[:, count : 2 * count] * np.sin(known)
    turns = np.linalg.qr(rng.normal(size=(4, count, count)))[0]
    stretch = np.geomspace(1, 1 / condition, count)
    found = principal_angles(a @ turns[0] * stretch @ turns[1], b @ turns[2] * stretch @ turns[3])
    np.testing.assert_allclose(found, known, atol=1e-12, rtol=0)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_no_size_is_too_large_or_too_small(size):
    known = [0.02, 0.5, 1.0]
    a, b = planes_at(known, 12)
    np.testing.assert_allclose(principal_angles(size * a, b), known, atol=1e-12, rtol=0)


def test_each_pair_of_a_batch_goes_its_own_way():
    a, b = planes_at([0.1, 0.7], 8)
    empty, double = np.zeros_like(a), np.stack([a[:, 0], a[:, 0]], axis=1)
    near = planes_at([1e-9, 0.7], 8)
    batch = principal_angles(np.stack([a, empty, double, near[0]]), np.stack([b, b, b, near[1]]))
    for i, alone in enumerate([(a, b), (empty, b), (double, b), near]):
        np.testing.assert_allclose(batch[i], principal_angles(*alone), atol=1e-14)


def test_dependent_columns_do_not_count():
    a, b = planes_at([1e-6, 0.4, 1.1], 15)
    doubled = np.concatenate([a, a[:, :2]], axis=1)
    wide = np.concatenate([b, b @ RNG.normal(size=(3, 20))], axis=1)
    for x, y in ((doubled, b), (b, doubled), (doubled, wide)):
        angles = principal_angles(x, y)
        np.testing.assert_allclose(angles[:3], [1e-6, 0.4, 1.1], atol=1e-11)
        assert np.isnan(angles[3:]).all()


def test_a_zero_subspace_has_no_angles():
    assert np.isnan(principal_angles(np.zeros((4, 2)), np.eye(4)[:, :2])).all()


def test_broadcasts_over_leading_dimensions():
    a, b = RNG.normal(size=(3, 1, 10, 2)), RNG.normal(size=(4, 10, 3))
    angles = principal_angles(a, b)
    assert angles.shape == (3, 4, 2)
    np.testing.assert_allclose(angles[2, 1], principal_angles(a[2, 0], b[1]), atol=1e-14)
    assert isinstance(principal_angles(torch.from_numpy(a), torch.from_numpy(b)), torch.Tensor)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("dims", [None, 4, (3, 6)])
def test_rkhs_angles_of_a_linear_kernel_are_those_of_the_leading_axes(centred, dims):
    clean = RNG.normal(size=(40, 9)) * np.geomspace(1, 0.2, 9) + 0.5
    noisy = clean + 0.3 * RNG.normal(size=clean.shape)
    leading = []
    counts = dims if isinstance(dims, tuple) else (dims, dims)
    for points, count in zip((clean, noisy), counts, strict=True):
        count = count or gram_dimension(points @ points.T, [0.9], centred)[0]
        right = np.linalg.svd(points - centred * points.mean(0))[2]
        leading.append(right[:count].T)
    angles = rkhs_principal_angles(
        clean @ clean.T, clean @ noisy.T, noisy @ noisy.T, share=0.9, dims=dims, centred=centred
    )
    np.testing.assert_allclose(angles, np.sort(subspace_angles(*leading)), atol=1e-10)


@pytest.mark.parametrize("decades", [1, 4])
def test_identical_sets_have_no_angle(decades):
    points = RNG.normal(size=(60, 30)) * np.logspace(0, -decades, 30)
    gram = points @ points.T
    assert rkhs_principal_angles(gram, gram, gram, share=0.999).max() < 1e-7


@pytest.mark.parametrize("size", [1e-6, 1e-5, 1e-4])
def test_small_rkhs_angles_are_resolved(size):
    clean = RNG.normal(size=(60, 8)) * np.geomspace(1, 0.3, 8)
    noisy = clean + size * RNG.normal(size=clean.shape)
    leading = [np.linalg.svd(x - x.mean(0))[2][:3].T for x in (clean, noisy)]
    angles = rkhs_principal_angles(clean @ clean.T, clean @ noisy.T, noisy @ noisy.T, dims=3)
    np.testing.assert_allclose(angles, np.sort(subspace_angles(*leading)), rtol=1e-2, atol=3e-8)


def test_rkhs_angles_are_batched_and_padded_where_dimensions_differ():
    points = RNG.normal(size=(2, 2, 30, 6))
    points[1] *= np.geomspace(1, 1e-2, 6)
    clean, noisy = points[:, 0], points[:, 1]
    blocks = [a @ b.swapaxes(-1, -2) for a, b in ((clean, clean), (clean, noisy), (noisy, noisy))]
    batch = rkhs_principal_angles(*blocks)
    assert np.isnan(batch[1]).any()
    assert not np.isnan(batch[0]).any()
    for i in range(2):
        alone = rkhs_principal_angles(*(k[i] for k in blocks))
        np.testing.assert_allclose(batch[i, : len(alone)], alone, atol=1e-12)


def test_every_set_size_is_its_own():
    a, b = RNG.normal(size=(12, 4)), RNG.normal(size=(7, 4))
    angles = rkhs_principal_angles(a @ a.T, a @ b.T, b @ b.T, dims=(2, 3))
    assert angles.shape == (2,)
    swapped = rkhs_principal_angles(b @ b.T, b @ a.T, a @ a.T, dims=(3, 2))
    np.testing.assert_allclose(angles, swapped, atol=1e-10)


def test_coinciding_points_have_no_angles():
    gram = np.zeros((5, 5))
    assert rkhs_principal_angles(gram, gram, gram).shape == (0,)


def test_statistics_leave_absent_angles_out():
    angles = np.array([[0.1, 0.4, np.nan], [np.nan, np.nan, np.nan]])
    found = angle_statistics(angles)
    assert [part[0] for part in found] == pytest.approx(
        [0.1, 0.4, 0.25, np.hypot(np.sin(0.1), np.sin(0.4))]
    )
    assert np.isnan(found.mean[1])
    assert np.isnan(found.largest[1])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: principal_angles(np.ones((4, 2)), np.ones((5, 2))),
            "spaces of 4 and 5 dimensions",
        ),
        (lambda: principal_angles(np.ones(4), np.ones((4, 2))), r"a has shape \(4,\)"),
        (lambda: principal_angles(np.eye(4), np.full((4, 1), np.nan)), "b of shape .* 4 NaN"),
        (
            lambda: rkhs_principal_angles(np.eye(3), np.eye(4), np.eye(4)),
            r"k_cn has .* \(\.\.\., 3, 4\)",
        ),
        (lambda: rkhs_principal_angles(*[np.eye(3)] * 3, share=0), "share is 0"),
        (lambda: rkhs_principal_angles(*[np.eye(3)] * 3, dims=0), "dims is 0"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("n", [2, 4, 9])
def test_directions_below_the_rounding_of_both_sets_have_no_angle(n):
    # The second direction is above the rounding of its own set, and below that of both together.
    gram = np.diag([1.0, 3.0 * n * np.finfo(np.float64).eps, *[0.0] * (n - 2)])
    found = rkhs_principal_angles(gram, gram, gram, dims=2, centred=False)
    assert found.shape == (2,)
    assert found[0] == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(found[1])
