import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone

from latentgeo.geometry import (
    METRICS,
    HilbertEmbedding,
    IndefiniteKernelWarning,
    Nystroem,
    feature_map,
    gram_diagnostics,
    gram_dimension,
    is_positive_definite,
    kernel,
    mode_unfoldings,
    pairwise_distance,
    small_eigenvalue_share,
    trace_normalised,
)
from latentgeo.geometry.kernels import LINEAR_KERNELS, RADIAL_KERNELS

FLAT = [name for name, stated in METRICS.items() if stated.is_flat]
CURVED = [name for name in METRICS if name not in FLAT]


def matrices(count, rank=4, size=4, seed=0):
    x = np.random.default_rng(seed).normal(size=(count, size, rank))
    return x @ x.swapaxes(-1, -2)


def spanning(metric, count=12):
    return matrices(count, 8 if METRICS[metric].domain == "full rank" else 2)


@pytest.mark.parametrize("name", LINEAR_KERNELS)
def test_linear_kernels_induce_their_distance(name):
    x, y = spanning(name), spanning(name)[:5]
    kxx, kxy, kyy = kernel(x, kernel=name), kernel(x, y, name), kernel(y, kernel=name)
    squared = np.diag(kxx)[:, None] + np.diag(kyy) - 2 * kxy
    np.testing.assert_allclose(squared, pairwise_distance(x, y, name) ** 2, rtol=1e-9, atol=1e-11)
    assert gram_diagnostics(kxx).is_positive


@pytest.mark.parametrize("metric", METRICS)
def test_radial_kernels_are_functions_of_the_distance(metric):
    x = spanning(metric)
    d = pairwise_distance(x, metric=metric)
    squared = d if metric == "stein" else d**2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IndefiniteKernelWarning)
        gaussian = kernel(x, kernel="gaussian", metric=metric, gamma=0.3)
        laplacian = kernel(x, kernel="laplacian", metric=metric, gamma=0.3)
    np.testing.assert_allclose(gaussian, np.exp(-0.3 * squared), rtol=1e-12)
    np.testing.assert_allclose(laplacian, np.exp(-0.3 * np.sqrt(squared)), rtol=1e-12)


@pytest.mark.parametrize("radial", RADIAL_KERNELS)
@pytest.mark.parametrize("metric", FLAT)
@pytest.mark.parametrize("gamma", [1e-3, 0.1, 10.0])
def test_radial_kernels_of_flat_metrics_are_positive(radial, metric, gamma):
    assert is_positive_definite(radial, metric, gamma=gamma)
    gram = kernel(spanning(metric, 40), kernel=radial, metric=metric, gamma=gamma)
    assert gram_diagnostics(gram).is_positive


@pytest.mark.parametrize("radial", RADIAL_KERNELS)
@pytest.mark.parametrize("metric", CURVED)
def test_kernels_without_a_proof_say_so(radial, metric):
    with pytest.warns(IndefiniteKernelWarning, match=f"{radial} kernel of {metric}"):
        kernel(spanning(metric), kernel=radial, metric=metric, gamma=0.01)


def test_a_gaussian_of_a_curved_metric_has_negative_energy_that_is_reported():
    # Points of a great circle: the Gaussian of arc length is not positive definite on it.
    t = np.linspace(0, np.pi, 12, endpoint=False)
    lines = np.stack([np.cos(t), np.sin(t)], -1)[..., None]
    with pytest.warns(IndefiniteKernelWarning):
        gram = kernel(lines, kernel="gaussian", metric="projection-arc", gamma=0.05, form="factor")
    found = gram_diagnostics(gram)
    values = np.linalg.eigvalsh(gram)
    assert not found.is_positive
    assert found.smallest_eigenvalue == pytest.approx(values[0])
    assert found.negative_energy == pytest.approx(-values[values < 0].sum() / np.abs(values).sum())
    assert found.negative_energy > 1e-4


@pytest.mark.parametrize(
    ("gamma", "size", "expected"),
    [
        (0.5, 6, True),
        (1.0, 6, True),
        (0.7, 6, False),
        (2.5, 6, True),
        (3.3, 6, True),
        (0.2, 2, False),
    ],
)
def test_stein_gaussians_are_positive_on_their_set_of_gammas(gamma, size, expected):
    assert is_positive_definite("gaussian", "stein", gamma=gamma, size=size) == expected
    if expected:
        gram = kernel(matrices(25, 2 * size, size), kernel="gaussian", metric="stein", gamma=gamma)
        assert gram_diagnostics(gram).is_positive


