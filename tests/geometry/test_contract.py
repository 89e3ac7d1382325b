"""What every estimator and function of the package owes its users, on tensors."""

import inspect
import pickle

import numpy as np
import pytest
import torch
import xarray as xr
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

import latentgeo.geometry as geometry
from latentgeo.geometry import (
    HilbertEmbedding,
    Nystroem,
    _linalg,
    disjoint_angles,
    distance,
    feature_map,
    gram_dimension,
    kernel,
    local_pca_dimension,
    matrix_rank,
    mode_covariances,
    mode_unfoldings,
    pairwise_distance,
    principal_angles,
    singular_values,
    two_nn_dimension,
)

RNG = np.random.default_rng(0)
FACTORS = RNG.normal(size=(12, 5, 3))
MATRICES = FACTORS @ FACTORS.swapaxes(-1, -2)
LATENTS = RNG.normal(size=(12, 4, 3, 3))

ESTIMATORS = [
    (Nystroem(6, random_state=0), MATRICES),
    (Nystroem(6, form="factor", random_state=0), FACTORS),
    (Nystroem(6, form="unfolding", random_state=0), mode_unfoldings(LATENTS)),
    (Nystroem(6, kernel="gaussian", metric="pseudo-log", gamma=0.1, random_state=0), MATRICES),
    (make_pipeline(Nystroem(6, random_state=0), HilbertEmbedding(3)), MATRICES),
]


def each_mode(x, function):
    return tuple(function(mode) for mode in x) if isinstance(x, tuple) else function(x)


def as_xarray(x):
    return xr.DataArray(x, dims=[f"d{i}" for i in range(x.ndim)])


def squared(factor):
    return factor @ factor.T


def rows(x, index):
    return tuple(rows(mode, index) for mode in x) if isinstance(x, tuple) else x[index]


@pytest.mark.parametrize(("estimator", "x"), ESTIMATORS)
class TestEstimatorsOnTensors:
    def test_fit_gives_the_estimator_and_repeats_itself(self, estimator, x):
        model = clone(estimator)
        assert model.fit(x) is model
        first = model.transform(x)
        np.testing.assert_array_equal(model.fit(x).transform(x), first)
        np.testing.assert_allclose(clone(estimator).fit_transform(x), first, atol=1e-10)

    def test_samples_are_transformed_one_by_one(self, estimator, x):
        model = clone(estimator).fit(x)
        whole = model.transform(x)
        order = RNG.permutation(len(whole))
        np.testing.assert_allclose(model.transform(rows(x, order)), whole[order], atol=1e-9)
        np.testing.assert_allclose(model.transform(rows(x, slice(0, 1))), whole[:1], atol=1e-9)

    def test_parameters_are_stored_as_given_and_cloned(self, estimator, x):
        twin = clone(estimator)
        assert str(twin.get_params()) == str(estimator.get_params())
        model = clone(estimator).fit(x)
        assert str(model.get_params()) == str(estimator.get_params())

    def test_an_unfitted_estimator_says_so(self, estimator, x):
        with pytest.raises(NotFittedError):
            clone(estimator).transform(x)

    def test_input_is_left_alone(self, estimator, x):
        before = pickle.dumps(x)
        clone(estimator).fit(x).transform(x)
        assert pickle.dumps(x) == before

    def test_a_fitted_estimator_survives_pickling(self, estimator, x):
        model = clone(estimator).fit(x)
        np.testing.assert_array_equal(
            pickle.loads(pickle.dumps(model)).transform(x), model.transform(x)
        )

    def test_names_of_columns_are_told(self, estimator, x):
        model = clone(estimator).fit(x)
        assert len(model.get_feature_names_out()) == model.transform(x).shape[1]

    @pytest.mark.parametrize("kind", [torch.from_numpy, as_xarray, np.asfortranarray])
    def test_every_kind_of_array_gives_the_same(self, estimator, x, kind):
        given = each_mode(x, kind)
        expected = clone(estimator).fit(x).transform(x)
        found = clone(estimator).fit(given).transform(given)
        assert isinstance(found, np.ndarray)
        np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-9)

    def test_single_precision_is_taken(self, estimator, x):
        single = each_mode(x, lambda mode: mode.astype(np.float32))
        found = clone(estimator).fit(single).transform(single)
        assert np.isfinite(found).all()
        expected = clone(estimator).fit(x).transform(x)
        np.testing.assert_allclose(found @ found.T, expected @ expected.T, rtol=1e-3, atol=1e-3)

    def test_numbers_that_are_none_are_refused(self, estimator, x):
        broken = each_mode(x, np.copy)
        (broken[0] if isinstance(broken, tuple) else broken)[3, 0, 0] = np.nan
        with pytest.raises(ValueError, match="1 NaN or infinite values"):
            clone(estimator).fit(broken)
        with pytest.raises(ValueError, match="1 NaN or infinite values"):
            clone(estimator).fit(x).transform(broken)

    def test_matrices_of_another_size_are_refused(self, estimator, x):
        model = clone(estimator).fit(x)
        larger = each_mode(x, lambda mode: np.pad(mode, ((0, 0), (0, 1), (0, 1))))
        with pytest.raises(ValueError, match=r"hold matrices of \d and \d rows; expected"):
            model.transform(larger)

    def test_an_empty_set_is_refused(self, estimator, x):
        with pytest.raises(ValueError, match=r"empty: shape \(0, "):
            clone(estimator).fit(x).transform(each_mode(x, lambda mode: mode[:0]))


