"""Geometry against forty digits: every metric and kernel, ranks, scales, precisions and shapes.

Where the answer, or the matrix that a factor stands for, is beyond float64, an error says so.
`pytest -m long` draws many more examples.
"""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from latentgeo.geometry import (
    LINEAR_KERNELS,
    METRICS,
    SPECTRAL_KERNELS,
    bures_wasserstein_geodesic,
    distance,
    effective_rank,
    feature_map,
    frechet_mean,
    gram_diagnostics,
    gram_dimension,
    kernel,
    matrix_rank,
    mode_covariances,
    pairwise_distance,
    point_distances,
    principal_angles,
    rkhs_principal_angles,
    small_eigenvalue_share,
    stable_rank,
    trace_normalised,
    two_nn_dimension,
)

DTYPES = {"float16": 3, "bfloat16": 30, "float32": 30, "float64": 300}
"""Precisions, and powers of ten up to which matrices are scaled in them."""
BEYOND = "beyond float64"
QUICK = {"derandomize": True, "deadline": None, "database": None}
CALM = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture)


def examples(count):
    return settings(**QUICK, max_examples=count, suppress_health_check=CALM)


def many(count):
    return settings(deadline=None, max_examples=count, suppress_health_check=CALM)


class Given(NamedTuple):
    """A stack of matrices as a user gives them, and the ranks they were made of."""

    x: torch.Tensor
    form: str
    ranks: list
    unit: float

    def exact(self, exact):
        flat = self.x.double().reshape(-1, *self.x.shape[-2:]).numpy()
        return [exact.restricted(x, self.form, r) for x, r in zip(flat, self.ranks, strict=True)]


def made(rng, size, rank, form, spread):
    """Draw a matrix of a rank with eigenvalues from ``spread`` to 1, or a factor of one."""
    left = np.linalg.qr(rng.normal(size=(size, size)))[0][:, :rank]
    factor = left * np.sqrt(spread ** rng.uniform(0, 1, size=rank))
    if form == "matrix":
        return factor @ factor.T
    right = rng.normal(size=(size + 3, rank))
    return factor @ np.linalg.qr(right - right.mean(0))[0].T


@st.composite
def stacks(draw, domain, size=None, form=None, lead=None, dtype=None, rank=None, scale=None):
    """Draw matrices in a form, precision and batch shape, of ranks of a metric's domain."""
    size = size or draw(st.integers(1, 5))
    form = form or draw(st.sampled_from(["matrix", "factor", "unfolding"]))
    lead = lead or draw(st.sampled_from([(1,), (2,), (2, 1), (1, 2)]))
    dtype = dtype or draw(st.sampled_from(sorted(DTYPES)))
    spread = 0.3 if dtype in ("float16", "bfloat16") else draw(st.sampled_from([0.3, 1e-3]))
    most = DTYPES[dtype] // (1 if form == "matrix" else 2)
    exponent = draw(st.integers(-most, most)) if scale is None else max(-most, min(most, scale))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = int(np.prod(lead))
    if rank is None and domain == "any rank":
        ranks = [draw(st.integers(0, size)) for _ in range(count)]
    else:
        ranks = [size if domain == "full rank" else rank] * count
    x = np.stack([made(rng, size, r, form, spread) for r in ranks])
    unit = 10.0**exponent
    x = torch.from_numpy(x * unit).reshape(*lead, *x.shape[1:]).to(getattr(torch, dtype))
    return Given(x, form, ranks, unit)


@st.composite
def pairs(draw, metric):
    """Draw two stacks that a metric compares, of any two scales, and the weight of logarithms."""
    domain = METRICS[metric].domain
    size = draw(st.integers(1, 5))
    rank = draw(st.integers(0, size)) if domain == "equal ranks" else None
    form = draw(st.sampled_from(["matrix", "factor", "unfolding"]))
    same = {"size": size, "form": form, "rank": rank}
    a = draw(stacks(domain, **same))
    kind = draw(st.sampled_from(["any scale", "the same scale", "close"]))
    if kind == "any scale":
        b = draw(stacks(domain, **same))
    elif kind == "the same scale":
        b = draw(stacks(domain, **same, scale=round(np.log10(a.unit))))
    else:
        b = a._replace(x=a.x * (1 + 2.0**-20))
    return a, b, draw(st.sampled_from([0.0, 0.25, 1.0]))


def tolerance(metric, *given):
    """Return what rounding may do: a share of the size of the matrices, where they have a say."""
    power = METRICS[metric].homogeneity
    units = [g.unit**2 if g.form != "matrix" else g.unit for g in given]
    if metric == "log-cholesky":  # its part below the diagonal scales, its logarithms do not
        return 1e-9 * max(1.0, *(unit**0.5 for unit in units))
    return 1e-9 * (max(units) ** power if power > 0 else 1.0)


