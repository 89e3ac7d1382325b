import subprocess
import sys

import numpy as np
import pytest

from latentgeo.geometry import (
    FixedRankPSD,
    distance,
    fixed_rank_product,
    frechet_mean,
    product_stratum_dimension,
    stratum_dimension,
)

# isort: split
# After latentgeo, which gives NumPy from 2.4 on the name that geomstats imports.
from geomstats.geometry.product_manifold import ProductManifold
from geomstats.learning.frechet_mean import FrechetMean, GradientDescent
from geomstats.learning.pca import TangentPCA

SHAPES = [(4, 1), (5, 2), (5, 4), (4, 4), (49, 48)]
RNG = np.random.default_rng(0)


@pytest.fixture(params=SHAPES, ids=str)
def space(request):
    return FixedRankPSD(*request.param)


def points(space, count=6, spread=0.2, seed=0):
    """A cluster on the stratum: factors around one factor."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(space.n, space.k)) + spread * rng.normal(size=(count, space.n, space.k))
    return y @ y.swapaxes(-1, -2) / space.n


def tangents(space, base, count=4, seed=1):
    rng = np.random.default_rng(seed)
    return space.to_tangent(rng.normal(size=(count, space.n, space.n)), base)


def test_dimension_is_that_of_the_tangent_space(space):
    assert space.dim == stratum_dimension(space.n, space.k)
    if space.n < 10:
        base = points(space)[0]
        everything = np.eye(space.n**2).reshape(-1, space.n, space.n)
        projected = space.to_tangent(everything, base).reshape(space.n**2, -1)
        assert np.linalg.matrix_rank(projected) == space.dim


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_belongs_is_relative_to_the_scale(space, scale):
    x = scale * points(space)
    assert space.belongs(x).all()
    assert space.belongs(scale * space.random_point(3)).all()
    assert not space.belongs(-x).any()
    assert not space.belongs(np.zeros((space.n, space.n)))
    if space.k < space.n:
        assert not space.belongs(x + 1e-6 * scale * np.eye(space.n)).any()
    if space.k > 1:
        assert not FixedRankPSD(space.n, space.k - 1).belongs(x).any()
    skew = x.copy()
    skew[:, 0, 1] += 1e-3 * scale
    assert not space.belongs(skew).any()
    assert not space.belongs(np.eye(space.n + 1))


def test_tangent_projection_is_one(space):
    base = points(space)[0]
    v = tangents(space, base)
    assert space.is_tangent(v, base).all()
    np.testing.assert_allclose(space.to_tangent(v, base), v, atol=1e-12)
    y = np.linalg.svd(base)[0][:, : space.k]
    direction = RNG.normal(size=(space.n, space.k))
    np.testing.assert_allclose(
        space.to_tangent(y @ direction.T + direction @ y.T, base),
        y @ direction.T + direction @ y.T,
        atol=1e-10,
    )
    if space.k < space.n:
        normal = np.eye(space.n) - y @ y.T
        assert not space.is_tangent(v + normal, base).any()
        np.testing.assert_allclose(space.to_tangent(normal, base), 0, atol=1e-10)


def test_exp_and_log_undo_each_other(space):
    x = points(space)
    base, rest = x[0], x[1:]
    logs = space.metric.log(rest, base)
    assert space.is_tangent(logs, base).all()
    np.testing.assert_allclose(space.metric.exp(logs, base), rest, atol=1e-10)
    v = 0.01 * tangents(space, base)
    ends = space.metric.exp(v, base)
    if space.n < 10:  # a large random factor is too near the edge of its stratum for this step
        assert space.belongs(ends).all()
        np.testing.assert_allclose(space.metric.log(ends, base), v, atol=1e-9)


def test_the_distance_is_bures_wasserstein_with_reflections(space):
    x = points(space, spread=2.0)
    squared = space.metric.squared_dist(x[:, None], x[None])
    expected = distance(x[:, None], x[None]) ** 2
    np.testing.assert_allclose(squared, expected, rtol=1e-7, atol=1e-9)
    base, rest = x[0], x[1:]
    logs = space.metric.log(rest, base)
    np.testing.assert_allclose(space.metric.squared_norm(logs, base), squared[0, 1:], rtol=1e-6)


def test_the_metric_is_the_second_order_of_the_distance(space):
    base = points(space)[0]
    v = tangents(space, base)
    step = 1e-4
    moved = space.metric.exp(step * v, base)
    near = space.metric.squared_dist(moved, base) / step**2
    np.testing.assert_allclose(near, space.metric.squared_norm(v, base), rtol=1e-3)
    sums = space.metric.inner_product(v[:1], v[1:], base)
    polar = space.metric.squared_norm(v[:1] + v[1:], base) - space.metric.squared_norm(
        v[:1] - v[1:], base
    )
    np.testing.assert_allclose(sums, polar / 4, rtol=1e-8, atol=1e-9)


def test_geodesics_of_geomstats_stay_on_the_stratum(space):
    x = points(space)
    path = space.metric.geodesic(initial_point=x[0], end_point=x[1])(np.linspace(0, 1, 5))
    assert space.belongs(np.squeeze(path)).all()
    np.testing.assert_allclose(np.squeeze(path)[-1], x[1], atol=1e-9)


def test_geomstats_frechet_mean_finds_ours(space):
    x = points(space)
    theirs = FrechetMean(space)
    theirs.optimizer = GradientDescent(max_iter=100, epsilon=1e-16)
    estimate = theirs.fit(x).estimate_
    assert space.belongs(estimate)
    ours = frechet_mean(x, source_dtype="float32" if space.n > 10 else None)
    np.testing.assert_allclose(estimate, ours.factor @ ours.factor.T, atol=1e-6)


def test_geomstats_tangent_pca_runs_and_inverts(space):
    x = points(space, count=5)
    model = TangentPCA(space, n_components=4).fit(x)
    scores = model.transform(x)
    assert scores.shape == (5, 4)
    np.testing.assert_allclose(model.inverse_transform(scores), x, atol=1e-8)


def test_tangent_pca_of_points_on_one_geodesic_has_one_component():
    space = FixedRankPSD(5, 3)
    a, b = points(space, count=2, spread=0.4)
    path = np.squeeze(space.metric.geodesic(initial_point=a, end_point=b)(np.linspace(0, 1, 7)))
    model = TangentPCA(space).fit(path, base_point=path[3])
    assert model.explained_variance_ratio_[0] == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(("sizes", "ranks"), [((3, 3, 6), (3, 2, 4)), ((4, 4), (2, 2))])
class TestProducts:
    @pytest.fixture
    def product(self, sizes, ranks):
        return fixed_rank_product(sizes, ranks)

    @pytest.fixture
    def modes(self, sizes, ranks):
        return [points(FixedRankPSD(n, k)) for n, k in zip(sizes, ranks, strict=True)]

    def test_dimension_and_membership(self, product, modes, sizes, ranks):
        assert isinstance(product, ProductManifold)
        assert product.dim == product_stratum_dimension(sizes, ranks)
        x = product.embed_to_product(modes)
        assert product.belongs(x).all()
        assert product.belongs(product.random_point(3)).all()

    def test_distances_add_squares_up(self, product, modes):
        x = product.embed_to_product(modes)
        expected = distance(tuple(m[0] for m in modes), tuple(m[1] for m in modes))
        assert product.metric.dist(x[0], x[1]) == pytest.approx(expected, rel=1e-7)
        logs = product.metric.log(x[1:], x[0])
        np.testing.assert_allclose(product.metric.exp(logs, x[0]), x[1:], atol=1e-9)

    def test_geomstats_learning_runs(self, product, modes):
        x = product.embed_to_product(modes)
        mean = FrechetMean(product)
        mean.optimizer = GradientDescent(max_iter=100, epsilon=1e-16)
        estimate = mean.fit(x).estimate_
        for found, mode in zip(product.project_from_product(estimate), modes, strict=True):
            ours = frechet_mean(mode)
            np.testing.assert_allclose(found, ours.factor @ ours.factor.T, atol=1e-6)
        if x.ndim == 2:
            scores = TangentPCA(product, n_components=2).fit(x).transform(x)
            assert scores.shape == (len(x), 2)


@pytest.mark.parametrize("k", [0, 4])
def test_ranks_out_of_range_are_named(k):
    with pytest.raises(ValueError, match=f"the rank is {k}; expected 1 to 3"):
        FixedRankPSD(3, k)


def test_products_of_unlike_lengths_are_named():
    with pytest.raises(ValueError, match="2 sizes and 1 ranks"):
        fixed_rank_product((3, 3), (1,))


def test_geometry_does_not_import_geomstats_before_it_is_used():
    code = "import sys, latentgeo.geometry; sys.exit('geomstats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_geomstats_is_imported_where_numpy_lacks_the_old_name():
    # As with NumPy from 2.4 on; in a process of its own, for names of modules are shared.
    code = (
        "import numpy; vars(numpy).pop('trapz', None)\n"
        "numpy.__all__ = [name for name in numpy.__all__ if name != 'trapz']\n"
        "from latentgeo.geometry import FixedRankPSD\n"
        "print(FixedRankPSD(4, 2).dim, hasattr(numpy, 'trapz'))"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["7", "True"], done.stderr