FUNCTIONS = {
    "mode_unfoldings": (lambda x: mode_unfoldings(x)[0], LATENTS),
    "mode_covariances": (lambda x: mode_covariances(x)[2], LATENTS),
    "mode_singular_values": (lambda x: geometry.mode_singular_values(x)[1], LATENTS),
    "mode_ranks": (lambda x: geometry.mode_ranks(x, source_dtype="float64"), LATENTS),
    "mode_features": (lambda x: feature_map(mode_unfoldings(x), form="unfolding"), LATENTS),
    "mode_kernel": (lambda x: kernel(mode_unfoldings(x), form="unfolding"), LATENTS),
    "singular_values": (singular_values, FACTORS),
    "matrix_rank": (matrix_rank, FACTORS),
    "rank_at_tolerance": (lambda x: geometry.rank_at_tolerance(x[0], [1e-9, 0.5]), FACTORS),
    "distance": (lambda x: distance(x, x[:1]), MATRICES),
    "pairwise_distance": (pairwise_distance, MATRICES),
    "product_distance": (lambda x: pairwise_distance((x, x), weights=(1, 2)), MATRICES),
    "kernel": (kernel, MATRICES),
    "product_kernel": (lambda x: kernel((x, x), combine="product"), MATRICES),
    "feature_map": (feature_map, MATRICES),
    "gram_diagnostics": (lambda x: geometry.gram_diagnostics(x).negative_energy, MATRICES),
    "centre_gram": (geometry.centre_gram, MATRICES),
    "gram_spectrum": (geometry.gram_spectrum, MATRICES),
    "gram_dimension": (gram_dimension, MATRICES),
    "principal_angles": (lambda x: principal_angles(x, x), FACTORS),
    "rkhs_principal_angles": (
        lambda x: geometry.rkhs_principal_angles(x[:2], x[:2], x[2:4], dims=2),
        MATRICES,
    ),
    "angle_statistics": (lambda x: geometry.angle_statistics(x).chordal, FACTORS),
    "geodesic": (lambda x: geometry.bures_wasserstein_geodesic(x[0], x[1], [0.5]), MATRICES),
    "frechet_mean": (lambda x: squared(geometry.frechet_mean(x).factor), MATRICES),
}