def check_distances(exact, metric, drawn):
    a, b, weight = drawn
    found = distance(a.x, b.x, metric, form=a.form, log_weight=weight)
    assert found.dtype == torch.float64
    first, second = a.exact(exact), b.exact(exact)
    i = np.arange(len(first)).reshape(a.x.shape[:-2])
    j = np.arange(len(second)).reshape(b.x.shape[:-2])
    i, j = np.broadcast_arrays(i, j)
    assert found.shape == i.shape
    expected = np.array(
        [
            float(exact.distance(metric, first[k], second[m], weight))
            for k, m in zip(i.ravel(), j.ravel(), strict=True)
        ]
    )
    near = tolerance(metric, a, b)
    np.testing.assert_allclose(found.numpy().ravel(), expected, rtol=1e-9, atol=near)
    table = pairwise_distance(
        a.x.reshape(-1, *a.x.shape[-2:]),
        b.x.reshape(-1, *b.x.shape[-2:]),
        metric,
        form=a.form,
        log_weight=weight,
    )
    np.testing.assert_allclose(table[i.ravel(), j.ravel()], expected, rtol=1e-9, atol=near)


@pytest.mark.parametrize("metric", METRICS)
@examples(15)
@given(data=st.data())
def test_distances(exact, metric, data):
    check_distances(exact, metric, data.draw(pairs(metric)))


@pytest.mark.long
@pytest.mark.parametrize("metric", METRICS)
@many(1_000)
@given(data=st.data())
def test_distances_for_long(exact, metric, data):
    check_distances(exact, metric, data.draw(pairs(metric)))


