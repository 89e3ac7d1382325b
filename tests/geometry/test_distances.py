"""The properties are generated from the statements that each metric makes about itself."""

import numpy as np
import pytest
import torch
from scipy.linalg import eigvalsh, logm, sqrtm, subspace_angles

from latentgeo.geometry import METRICS, distance, pairwise_distance

SIZE = 5
RANKS = {"any rank": (0, 1, 3, SIZE), "equal ranks": (0, 1, 3, SIZE), "full rank": (SIZE,)}
CASES = [(name, rank) for name, stated in METRICS.items() for rank in RANKS[stated.domain]]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
SCALES = [1e-8, 1.0, 1e8]
DTYPES = [torch.float32, torch.float64]


def factors(count, rank, seed=0, size=SIZE, columns=8):
    """Factors of well-conditioned matrices of a rank, more columns than rows."""
    rng = np.random.default_rng(seed)
    left = np.linalg.qr(rng.normal(size=(count, size, size)))[0][..., :rank]
    right = np.linalg.qr(rng.normal(size=(count, columns, columns)))[0][:, :rank]
    return left * rng.uniform(0.5, 2.0, size=(count, 1, rank)) @ right


def matrices(count, rank, seed=0, size=SIZE):
    x = factors(count, rank, seed, size)
    return x @ x.swapaxes(-1, -2)


def negligible(table, metric):
    """Return the tolerance for rounding: relative where the metric scales, else of order one."""
    scales = METRICS[metric].homogeneity != 0
    return 1e-7 * float(table.max()) if scales else 1e-7


def orthogonal(size=SIZE, seed=9):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


def as_given(x, scale, dtype, device):
    """Return matrices as a user would pass them: scaled, in a precision, on a device."""
    return (scale * torch.from_numpy(x)).to(device, dtype)


def assert_same(found, expected, metric, dtype):
    """Compare tables to what the precision of the matrices that were given allows."""
    typical = float(expected.abs().max()) if METRICS[metric].homogeneity != 0 else 1.0
    rtol, atol = (1e-8, 1e-7) if dtype == torch.float64 else (1e-4, 2e-3)
    torch.testing.assert_close(found, expected, rtol=rtol, atol=atol * typical)


everywhere = [
    pytest.mark.parametrize("scale", SCALES),
    pytest.mark.parametrize("dtype", DTYPES),
    pytest.mark.parametrize("device", DEVICES),
]


def at_every_scale_and_precision(test):
    """Run a test of matrices that are given at all scales, in all precisions, on all devices."""
    for mark in everywhere:
        test = mark(test)
    return test


@at_every_scale_and_precision
@pytest.mark.parametrize(("metric", "rank"), CASES)
class TestAtEveryRankAndScale:
    @pytest.fixture
    def points(self, rank, scale, dtype, device):
        return as_given(matrices(6, rank), scale, dtype, device)

    def test_symmetry(self, points, metric):
        d = pairwise_distance(points, metric=metric)
        assert d.device == points.device
        assert torch.equal(d, d.mT)
        torch.testing.assert_close(pairwise_distance(points, points.clone(), metric), d)

    def test_a_point_is_at_distance_zero_from_itself(self, points, metric):
        itself = distance(points, points.clone(), metric)
        size = points.double().diagonal(dim1=-2, dim2=-1).sum(-1).sqrt()
        typical = size if metric == "bures-wasserstein" else torch.ones_like(size)
        assert (itself <= 1e-10 * typical).all()
        assert not pairwise_distance(points, metric=metric).diagonal().any()

    def test_different_points_are_apart(self, points, metric, rank):
        if "range only" in METRICS[metric].invariances and rank == SIZE:
            assert pairwise_distance(points, metric=metric).max() < 1e-6
        elif rank:
            d = pairwise_distance(points, metric=metric)
            assert (d + torch.eye(len(d), device=d.device) * d.max() > 1e-3 * d.max()).all()

    def test_pairs_and_the_whole_table_agree(self, points, metric):
        table = pairwise_distance(points, metric=metric)
        pairs = distance(points[:, None], points[None], metric)
        torch.testing.assert_close(pairs, table, rtol=1e-7, atol=negligible(table, metric))


@at_every_scale_and_precision
@pytest.mark.parametrize(("metric", "rank"), [c for c in CASES if METRICS[c[0]].is_metric])
def test_triangle_inequality_where_it_is_stated(metric, rank, scale, dtype, device):
    d = pairwise_distance(as_given(matrices(12, rank), scale, dtype, device), metric=metric)
    direct, detour = d[:, None, :], d[:, :, None] + d[None]
    assert (direct <= detour + negligible(d, metric)).all()