@pytest.mark.parametrize("name", FUNCTIONS)
class TestFunctionsOnEveryKind:
    @pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
    def test_torch_comes_back_as_torch_on_its_device(self, name, device):
        function, x = FUNCTIONS[name]
        found = function(torch.from_numpy(x).to(device))
        assert isinstance(found, torch.Tensor)
        assert found.device.type == device
        expected = function(torch.from_numpy(x))
        torch.testing.assert_close(found.cpu(), expected, rtol=1e-6, atol=1e-6)

    def test_xarray_is_taken_as_numpy(self, name):
        function, x = FUNCTIONS[name]
        found = function(as_xarray(x))
        assert isinstance(found, np.ndarray)
        np.testing.assert_allclose(found, function(x), atol=1e-12)

    def test_odd_memory_layouts_are_taken(self, name):
        function, x = FUNCTIONS[name]
        expected = function(np.ascontiguousarray(x[::2]))
        found = function(np.asfortranarray(x)[::2])
        np.testing.assert_allclose(found, expected, atol=1e-9)
        backward = x[::-2]
        backward.flags.writeable = False
        function(backward)

    def test_input_is_left_alone(self, name):
        function, x = FUNCTIONS[name]
        for given in (x.copy(), torch.from_numpy(x.copy()), x.astype(np.float32)):
            before = np.asarray(given).copy()
            function(given)
            np.testing.assert_array_equal(np.asarray(given), before)

    def test_nothing_depends_on_a_tensor_that_wants_gradients(self, name):
        function, x = FUNCTIONS[name]
        found = function(torch.from_numpy(x).requires_grad_())
        expected = function(torch.from_numpy(x))
        torch.testing.assert_close(found.detach(), expected, rtol=1e-7, atol=1e-7)


def test_gradients_flow_through_features_and_distances():
    x = torch.from_numpy(FACTORS[:3]).requires_grad_()
    loss = feature_map(x, form="factor").square().sum() + singular_values(x).sum()
    loss.backward()
    assert torch.isfinite(x.grad).all()
    assert x.grad.abs().sum() > 0


def test_points_may_be_xarray():
    points = xr.DataArray(LATENTS, dims=["sample", "channel", "row", "column"])
    assert two_nn_dimension(points) == two_nn_dimension(LATENTS)
    assert local_pca_dimension(points, neighbours=4).mean > 0
    assert disjoint_angles(kernel(MATRICES), splits=2, dims=2).shape == (2, 2)


def test_every_public_name_is_there_and_documented():
    for name in geometry.__all__:
        thing = getattr(geometry, name)
        if inspect.isfunction(thing) or inspect.isclass(thing):
            assert inspect.getdoc(thing), name


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="no attribute 'ricci'"):
        geometry.ricci  # noqa: B018


class TestRouting:
    """On a card that is slow, decompositions go through the CPU and come back."""

    @pytest.mark.parametrize("solver", ["eigvalsh", "eigh", "svdvals", "svd"])
    def test_the_trial_measures_both_sides(self, solver):
        # On the CPU both sides are the same; the answer is one or the other, without an error.
        assert _linalg.card_is_slower(solver, "cpu", 8, 8) in (True, False)

    @pytest.mark.parametrize("solver", ["svdvals", "svd"])
    def test_what_goes_through_the_cpu_is_the_same(self, solver, monkeypatch):
        x = torch.randn(3, 40, 5, dtype=torch.float64)
        expected = getattr(_linalg, solver)(x)
        asked = []

        def once(given, name):
            asked.append(name)
            return len(asked) == 1

        monkeypatch.setattr(_linalg, "_goes_through_the_cpu", once)
        torch.testing.assert_close(getattr(_linalg, solver)(x), expected, rtol=0, atol=0)
        assert asked == [solver, solver]

    @pytest.mark.gpu
    def test_a_card_gives_the_singular_values_of_the_cpu(self):
        x = torch.randn(5, 128, 49, dtype=torch.float64)
        torch.testing.assert_close(_linalg.svdvals(x.cuda()).cpu(), _linalg.svdvals(x))