class TestKernels:
    @pytest.mark.parametrize("name", LINEAR_KERNELS)
    @examples(8)
    @given(data=st.data())
    def test_linear_ones(self, exact, name, data):
        a, b, weight = data.draw(pairs(name))
        x, y = (g.x.reshape(-1, *g.x.shape[-2:]) for g in (a, b))
        expected = [
            [exact.kernel(name, one, other, weight) for other in b.exact(exact)]
            for one in a.exact(exact)
        ]
        size = max(abs(value) for row in expected for value in row)
        if size > 1e307 or 0 < size < 1e-306:
            with pytest.raises(ValueError, match=BEYOND):
                kernel(x, y, name, form=a.form, log_weight=weight)
            return
        found = kernel(x, y, name, form=a.form, log_weight=weight)
        expected = np.array([[float(value) for value in row] for row in expected])
        near = tolerance(name, a) * tolerance(name, b) * 1e9
        near = max(near, 1e-9 * float(size) if name == "log-cholesky" else 0.0)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e3 * near)
        if weight or "log" not in name:
            features = [feature_map(g, name, form=a.form, log_weight=weight) for g in (x, y)]
            scale = max(float(one.abs().max()) for one in features) or 1.0
            with np.errstate(over="ignore"):
                product = (features[0] / scale) @ (features[1] / scale).mT
            np.testing.assert_allclose(product, found / scale / scale, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize("metric", METRICS)
    @pytest.mark.filterwarnings("ignore:.*not positive definite in theory")
    @examples(4)
    @given(data=st.data())
    def test_radial_ones(self, exact, metric, data):
        a, b, weight = data.draw(pairs(metric))
        name = data.draw(st.sampled_from(["gaussian", "laplacian"]))
        expected = exact.distance(metric, a.exact(exact)[0], b.exact(exact)[0], weight)
        power = (2 if name == "gaussian" else 1) / (2 if METRICS[metric].is_squared else 1)
        size = max(float(expected), 1e6 * tolerance(metric, a, b))  # what rounding leaves is none
        gamma = min(max(size**-power, 1e-300), 1e300)
        x, y = (g.x.reshape(-1, *g.x.shape[-2:])[:1] for g in (a, b))
        found = kernel(x, y, name, metric=metric, gamma=gamma, form=a.form, log_weight=weight)
        value = float(exact.mp.exp(-gamma * expected**power))
        assert float(found) == pytest.approx(value, abs=1e-5)


class TestScalesThatHaveNoSquare:
    """Factors of which the matrices are beyond float64, and what does not depend on the scale."""

    @examples(25)
    @given(data=st.data(), exponent=st.integers(160, 300), sign=st.sampled_from([-1, 1]))
    def test_factors_are_refused(self, data, exponent, sign):
        drawn = data.draw(stacks("full rank", dtype="float64", scale=0, lead=(2,)))
        x, form = drawn.x * 10.0 ** (sign * exponent), "factor"
        for call in (
            lambda: distance(x[0], x[1], form=form),
            lambda: pairwise_distance(x, metric="projection", form=form),
            lambda: kernel(x, form=form),
            lambda: feature_map(x, form=form, ridge=1.0 if sign > 0 else 0.0),
            lambda: trace_normalised(x, form),
        ):
            with pytest.raises(ValueError, match=BEYOND):
                call()

    @examples(25)
    @given(data=st.data(), exponent=st.integers(-300, 300))
    def test_what_has_no_scale_does_not_change(self, data, exponent):
        drawn = data.draw(stacks("any rank", dtype="float64", scale=0, lead=(4,), form="factor"))
        x, scaled = drawn.x, drawn.x * 10.0**exponent
        source = data.draw(st.sampled_from(["float32", "float64"]))
        for rule in ("spectrum", "rounding", 1e-3):
            for centred in (False, True):
                told = {"rule": rule, "centred": centred, "source_dtype": source}
                assert matrix_rank(scaled, **told).equal(matrix_rank(x, **told))
        near = {"rtol": 1e-9, "atol": 1e-9, "equal_nan": True}
        values, others = (torch.linalg.svdvals(one) for one in (x, scaled))
        torch.testing.assert_close(effective_rank(others), effective_rank(values), **near)
        torch.testing.assert_close(stable_rank(others), stable_rank(values), **near)
        angles = principal_angles(x[:2], x[2:])
        torch.testing.assert_close(principal_angles(scaled[:2], scaled[2:]), angles, **near)

    @examples(25)
    @given(data=st.data(), exponent=st.integers(-290, 290))
    def test_nor_what_is_read_from_gram_matrices(self, data, exponent):
        drawn = data.draw(stacks("any rank", dtype="float64", scale=0, lead=(1,), form="matrix"))
        gram, scaled = drawn.x[0], drawn.x[0] * 10.0**exponent
        assert gram_dimension(scaled).equal(gram_dimension(gram))
        found, expected = gram_diagnostics(scaled), gram_diagnostics(gram)
        assert float(found.negative_energy) == pytest.approx(float(expected.negative_energy))
        assert found.is_positive == expected.is_positive
        found = rkhs_principal_angles(scaled, scaled, scaled, dims=2)
        torch.testing.assert_close(
            found,
            rkhs_principal_angles(gram, gram, gram, dims=2),
            rtol=0,
            atol=1e-7,
            equal_nan=True,
        )

    @pytest.mark.parametrize("name", SPECTRAL_KERNELS)
    @examples(4)
    @given(exponent=st.integers(-300, 300), seed=st.integers(0, 99))
    def test_nor_the_share_of_small_eigenvalues(self, name, exponent, seed):
        rng = np.random.default_rng(seed)
        x = np.stack([made(rng, 4, 4, "matrix", 1e-3) for _ in range(4)])
        found = small_eigenvalue_share(x * 10.0**exponent, name, below=0.1, ridge=0.0)
        if METRICS[name].homogeneity >= 0 and name != "log-euclidean":
            expected = small_eigenvalue_share(x, name, below=0.1)
            assert found == pytest.approx(expected, abs=1e-9, nan_ok=name == "projection")

    @pytest.mark.parametrize("metric", [m for m in METRICS if METRICS[m].homogeneity >= 0])
    @examples(4)
    @given(data=st.data(), exponent=st.integers(-290, 290))
    def test_nor_distances_in_a_product(self, metric, data, exponent):
        shape = {"dtype": "float64", "scale": 0, "size": 3, "form": "matrix", "lead": (3,)}
        rank = 2 if METRICS[metric].domain == "equal ranks" else None
        x, y = (data.draw(stacks(METRICS[metric].domain, rank=rank, **shape)).x for _ in "ab")
        unit = 10.0**exponent
        found = pairwise_distance((x * unit, y * unit), metric=metric, weights=(1, 0.5))
        expected = pairwise_distance((x, y), metric=metric, weights=(1, 0.5))
        expected *= unit ** METRICS[metric].homogeneity
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * float(expected.max()))

    @examples(10)
    @given(data=st.data(), exponent=st.integers(-290, 290))
    def test_nor_paths_and_means_in_their_unit(self, data, exponent):
        shape = {"dtype": "float64", "scale": 0, "size": 3, "form": "matrix", "lead": (3,)}
        x, unit = data.draw(stacks("any rank", **shape)).x, 10.0**exponent
        found = bures_wasserstein_geodesic(x[0] * unit, x[1] * unit, [0.25, 1.0])
        expected = bures_wasserstein_geodesic(x[0], x[1], [0.25, 1.0]) * unit
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * unit)
        found, expected = frechet_mean(x * unit), frechet_mean(x)
        assert found.dispersion == pytest.approx(expected.dispersion * unit, rel=1e-6)

    @examples(10)
    @given(exponent=st.integers(-300, 300), seed=st.integers(0, 99))
    def test_nor_distances_of_points_in_their_unit(self, exponent, seed):
        x = np.random.default_rng(seed).normal(size=(12, 3))
        unit = 10.0**exponent
        np.testing.assert_allclose(point_distances(x * unit) / unit, point_distances(x), rtol=1e-9)
        assert two_nn_dimension(x * unit).dimension == pytest.approx(two_nn_dimension(x).dimension)

    @examples(20)
    @given(seed=st.integers(0, 99), exponent=st.integers(-300, 300))
    def test_covariances_are_right_or_refused(self, seed, exponent):
        z = np.random.default_rng(seed).normal(size=(2, 3, 2, 2))
        assume(not 152 < abs(exponent) <= 155)
        if abs(exponent) > 155:
            with pytest.raises(ValueError, match=BEYOND):
                mode_covariances(z * 10.0**exponent)
            return
        found = mode_covariances(z * 10.0**exponent)
        for one, expected in zip(found, mode_covariances(z), strict=True):
            unit = 10.0**exponent
            np.testing.assert_allclose(one / unit / unit, expected, rtol=1e-9, atol=1e-12)