def test_modes_combine_to_sums_and_products():
    z = np.random.default_rng(0).normal(size=(7, 5, 3, 4))
    modes, weights = mode_unfoldings(z), (1.0, 2.0, 0.5)
    parts = [kernel(x, form="unfolding") for x in modes]
    found = kernel(modes, form="unfolding", weights=weights)
    np.testing.assert_allclose(found, sum(w * k for w, k in zip(weights, parts, strict=True)))
    radial = {"kernel": "gaussian", "gamma": 0.01, "form": "unfolding"}
    product = kernel(modes, combine="product", weights=weights, **radial)
    # A product of Gaussians is the Gaussian of the product distance.
    d = pairwise_distance(modes, metric="pseudo-log", form="unfolding", weights=weights)
    np.testing.assert_allclose(product, np.exp(-0.01 * d**2), rtol=1e-10)


@pytest.mark.parametrize("name", LINEAR_KERNELS)
def test_feature_maps_have_the_kernel_as_inner_product_and_the_metric_as_distance(name):
    x = spanning(name)
    features = feature_map(x, name)
    np.testing.assert_allclose(features @ features.T, kernel(x, kernel=name), atol=1e-10)
    gaps = np.linalg.norm(features[:, None] - features[None], axis=-1)
    np.testing.assert_allclose(gaps, pairwise_distance(x, metric=name), rtol=1e-9, atol=1e-11)
    assert isinstance(feature_map(torch.from_numpy(x), name), torch.Tensor)


def test_the_same_kind_comes_back():
    x = matrices(3)
    gram = kernel(torch.from_numpy(x))
    assert isinstance(gram, torch.Tensor)
    np.testing.assert_array_equal(gram.numpy(), kernel(x))
    diagnostics = gram_diagnostics(torch.stack([gram, gram]))
    assert diagnostics.negative_energy.shape == (2,)


@pytest.mark.parametrize("metric", ["pseudo-log", "projection"])
def test_nystroem_with_every_sample_reproduces_the_kernel(metric):
    x = matrices(15, 2)
    features = Nystroem(15, kernel=metric, random_state=0).fit(x).transform(x)
    np.testing.assert_allclose(features @ features.T, kernel(x, kernel=metric), atol=1e-8)


def test_nystroem_with_few_landmarks_is_exact_on_a_set_of_low_dimension():
    # Diagonal matrices: pseudo-log features span only as many dimensions as there are entries.
    values = np.random.default_rng(0).uniform(0.5, 2, size=(60, 5))
    x = values[:, :, None] * np.eye(5)
    embedding = Nystroem(12, random_state=0).fit(x)
    features = embedding.transform(x)
    assert features.shape[1] <= 12
    np.testing.assert_allclose(features @ features.T, kernel(x), atol=1e-8)
    dimension = HilbertEmbedding().fit(features).dimension_(0.95)
    assert dimension == gram_dimension(kernel(x), [0.95])[0]


def test_nystroem_takes_modes_tensors_and_new_samples():
    z = np.random.default_rng(0).normal(size=(9, 5, 3, 4))
    model = Nystroem(9, form="unfolding", random_state=1)
    modes = mode_unfoldings(z)
    expected = clone(model).fit(modes).transform(modes)
    tensors = tuple(torch.from_numpy(x) for x in modes)
    np.testing.assert_allclose(model.fit(tensors).transform(tensors), expected, atol=1e-10)
    first = model.transform(tuple(x[:2] for x in tensors))
    np.testing.assert_allclose(first, expected[:2], atol=1e-10)
    assert clone(model).get_params() == model.get_params()


