from functools import partial

import numpy as np
import pytest
import torch
from scipy.linalg import logm, subspace_angles

from latentgeo.geometry import feature_map, kernel, mode_covariances, mode_unfoldings
from latentgeo.geometry._flat import svec

RNG = np.random.default_rng(0)
pseudo_log_features = partial(feature_map, form="unfolding")
pseudo_log_gram = partial(kernel, form="unfolding")


def unfoldings(n, rows, columns, rank=None, dtype=np.float64):
    left = RNG.normal(size=(n, rows, rank or min(rows, columns - 1)))
    right = RNG.normal(size=(n, left.shape[-1], columns))
    right -= right.mean(-1, keepdims=True)
    return (left @ right).astype(dtype)


def test_svec_is_an_isometry():
    a, b = torch.randn(2, 6, 6, dtype=torch.float64)
    a, b = a + a.mT, b + b.mT
    torch.testing.assert_close(svec(a) @ svec(b), (a * b).sum())


def test_logarithmic_part_is_the_matrix_logarithm_of_a_definite_covariance():
    x = unfoldings(2, 4, 30)
    projection_part, log_part = np.split(pseudo_log_features(x), 2, axis=-1)
    for i in range(2):
        expected = svec(torch.from_numpy(np.real(logm(np.cov(x[i])))))
        np.testing.assert_allclose(log_part[i], expected, atol=1e-10)
    np.testing.assert_allclose(projection_part[0], projection_part[1], atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_projection_part_gives_the_chordal_distance(dtype):
    x = unfoldings(2, 12, 6, rank=3, dtype=dtype)
    a, b = pseudo_log_features(x, log_weight=0.0)
    chordal = np.sqrt(
        (np.sin(subspace_angles(*(np.linalg.svd(y)[0][:, :3] for y in x))) ** 2).sum()
    )
    assert np.linalg.norm(a - b) == pytest.approx(
        chordal, rel=1e-5 if dtype == np.float32 else 1e-10
    )


def test_unfolding_factor_and_matrix_agree():
    x = unfoldings(3, 9, 5)
    centred = (x - x.mean(-1, keepdims=True)) / np.sqrt(4)
    matrices = centred @ centred.swapaxes(-1, -2)
    expected = pseudo_log_features(x)
    np.testing.assert_allclose(pseudo_log_features(centred, form="factor"), expected, atol=1e-9)
    np.testing.assert_allclose(pseudo_log_features(matrices, form="matrix"), expected, atol=1e-9)


def test_small_singular_values_keep_orthonormal_ranges_in_float32():
    left = np.linalg.qr(RNG.normal(size=(64, 8)))[0]
    right = np.linalg.qr(RNG.normal(size=(20, 9)))[0][:, :8]
    x = ((left * np.geomspace(1, 1e-4, 8)) @ right.T).astype(np.float32)
    features = pseudo_log_features(x, form="factor", log_weight=0.0)
    # The squared norm of P/sqrt(2) is half the rank exactly when P is a projector.
    assert np.square(features).sum() == pytest.approx(4.0, abs=1e-9)


@pytest.mark.parametrize("columns", [5, 40])
@pytest.mark.parametrize("budget", [2**30, 2**18])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gram_from_tiles_is_that_of_the_features(columns, budget, dtype):
    x, y = unfoldings(30, 19, columns, dtype=dtype), unfoldings(11, 19, columns, dtype=dtype)
    fx, fy = pseudo_log_features(x, log_weight=0.3), pseudo_log_features(y, log_weight=0.3)
    kxx = pseudo_log_gram(x, log_weight=0.3, budget=budget)
    kxy = pseudo_log_gram(x, y, log_weight=0.3, budget=budget)
    np.testing.assert_allclose(kxx, fx @ fx.T, rtol=1e-11, atol=1e-11 * kxx.max())
    np.testing.assert_allclose(kxy, fx @ fy.T, rtol=1e-11, atol=1e-11 * kxx.max())
    np.testing.assert_array_equal(kxx, kxx.T)


def test_gram_of_many_samples_is_assembled_from_blocks():
    x = unfoldings(700, 6, 9, dtype=np.float32)
    features = pseudo_log_features(x)
    np.testing.assert_allclose(pseudo_log_gram(x), features @ features.T, rtol=1e-11, atol=1e-10)


def test_gram_between_sets_with_different_numbers_of_columns():
    x, y = unfoldings(4, 9, 5), unfoldings(3, 9, 30)
    expected = pseudo_log_features(x) @ pseudo_log_features(y).T
    np.testing.assert_allclose(pseudo_log_gram(x, y), expected, atol=1e-11)


def test_modes_add_up_to_the_product():
    z = RNG.normal(size=(6, 10, 3, 4)).astype(np.float32)
    weights = (1.0, 0.5, 2.0)
    modes = mode_unfoldings(z)
    gram = pseudo_log_gram(modes, weights=weights)
    grams = [pseudo_log_gram(x, source_dtype="float32") for x in modes]
    expected = sum(weight * each for weight, each in zip(weights, grams, strict=True))
    np.testing.assert_allclose(gram, expected, atol=1e-10)
    features = pseudo_log_features(modes, weights=weights)
    np.testing.assert_allclose(gram, features @ features.T, rtol=1e-10)
    cross = pseudo_log_gram(modes, mode_unfoldings(z[:2]), weights=weights)
    np.testing.assert_allclose(cross, gram[:, :2], rtol=1e-10)


def test_latents_of_a_constant_channel_map_have_rank_one_less():
    z = RNG.normal(size=(2, 4, 3, 3))
    z[:, 1] = 7.0
    s = mode_covariances(z)[2]
    np.testing.assert_array_equal(s[:, 1], 0)
    squared_norm = np.square(np.split(pseudo_log_features(mode_unfoldings(z)[2]), 2, -1)[0]).sum(-1)
    np.testing.assert_allclose(squared_norm, 1.5)


def test_zero_matrices_have_zero_features():
    assert not pseudo_log_features(np.zeros((2, 4, 6), np.float32)).any()
    assert not pseudo_log_features(np.zeros((2, 4, 4)), form="matrix").any()


def test_the_same_kind_comes_back():
    x = torch.from_numpy(unfoldings(3, 4, 5, dtype=np.float32))
    assert isinstance(pseudo_log_gram(x), torch.Tensor)
    np.testing.assert_array_equal(pseudo_log_gram(x).numpy(), pseudo_log_gram(x.numpy()))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: pseudo_log_features(np.eye(3), form="cov"), "form is 'cov'; expected"),
        (lambda: pseudo_log_features(np.ones((3, 4)), form="matrix"), "expected square"),
        (lambda: pseudo_log_features(np.eye(3), log_weight=-1), "log_weight is -1"),
        (lambda: pseudo_log_gram(np.eye(3)), "got 2 dimensions"),
        (lambda: pseudo_log_gram(np.ones((2, 3, 4)), np.ones((2, 4, 4))), "of 3 and 4 rows"),
        (lambda: pseudo_log_gram((np.ones((2, 3, 4)),) * 3, weights=(1, 2)), "expected 3 numbers"),
        (lambda: pseudo_log_features((np.eye(3),) * 3, weights=(1, 2)), "expected 3 numbers"),
        (lambda: pseudo_log_features((np.eye(3), np.ones((2, 3, 3)))), "the same samples in each"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