def invariant_cases(invariance):
    return [(name, rank) for name, rank in CASES if invariance in METRICS[name].invariances]


@at_every_scale_and_precision
@pytest.mark.parametrize(("metric", "rank"), invariant_cases("orthogonal"))
def test_invariance_under_rotations(metric, rank, scale, dtype, device):
    points, q = matrices(4, rank), orthogonal()
    before, after = (
        pairwise_distance(as_given(x, scale, dtype, device), metric=metric)
        for x in (points, q @ points @ q.T)
    )
    assert_same(after, before, metric, dtype)


@pytest.mark.parametrize(("metric", "rank"), CASES)
@pytest.mark.parametrize("scale", [1e-8, 3.0, 1e8])
def test_homogeneity_is_what_is_stated(metric, rank, scale):
    degree = METRICS[metric].homogeneity
    points = matrices(4, rank)
    before = pairwise_distance(points, metric=metric)
    after = pairwise_distance(scale * points, metric=metric)
    assert ("scaling" in METRICS[metric].invariances) == (degree == 0)
    if np.isnan(degree):
        # At full rank the projectors agree, and what is left of pseudo-log is scale-invariant.
        expected = rank == 0 or (metric == "pseudo-log" and rank == SIZE)
        assert expected or not np.allclose(after, before, rtol=1e-3)
    else:
        expected = scale**degree * before
        np.testing.assert_allclose(after, expected, rtol=1e-8, atol=negligible(expected, metric))


@at_every_scale_and_precision
@pytest.mark.parametrize(("metric", "rank"), invariant_cases("inversion"))
def test_invariance_under_inversion(metric, rank, scale, dtype, device):
    points = matrices(4, rank)
    before = pairwise_distance(as_given(points, scale, dtype, device), metric=metric)
    inverse = as_given(np.linalg.inv(points), 1 / scale, dtype, device)
    assert_same(pairwise_distance(inverse, metric=metric), before, metric, dtype)


@at_every_scale_and_precision
@pytest.mark.parametrize(("metric", "rank"), invariant_cases("congruence"))
def test_invariance_under_congruence(metric, rank, scale, dtype, device):
    points, g = matrices(4, rank), orthogonal() * np.geomspace(0.5, 2.0, SIZE)
    before, after = (
        pairwise_distance(as_given(x, scale, dtype, device), metric=metric)
        for x in (points, g @ points @ g.T)
    )
    assert_same(after, before, metric, dtype)


@pytest.mark.parametrize("metric", METRICS)
def test_congruence_changes_the_distance_unless_invariance_is_stated(metric):
    g = np.random.default_rng(3).normal(size=(SIZE, SIZE)) + 2 * np.eye(SIZE)
    points = matrices(4, 3 if METRICS[metric].domain != "full rank" else SIZE)
    before = pairwise_distance(points, metric=metric)
    after = pairwise_distance(g @ points @ g.T, metric=metric)
    same = np.allclose(before, after, rtol=1e-8)
    assert same == ("congruence" in METRICS[metric].invariances)


@at_every_scale_and_precision
@pytest.mark.parametrize(("metric", "rank"), CASES)
def test_matrix_factor_and_unfolding_agree(metric, rank, scale, dtype, device):
    x = factors(5, rank, columns=9)
    x = x - x.mean(-1, keepdims=True)
    given = {
        "matrix": as_given(x @ x.swapaxes(-1, -2), scale, dtype, device),
        "factor": as_given(x, scale**0.5, dtype, device),
        "unfolding": as_given(np.sqrt(8) * x + 3, scale**0.5, dtype, device),
    }
    tables = {form: pairwise_distance(s, metric=metric, form=form) for form, s in given.items()}
    assert_same(tables["matrix"], tables["factor"], metric, dtype)
    assert_same(tables["unfolding"], tables["factor"], metric, dtype)


@at_every_scale_and_precision
@pytest.mark.parametrize(("metric", "rank"), CASES)
def test_leading_dimensions_broadcast(metric, rank, scale, dtype, device):
    a = as_given(matrices(6, rank), scale, dtype, device).reshape(2, 1, 3, SIZE, SIZE)
    b = as_given(matrices(3, rank, seed=1), scale, dtype, device)
    d = distance(a, b, metric)
    assert d.shape == (2, 1, 3)
    assert_same(d[1, 0, 2], distance(a[1, 0, 2], b[2], metric), metric, torch.float64)


