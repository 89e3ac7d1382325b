import numpy as np
import pytest
import torch
import xarray as xr
from sklearn.decomposition import PCA, KernelPCA
from sklearn.utils.estimator_checks import parametrize_with_checks

from latentgeo.geometry import HilbertEmbedding, centre_gram, gram_dimension, gram_spectrum

RNG = np.random.default_rng(0)


def energies_of(points, centred):
    if centred:
        points = points - points.mean(0)
    return np.linalg.svd(points, compute_uv=False) ** 2


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("shape", [(40, 6), (6, 40), (10, 10)])
def test_dimension_counts_the_energies_of_the_points(shape, centred):
    points = RNG.normal(size=shape) * np.geomspace(1, 1e-3, shape[1]) + 0.5
    energies = energies_of(points, centred)
    shares = (0.5, 0.9, 0.95, 0.99)
    expected = [1 + int((energies.cumsum() / energies.sum() < q).sum()) for q in shares]
    assert gram_dimension(points @ points.T, shares, centred).tolist() == expected


def test_dimension_of_a_batch_is_that_of_each():
    points = RNG.normal(size=(3, 2, 12, 5)) * np.geomspace(1, 0.1, 5)
    grams = points @ points.swapaxes(-1, -2)
    batch = gram_dimension(grams, (0.9, 0.99))
    assert batch.shape == (3, 2, 2)
    assert batch[2, 1].tolist() == gram_dimension(grams[2, 1], (0.9, 0.99)).tolist()
    assert isinstance(gram_dimension(torch.from_numpy(grams)), torch.Tensor)


def test_all_the_energy_is_reached_in_spite_of_rounding():
    points = RNG.normal(size=(50, 4))
    assert gram_dimension(points @ points.T, [1.0]).tolist() == [4]


def test_coinciding_points_have_dimension_zero():
    assert gram_dimension(np.zeros((5, 5)), [0.9]).tolist() == [0]


def test_spectrum_and_centring():
    points = RNG.normal(size=(9, 4)) + 3
    centred = points - points.mean(0)
    np.testing.assert_allclose(centre_gram(points @ points.T), centred @ centred.T, atol=1e-12)
    np.testing.assert_allclose(
        gram_spectrum(points @ points.T)[:4], energies_of(points, True), rtol=1e-10
    )


@pytest.mark.parametrize("shape", [(40, 6), (7, 30)])
def test_embedding_agrees_with_principal_component_analysis(shape):
    points, new = RNG.normal(size=shape), RNG.normal(size=(5, shape[1]))
    embedding = HilbertEmbedding(n_components=4).fit(points)
    reference = PCA(n_components=4, svd_solver="full").fit(points)
    np.testing.assert_allclose(
        np.abs(embedding.transform(new)), np.abs(reference.transform(new)), atol=1e-10
    )
    np.testing.assert_allclose(
        embedding.explained_energy_[:4], reference.explained_variance_ratio_.cumsum(), rtol=1e-10
    )


@pytest.mark.parametrize("gamma", [0.05, 1.0])
def test_embedding_of_a_gram_matrix_agrees_with_kernel_pca(gamma):
    def rbf(a, b):
        return np.exp(-gamma * np.square(a[:, None] - b[None]).sum(-1))

    points, new = RNG.normal(size=(25, 3)), RNG.normal(size=(6, 3))
    reference = KernelPCA(n_components=5, kernel="precomputed").fit(rbf(points, points))
    embedding = HilbertEmbedding(5, input="gram").fit(rbf(points, points))
    np.testing.assert_allclose(
        np.abs(embedding.transform(rbf(new, points))),
        np.abs(reference.transform(rbf(new, points))),
        atol=1e-9,
    )
    np.testing.assert_allclose(embedding.energies_[:5], reference.eigenvalues_, rtol=1e-9)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("shape", [(40, 6), (7, 30)])
def test_features_and_gram_give_the_same_answer(shape, centred):
    points, new = RNG.normal(size=shape) + 1, RNG.normal(size=(5, shape[1]))
    by_features = HilbertEmbedding(centred=centred).fit(points)
    by_gram = HilbertEmbedding(centred=centred, input="gram").fit(points @ points.T)
    assert by_features.n_components_ == by_gram.n_components_
    np.testing.assert_allclose(
        np.abs(by_features.transform(new)), np.abs(by_gram.transform(new @ points.T)), atol=1e-9
    )
    for share in (0.5, 0.9, 0.99):
        assert by_features.dimension_(share) == by_gram.dimension_(share)


def test_embedding_preserves_distances():
    points = RNG.normal(size=(12, 30))
    flat = HilbertEmbedding().fit_transform(points)
    for a in (points, flat):
        np.testing.assert_allclose(
            np.linalg.norm(a[:, None] - a[None], axis=-1),
            np.linalg.norm(points[:, None] - points[None], axis=-1),
            atol=1e-10,
        )


def test_a_share_keeps_as_many_axes_as_hold_it():
    points = RNG.normal(size=(100, 10)) * np.geomspace(1, 0.05, 10)
    embedding = HilbertEmbedding(n_components=0.9).fit(points)
    assert embedding.n_components_ == embedding.dimension_(0.9) < 10


def test_tensors_are_taken():
    points = RNG.normal(size=(20, 3))
    a = HilbertEmbedding().fit(torch.from_numpy(points)).transform(torch.from_numpy(points))
    np.testing.assert_array_equal(a, HilbertEmbedding().fit(points).transform(points))


def test_xarray_is_taken():
    points = RNG.normal(size=(20, 3))
    wrapped = xr.DataArray(points, dims=["sample", "feature"])
    found = HilbertEmbedding().fit(wrapped).transform(wrapped)
    np.testing.assert_array_equal(found, HilbertEmbedding().fit_transform(points))


@parametrize_with_checks([HilbertEmbedding(), HilbertEmbedding(2, centred=False)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gram_dimension(np.ones((3, 4))), r"\(3, 4\); expected square"),
        (
            lambda: gram_dimension(np.triu(np.ones((3, 3)))),
            "not symmetric: entries differ by up to 1",
        ),
        (lambda: gram_dimension(np.eye(3), [1.5]), r"share is 1.5; expected a share .* \(0, 1\]"),
        (lambda: gram_dimension(np.full((2, 2), np.nan)), "4 NaN or infinite"),
        (lambda: HilbertEmbedding(input="distances").fit(np.eye(3)), "input is 'distances'"),
        (lambda: HilbertEmbedding(9).fit(np.eye(3)), "n_components is 9; expected 1 to 3"),
        (lambda: HilbertEmbedding(input="gram").fit(np.ones((4, 3))), "expected square"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