def test_nystroem_is_seeded():
    x = matrices(30)
    a, b = (Nystroem(5, random_state=3).fit(x).landmark_indices_ for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_linear_kernel_is_that_of_the_explicit_features():
    x = matrices(6, 2)
    features = feature_map(x, log_weight=0.2)
    np.testing.assert_allclose(kernel(x, log_weight=0.2), features @ features.T, atol=1e-11)


@pytest.mark.parametrize("form", ["matrix", "factor", "unfolding"])
def test_kernels_of_normalised_matrices_do_not_depend_on_the_unit(form):
    x = np.random.default_rng(5).normal(size=(9, 4, 4 if form == "matrix" else 7))
    x = x @ x.swapaxes(1, 2) if form == "matrix" else x + 3
    normal, traces = trace_normalised(x, form)
    again, scaled = trace_normalised(10 * x, form)
    np.testing.assert_allclose(again, normal, rtol=1e-12)
    np.testing.assert_allclose(scaled, traces * (10 if form == "matrix" else 100))
    s = {"matrix": x, "factor": x @ x.swapaxes(1, 2)}.get(form)
    s = np.stack([np.cov(each) for each in x]) if s is None else s
    np.testing.assert_allclose(traces, np.trace(s, axis1=1, axis2=2))
    unit = s / traces[:, None, None]
    np.testing.assert_allclose(kernel(normal, form=form), kernel(unit), rtol=1e-8, atol=1e-8)


def test_what_does_not_vary_stays_as_it_is_when_normalised():
    x = np.full((2, 3, 5), 0.1, np.float32)
    x[1, 0] = np.arange(5)
    normal, traces = trace_normalised(x, "unfolding")
    assert traces[0] == 0
    assert traces[1] == pytest.approx(2.5)
    assert normal.dtype == np.float32
    np.testing.assert_array_equal(normal[0], x[0])


@pytest.mark.parametrize("name", ["pseudo-log", "square-root", "euclidean", "projection"])
def test_the_share_of_small_eigenvalues_is_that_of_their_features(name):
    rng = np.random.default_rng(6)
    basis = np.linalg.qr(rng.normal(size=(15, 5, 5)))[0]
    values = np.geomspace(1, 1e-7, 5) * rng.uniform(0.5, 2, size=(15, 5))
    x = (basis * values[:, None]) @ basis.swapaxes(1, 2)
    function = {"pseudo-log": np.log, "square-root": np.sqrt}.get(name, lambda v: v)

    def features(keep):
        parts = [function(values) * keep]
        if name in ("projection", "pseudo-log"):
            parts = [keep * 0.5**0.5, *(parts if name == "pseudo-log" else [])]
        made = [(basis * part[:, None]) @ basis.swapaxes(1, 2) for part in parts]
        flat = np.concatenate([m.reshape(15, -1) for m in made], 1)
        return flat - flat.mean(0)

    small = values < 1e-4 * values.max(1, keepdims=True)
    whole = features(np.ones_like(values))
    found = small_eigenvalue_share(x, name)
    if name == "projection":  # of full rank, the projector does not vary
        assert np.isnan(found) or abs((whole**2).sum()) < 1e-20
        return
    expected = (features(small) * whole).sum() / (whole**2).sum()
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-12)
    rest = (features(~small) * whole).sum() / (whole**2).sum()
    assert found + rest == pytest.approx(1, abs=1e-6)


def test_square_roots_settle_what_logarithms_make_of_the_noise_floor():
    rng = np.random.default_rng(7)
    x = rng.normal(size=(40, 6, 30)) * np.array([1, 0.5, 0.3, 1e-3, 1e-3, 1e-3])[:, None]
    log, root = (
        small_eigenvalue_share(x, k, form="unfolding") for k in ("pseudo-log", "square-root")
    )
    assert log > 0.3
    assert root < 0.01


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: kernel(matrices(3), kernel="rbf"), "'rbf'; expected one of projection"),
        (lambda: kernel(matrices(3), kernel="gaussian"), "gamma is None; a gaussian kernel needs"),
        (lambda: kernel(matrices(3), kernel="laplacian", gamma=-1), "gamma is -1"),
        (lambda: kernel(matrices(3), combine="mean"), "combine is 'mean'"),
        (lambda: kernel((matrices(3),), (matrices(3),) * 2), "x has 1 modes and y has 2"),
        (lambda: kernel((matrices(3),), weights=(1, 1)), "expected 1 numbers"),
        (lambda: kernel(matrices(3, 2), kernel="log-euclidean"), "has rank 2"),
        (lambda: feature_map(matrices(3), "stein"), "'stein'; explicit features are there for"),
        (lambda: gram_diagnostics(np.ones((2, 3))), "expected square"),
        (lambda: trace_normalised(np.eye(2), "cov"), "form is 'cov'; expected one of unfolding"),
        (lambda: small_eigenvalue_share(matrices(3), "stein"), "are there for projection"),
        (lambda: small_eigenvalue_share(matrices(3), below=-1.0), "below is -1.0"),
        (lambda: Nystroem(0).fit(matrices(3)), "n_landmarks is 0"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