@pytest.mark.parametrize("metric", METRICS)
def test_arrays_and_tensors_give_the_same(metric):
    a, b = matrices(6, SIZE).reshape(2, 1, 3, SIZE, SIZE), matrices(3, SIZE, seed=1)
    d = distance(a, b, metric)
    assert isinstance(distance(a[0, 0, 0], b[0], metric), float)
    t = distance(torch.from_numpy(a), torch.from_numpy(b), metric)
    np.testing.assert_array_equal(t.numpy(), d)


def log_cholesky(a, b):
    la, lb = np.linalg.cholesky(a), np.linalg.cholesky(b)
    lower = np.linalg.norm(np.tril(la - lb, -1))
    return np.hypot(lower, np.linalg.norm(np.log(np.diag(la) / np.diag(lb))))


def log_det_divergence(a, b):
    return (
        np.linalg.slogdet((a + b) / 2)[1] - (np.linalg.slogdet(a)[1] + np.linalg.slogdet(b)[1]) / 2
    )


REFERENCES = {
    "log-euclidean": lambda a, b: np.linalg.norm(logm(a) - logm(b)),
    "affine-invariant": lambda a, b: np.linalg.norm(np.log(eigvalsh(b, a))),
    "bures-wasserstein": lambda a, b: np.sqrt(
        np.trace(a) + np.trace(b) - 2 * np.trace(sqrtm(sqrtm(a) @ b @ sqrtm(a)).real)
    ),
    "log-cholesky": log_cholesky,
    "stein": log_det_divergence,
}


@pytest.mark.parametrize(("metric", "reference"), REFERENCES.items())
def test_definite_matrices_agree_with_the_definition(metric, reference):
    a, b = matrices(4, SIZE), matrices(4, SIZE, seed=1)
    expected = [[reference(x, y) for y in b] for x in a]
    np.testing.assert_allclose(pairwise_distance(a, b, metric), expected, rtol=1e-8)


def test_bures_wasserstein_in_a_stack_of_other_ranks_keeps_its_digits():
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(6, 5, 7)) for _ in range(2))
    for place in range(6):
        x[place, :, place + 1 :] = y[place, :, 6 - place :] = 0
    found = pairwise_distance(x, y, "bures-wasserstein", form="factor")
    alone = [[distance(a, b, "bures-wasserstein", form="factor") for b in y] for a in x]
    np.testing.assert_allclose(found, alone, rtol=1e-13)


@pytest.mark.parametrize(("rank", "other"), [(1, 4), (2, 2), (0, 3), (3, SIZE)])
def test_bures_wasserstein_between_ranks_is_the_formula(rank, other):
    x, y = factors(1, rank)[0], factors(1, other, seed=1)[0]
    nuclear = np.linalg.norm(x.T @ y, "nuc")
    expected = np.sqrt((x**2).sum() + (y**2).sum() - 2 * nuclear)
    assert distance(x @ x.T, y @ y.T) == pytest.approx(expected, rel=1e-9)
    assert distance(x, y, form="factor") == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize("rank", [1, 3, SIZE])
def test_near_points_keep_their_digits(gap, rank):
    # For S = diag(λ) and its multiple the Bures–Wasserstein distance is |√(1+g) − 1| √tr S.
    values = np.zeros(SIZE)
    values[:rank] = np.arange(1.0, rank + 1)
    q = orthogonal()
    a = q * np.sqrt(values)
    stretched = a * np.sqrt(1 + gap)
    expected = np.sqrt(values.sum()) * gap / 2
    assert distance(a, stretched, form="factor") == pytest.approx(expected, rel=2e-3)
    found = pairwise_distance(np.stack([a, stretched]), form="factor")[0, 1]
    assert found == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("metric", ["projection", "pseudo-log", "log-euclidean", "log-cholesky"])
def test_near_points_of_flat_metrics_keep_their_digits_in_the_table(metric):
    points = matrices(4, SIZE if METRICS[metric].domain == "full rank" else 3)
    g = np.eye(SIZE) + 1e-7 * np.random.default_rng(5).normal(size=(4, SIZE, SIZE))
    points = np.concatenate([points, g @ points @ g.swapaxes(-1, -2)])
    table = pairwise_distance(points, metric=metric)
    pairs = distance(points[:, None], points[None], metric)
    off = ~np.eye(8, dtype=bool)
    np.testing.assert_allclose(table[off], pairs[off], rtol=1e-7)
    cross = pairwise_distance(points[:4], points[4:], metric)
    np.testing.assert_allclose(cross, table[:4, 4:], rtol=1e-7)


