import numpy as np
import pytest
import torch

from latentgeo.geometry import mode_covariances, mode_unfoldings


@pytest.fixture
def latents():
    return np.random.default_rng(0).normal(size=(5, 4, 3, 2))


def test_unfoldings_put_their_mode_first(latents):
    rows, columns, channels = mode_unfoldings(latents)
    assert [x.shape for x in (rows, columns, channels)] == [(5, 3, 8), (5, 2, 12), (5, 4, 6)]
    for sample, z in enumerate(latents):
        for axis, unfolding in ((1, rows), (2, columns), (0, channels)):
            for index in range(z.shape[axis]):
                expected = np.sort(np.take(z, index, axis=axis).ravel())
                np.testing.assert_array_equal(np.sort(unfolding[sample, index]), expected)


def test_columns_of_unfoldings_are_fibres(latents):
    z = latents[0]
    for unfolding, axis in zip(mode_unfoldings(z), (1, 2, 0), strict=True):
        fibres = {tuple(f) for f in np.moveaxis(z, axis, -1).reshape(-1, z.shape[axis])}
        assert {tuple(column) for column in unfolding.T} == fibres


def test_covariances_are_numpys(latents):
    for unfolding, covariance in zip(
        mode_unfoldings(latents), mode_covariances(latents), strict=True
    ):
        for x, s in zip(unfolding, covariance, strict=True):
            np.testing.assert_allclose(s, np.cov(x), rtol=1e-13, atol=1e-14)


def test_the_same_kind_comes_back(latents):
    for x in mode_covariances(torch.tensor(latents, dtype=torch.float32)):
        assert isinstance(x, torch.Tensor)
        assert x.dtype == torch.float64
    for dtype in (np.float16, np.float32, np.float64):
        for x in mode_unfoldings(latents.astype(dtype)):
            assert isinstance(x, np.ndarray)
            assert x.dtype == dtype
    assert mode_unfoldings(np.ones((2, 2, 2), int))[0].dtype == np.float64


def test_leading_dimensions_are_a_batch(latents):
    for one, many in zip(
        mode_unfoldings(latents), mode_unfoldings(latents.reshape(1, 5, 1, 4, 3, 2)), strict=True
    ):
        np.testing.assert_array_equal(many[0, :, 0], one)


def test_a_vector_latent_has_a_zero_covariance_of_its_single_column():
    covariances = mode_covariances(np.ones((2, 6, 1, 1)))
    assert covariances[2].shape == (2, 6, 6)
    assert not covariances[2].any()


@pytest.mark.parametrize("function", [mode_unfoldings, mode_covariances])
@pytest.mark.parametrize(
    ("z", "words"),
    [
        (np.ones((3, 4)), r"shape \(3, 4\).*\(\.\.\., channels, rows, columns\)"),
        (np.ones((0, 4, 3, 3)), r"empty.*\(0, 4, 3, 3\)"),
        (np.full((1, 2, 2, 2), np.nan), r"8 NaN or infinite values, the first at \(0, 0, 0, 0\)"),
        (torch.tensor([[[1.0, float("inf")]]]), r"1 NaN or infinite"),
    ],
)
def test_bad_latents_are_named(function, z, words):
    with pytest.raises(ValueError, match=words):
        function(z)


def test_complex_latents_are_refused():
    with pytest.raises(TypeError, match="real numbers, got dtype complex128"):
        mode_unfoldings(np.ones((1, 2, 2, 2), dtype=complex))
