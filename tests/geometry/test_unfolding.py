import numpy as np
import pytest
import torch

from latentgeo.geometry import (
    mode_covariances,
    mode_names,
    mode_ranks,
    mode_singular_values,
    mode_unfoldings,
    mode_words,
    path_ranks,
    unfolded_shapes,
)

SHAPES = [(4, 3), (1, 5), (4, 3, 2), (4, 3, 2, 5), (2, 1, 3, 2, 2)]  # channels, then positions


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


def _unfolded(z, axis):
    return np.moveaxis(z, axis, 0).reshape(z.shape[axis], -1)


@pytest.mark.parametrize("shape", SHAPES)
def test_latents_of_any_order_have_a_mode_for_each_axis(shape):
    order = len(shape)
    z = np.random.default_rng(1).normal(size=(6, *shape))
    unfoldings = mode_unfoldings(z, order)
    assert [x.shape[1:] for x in unfoldings] == unfolded_shapes(shape)
    assert len(unfoldings) == len(mode_names(order)) == len(mode_words(order)) == order
    covariances = mode_covariances(z, order)
    spectra = mode_singular_values(z, order=order)
    for place, axis in enumerate([*range(1, order), 0]):  # the channels last
        for sample, one in enumerate(z):
            x = _unfolded(one, axis)
            np.testing.assert_array_equal(
                np.unique(unfoldings[place][sample], axis=1), np.unique(x, axis=1)
            )
            centred = x - x.mean(axis=1, keepdims=True)
            divisor = max(x.shape[1] - 1, 1)
            np.testing.assert_allclose(
                covariances[place][sample], centred @ centred.T / divisor, atol=1e-13
            )
            values = np.linalg.svd(centred, compute_uv=False)
            np.testing.assert_allclose(spectra[place][sample], values, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ranks", [(2, 3), (1, 1), (3, 2, 4), (2, 2, 2, 3)])
def test_multilinear_ranks_that_were_put_in_are_found(ranks, dtype):
    rng = np.random.default_rng(2)
    order = len(ranks)
    z = rng.normal(size=(3, *(ranks if order > 2 else (min(ranks),) * 2)))  # two have one rank
    for axis in range(1, order + 1):
        z = np.moveaxis(np.tensordot(rng.normal(size=(7, z.shape[axis])), z, (1, axis)), 0, axis)
    expected = (*ranks[1:], ranks[0]) if order > 2 else (min(ranks),) * 2
    found = mode_ranks(z.astype(dtype), centred=False, order=order)
    assert (found == expected).all()
    path = np.stack([z, z[::-1]]).astype(dtype)
    assert path_ranks(path, centred=False).ranks.shape == (2, 3, order)
    assert not path_ranks(path, centred=False).crossings.any()


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