def test_projection_distances_are_functions_of_principal_angles():
    a, b = matrices(2, 2)
    angles = subspace_angles(*(np.linalg.svd(s)[0][:, :2] for s in (a, b)))
    assert distance(a, b, "projection") == pytest.approx(np.sqrt((np.sin(angles) ** 2).sum()))
    assert distance(a, b, "projection-arc") == pytest.approx(np.sqrt((angles**2).sum()))
    assert distance(a, np.zeros_like(a), "projection-arc") == pytest.approx(np.sqrt(2) * np.pi / 2)


def test_arc_of_a_tiny_rotation_is_resolved():
    t = 1e-9
    a, b = np.array([[1.0], [0.0]]), np.array([[np.cos(t)], [np.sin(t)]])
    assert distance(a, b, "projection-arc", form="factor") == pytest.approx(t, rel=1e-6)


def test_bonnabel_sepulchre_at_full_rank_is_affine_invariant():
    points = matrices(4, SIZE)
    np.testing.assert_allclose(
        pairwise_distance(points, metric="bonnabel-sepulchre"),
        pairwise_distance(points, metric="affine-invariant"),
        rtol=1e-9,
        atol=1e-7,
    )


def test_bonnabel_sepulchre_of_a_rotated_and_stretched_line():
    t, stretch = 0.3, 4.0
    a, b = np.array([[1.0], [0.0]]), 2.0 * np.array([[np.cos(t)], [np.sin(t)]])
    found = distance(a, b, "bonnabel-sepulchre", form="factor", log_weight=0.5)
    assert found == pytest.approx(np.sqrt(t**2 + 0.5 * np.log(stretch) ** 2))


def test_bonnabel_sepulchre_breaks_the_triangle_inequality_as_stated():
    # A case found by search: three planes in space with unequal ellipses.
    rng = np.random.default_rng(0)
    worst = 0.0
    for _ in range(200):
        x = rng.normal(size=(3, 3, 2)) * rng.uniform(0.05, 3, size=(3, 1, 2))
        d = pairwise_distance(x, metric="bonnabel-sepulchre", form="factor", log_weight=1.0)
        worst = max(worst, d[0, 1] - d[0, 2] - d[2, 1])
    assert worst > 1e-3


def test_stein_breaks_the_triangle_inequality_and_its_root_does_not():
    line = np.array([0.1, 1.0, 10.0]).reshape(3, 1, 1)
    d = pairwise_distance(line, metric="stein")
    assert d[0, 2] > d[0, 1] + d[1, 2]
    root = np.sqrt(pairwise_distance(matrices(8, SIZE), metric="stein"))
    assert (root[:, None] <= root[:, :, None] + root[None] + 1e-12).all()


@pytest.mark.parametrize("ratio", [1e-6, 1e-12, 1e12])
def test_extreme_ratios_keep_their_logarithms(ratio):
    a, b = np.eye(3), np.diag([1.0, ratio, 1.0])
    log = abs(np.log(ratio))
    assert distance(a, b, "affine-invariant") == pytest.approx(log, rel=1e-10)
    stein = np.log((1 + ratio) / 2) - np.log(ratio) / 2
    assert distance(a, b, "stein") == pytest.approx(stein, rel=1e-10)


def test_products_add_squares_up():
    modes = (matrices(4, SIZE), matrices(4, 2, seed=1), matrices(4, 3, size=6, seed=2))
    weights = (1.0, 0.5, 2.0)
    names = ("affine-invariant", "bures-wasserstein", "bonnabel-sepulchre")
    parts = [pairwise_distance(x, metric=m) for x, m in zip(modes, names, strict=True)]
    expected = np.sqrt(sum(w * d**2 for w, d in zip(weights, parts, strict=True)))
    np.testing.assert_allclose(
        pairwise_distance(modes, metric=names, weights=weights), expected, rtol=1e-12
    )
    first, second = (tuple(x[i] for x in modes) for i in (0, 1))
    found = distance(first, second, names, weights=weights)
    assert found == pytest.approx(expected[0, 1], rel=1e-8)


def test_products_of_divergences_stay_divergences():
    modes = (matrices(3, SIZE), matrices(3, 4, size=4, seed=1))
    expected = sum(pairwise_distance(x, metric="stein") for x in modes)
    np.testing.assert_allclose(pairwise_distance(modes, metric="stein"), expected)


def test_pair_metrics_count_what_they_hold():
    x = factors(200, 3)
    needed = 8 * 3 * 200 * SIZE * (SIZE + 4)
    pairwise_distance(x, form="factor", budget=needed)
    for call in (pairwise_distance, lambda x, **k: distance(x[:100], x[100:], **k)):
        with pytest.raises(ValueError, match=r"200 matrices of 5 rows needs .* raise budget="):
            call(x, form="factor", budget=needed - 1)


def test_a_ridge_opens_full_rank_metrics_to_every_rank():
    x = factors(3, 2)
    s = x @ x.swapaxes(-1, -2) + 0.1 * np.eye(SIZE)
    for metric in ("log-euclidean", "affine-invariant", "log-cholesky", "stein"):
        found = pairwise_distance(x, metric=metric, form="factor", ridge=0.1)
        np.testing.assert_allclose(found, pairwise_distance(s, metric=metric), rtol=1e-9)


@pytest.mark.parametrize("metric", ["pseudo-log", "bures-wasserstein", "affine-invariant"])
def test_many_pairs_are_assembled_from_blocks(metric, monkeypatch):
    points = matrices(90, SIZE)
    whole = pairwise_distance(points, points[:70], metric)
    monkeypatch.setattr("latentgeo.geometry._pairs.piece_bytes", lambda x: 2.0**14)
    np.testing.assert_allclose(
        pairwise_distance(points, points[:70], metric), whole, rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(
        pairwise_distance(points, metric=metric)[:, :70], whole, rtol=1e-9, atol=1e-7
    )


ASYMMETRIC = np.array([[1.0, 0.5], [0.0, 1.0]])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: pairwise_distance(np.ones((2, 3, 4))),
            r"expected square .* singular .* rank 1",
        ),
        (
            lambda: distance(ASYMMETRIC, np.eye(2)),
            "in matrix 0 .* 0.5 .* 1 .singular .* rank 2.;",
        ),
        (lambda: distance(np.diag([1.0, -0.1]), np.eye(2)), "-0.1 to 1, rank 1; expected no"),
        (lambda: distance(np.eye(2), np.full((2, 2), np.nan)), "b of shape .* 4 NaN"),
        (lambda: pairwise_distance(np.ones((0, 3, 3))), r"empty: shape \(0, 3, 3\)"),
        (lambda: pairwise_distance(np.eye(3)), r"shape \(3, 3\); expected a set"),
        (lambda: distance(np.eye(2), np.eye(3)), "have 2 and 3 rows"),
        (lambda: distance(np.eye(2), np.eye(2), "manhattan"), "'manhattan'; expected one of proj"),
        (
            lambda: distance(np.diag([3.0, 2.0, 0.0]), np.eye(3), "affine-invariant"),
            r"definite .* matrix 0 of a, 3x3, has rank 2 .*2 to 3.*bures-wasserstein",
        ),
        (
            lambda: distance(np.diag([1.0, 0.0]), np.eye(2), "bonnabel-sepulchre"),
            r"one rank, and these, 2x2, have ranks \[1, 2\] .*ranges 1 to 1.; take one stratum",
        ),
        (lambda: distance(np.eye(2), np.eye(2), log_weight=-1), "log_weight is -1"),
        (lambda: distance(np.eye(2), np.eye(2), ridge=float("nan")), "ridge is nan"),
        (lambda: distance(np.eye(2), np.eye(2), form="cov"), "form is 'cov'"),
        (lambda: distance(np.eye(2), np.eye(2), weights=(1,)), "tuples of modes; got one array"),
        (lambda: distance((np.eye(2),), (np.eye(2),) * 2), "tuple of 1 modes"),
        (lambda: distance((np.eye(2),), (np.eye(2),), weights=(1, 2)), "expected 1 numbers"),
        (
            lambda: distance((np.eye(2),), (np.eye(2),), ["stein", "stein"]),
            "2 metrics for 1 modes",
        ),
        (
            lambda: pairwise_distance(np.ones((500, 40, 40)), metric="pseudo-log", budget=2**20),
            r"500 matrices of 40 rows needs 6\.\d+ MiB .* budget is 1.00 MiB; work in blocks",
        ),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
