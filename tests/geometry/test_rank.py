import numpy as np
import pytest
import torch

from latentgeo.geometry import (
    default_tolerance,
    distinct_positions,
    effective_rank,
    matrix_rank,
    mode_ranks,
    mode_singular_values,
    mode_unfoldings,
    rank_at_tolerance,
    rank_from_singular_values,
    rounding_floor,
    singular_values,
    stable_rank,
)

SCALES = [1e-8, 1.0, 1e8]


def matrices_of_rank(rank, rows, columns, dtype=np.float64, scale=1.0, batch=3, seed=0):
    """Random matrices whose rank stays what it is under centring."""
    rng = np.random.default_rng(seed)
    right = rng.normal(size=(batch, rank, columns))
    right -= right.mean(-1, keepdims=True)
    return (scale * rng.normal(size=(batch, rows, rank)) @ right).astype(dtype)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("rows", "columns", "rank"),
    [(7, 896, 7), (7, 896, 3), (128, 49, 48), (128, 49, 30), (128, 49, 1), (5, 5, 4), (2, 9, 0)],
)
def test_known_ranks_are_read(rows, columns, rank, dtype, scale):
    x = matrices_of_rank(rank, rows, columns, dtype, scale)
    assert matrix_rank(x).tolist() == [rank] * 3


@pytest.mark.parametrize("scale", SCALES)
def test_float32_rounding_does_not_count_as_rank_after_an_upcast(scale):
    x = matrices_of_rank(30, 128, 49, np.float32, scale).astype(np.float64)
    assert matrix_rank(x, source_dtype="float32").tolist() == [30] * 3
    assert matrix_rank(x, source_dtype=torch.float32).tolist() == [30] * 3
    assert matrix_rank(x).tolist() == [48] * 3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_sources_have_their_own_tolerance(dtype):
    x = torch.from_numpy(matrices_of_rank(3, 20, 30)).to(dtype)
    assert matrix_rank(x).tolist() == [3] * 3


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5)])
def test_float64_agrees_with_numpy(shape):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(20, *shape))
    x[::2, 0] = x[::2, 1]
    centred = x - x.mean(-1, keepdims=True)
    assert matrix_rank(x).tolist() == np.linalg.matrix_rank(centred).tolist()
    assert matrix_rank(x, centred=False).tolist() == np.linalg.matrix_rank(x).tolist()


@pytest.mark.parametrize("shape", [(128, 49), (7, 60), (9, 9)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("centred", [True, False])
def test_singular_values_are_numpys(shape, dtype, centred):
    x = np.random.default_rng(2).normal(size=(4, *shape)).astype(dtype) + dtype(3)
    reference = x.astype(np.float64)
    if centred:
        reference = reference - reference.mean(-1, keepdims=True)
    expected = np.linalg.svd(reference, compute_uv=False)
    floor = 1e-13 if dtype == np.float64 else 3e-8
    np.testing.assert_allclose(
        singular_values(x, centred=centred), expected, rtol=1e-9, atol=floor * expected.max()
    )


def test_a_rule_changes_the_rank_of_the_same_spectrum():
    singular = np.geomspace(1, 1e-4, 9)
    rng = np.random.default_rng(3)
    left = np.linalg.qr(rng.normal(size=(20, 9)))[0]
    right = np.linalg.qr(rng.normal(size=(30, 10)) - 1e-300)[0]
    right = np.linalg.qr(right - right.mean(0))[0][:, :9]
    right = np.linalg.qr(right - right.mean(0))[0]
    x = ((left * singular) @ right.T).astype(np.float32)
    assert matrix_rank(x) == 9
    assert matrix_rank(x, rule=2e-2) == 4
    centred = x - x.mean(-1, keepdims=True)
    covariance = centred @ centred.T / np.float32(29)
    assert matrix_rank(x, rule="float32-covariance") == np.linalg.matrix_rank(covariance) < 9


@pytest.mark.parametrize("batch", [1, 300])
def test_float32_covariance_is_numpys_own_answer(batch):
    x = np.random.default_rng(4).normal(size=(batch, 40, 20)).astype(np.float32)
    x *= np.geomspace(1, 1e-4, 20, dtype=np.float32)
    centred = x - x.mean(-1, keepdims=True)
    covariance = centred @ centred.swapaxes(-1, -2) / np.float32(19)
    expected = np.linalg.matrix_rank(covariance)
    assert matrix_rank(x, rule="float32-covariance").tolist() == expected.tolist()
    assert matrix_rank(torch.from_numpy(x), rule="float32-covariance").tolist() == expected.tolist()


@pytest.mark.parametrize("shape", [(7, 49), (49, 7), (32, 31), (128, 49)])
def test_float32_covariance_is_numpys_own_answer_near_its_cut(shape):
    rng = np.random.default_rng(5)
    left, singular, right = np.linalg.svd(rng.normal(size=(40, *shape)), full_matrices=False)
    singular = 10 ** rng.uniform(-4, 0, singular.shape)
    x = ((left * singular[:, None]) @ right + rng.normal(size=(40, shape[0], 1))).astype("float32")
    centred = x - x.mean(-1, keepdims=True)
    covariance = centred @ centred.swapaxes(-1, -2) / np.float32(shape[1] - 1)
    expected = np.linalg.matrix_rank(covariance)
    assert len(np.unique(expected)) > 1
    np.testing.assert_array_equal(matrix_rank(x, rule="float32-covariance"), expected)


@pytest.mark.parametrize("rule", ["spectrum", "float32-covariance", 0.1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_and_zero_matrices_have_rank_zero(rule, dtype):
    constant = np.random.default_rng(5).normal(size=(2, 11, 1)).astype(dtype).repeat(300, -1)
    x = (
        np.concatenate([constant, 0 * constant, 1e7 * constant])
        if rule == "spectrum"
        else 0 * constant
    )
    assert not matrix_rank(x, rule=rule).any()


def test_rank_and_spectrum_are_batched_over_leading_dimensions():
    x = matrices_of_rank(2, 5, 8, batch=6).reshape(2, 3, 5, 8)
    assert matrix_rank(x).shape == (2, 3)
    assert singular_values(x).shape == (2, 3, 5)
    np.testing.assert_array_equal(singular_values(x)[1, 2], singular_values(x[1, 2]))


def test_the_same_kind_comes_back():
    x = matrices_of_rank(2, 5, 8)
    assert isinstance(matrix_rank(torch.from_numpy(x)), torch.Tensor)
    assert matrix_rank(torch.from_numpy(x)).dtype == torch.int64
    assert isinstance(matrix_rank(x), np.ndarray)
    assert isinstance(matrix_rank(x[0]), np.integer)
    assert matrix_rank(x[0].tolist()) == 2


def test_a_large_batch_is_the_same_as_its_parts():
    x = matrices_of_rank(7, 20, 30, np.float32, batch=2000)
    parts = np.concatenate([singular_values(x[:999]), singular_values(x[999:])])
    np.testing.assert_allclose(singular_values(x), parts, rtol=1e-12, atol=1e-7)


def test_default_tolerance_is_epsilon_times_the_longer_side():
    assert default_tolerance((3, 128, 49), "float32") == 128 * np.finfo(np.float32).eps
    assert default_tolerance((7, 896), np.float64) == 896 * np.finfo(np.float64).eps


def test_rank_at_tolerance_counts_what_lies_above():
    s = np.array([[1.0, 0.5, 0.1, 0.0], [0.0, 0.0, 0.0, 0.0]])
    tolerances = [0.0, 0.05, 0.1, 0.3, 1.0]
    assert rank_at_tolerance(s, tolerances).tolist() == [[3, 3, 2, 2, 0], [0, 0, 0, 0, 0]]
    for rtol, column in zip(tolerances, rank_at_tolerance(s, tolerances).T, strict=True):
        assert rank_from_singular_values(s, rtol).tolist() == column.tolist()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"x": np.ones(3)}, r"shape \(3,\); expected matrices"),
        ({"x": np.ones((2, 0, 3))}, "empty"),
        ({"x": np.array([[1.0, np.nan]])}, "1 NaN or infinite"),
        ({"x": np.eye(3), "rule": "strict"}, "'strict'; expected 'spectrum'"),
        ({"x": np.eye(3), "rule": -1.0}, "-1.0; expected a number of at least 0"),
        ({"x": np.eye(3), "rule": float("nan")}, "nan; expected"),
    ],
)
def test_bad_input_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        matrix_rank(**arguments)


@pytest.mark.parametrize("rule", ["spectrum", "float32-covariance", 0.3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_modes_of_latents_are_those_of_their_unfoldings(rule, dtype):
    z = np.random.default_rng(6).normal(size=(2, 40, 12, 5, 4)).astype(dtype)
    z[0, :7, 6:] = z[0, :7, :6]
    name = np.dtype(dtype).name
    modes = mode_unfoldings(z)
    ranks = mode_ranks(z, rule=rule)
    expected = [matrix_rank(x, rule=rule, source_dtype=name) for x in modes]
    np.testing.assert_array_equal(ranks, np.stack(expected, -1))
    for values, x in zip(mode_singular_values(z), modes, strict=True):
        np.testing.assert_allclose(
            values, singular_values(x, source_dtype=name), rtol=1e-9, atol=1e-7
        )
    assert isinstance(mode_ranks(torch.from_numpy(z)), torch.Tensor)


@pytest.mark.parametrize("rule", ["spectrum", "float32-covariance", 0.3])
@pytest.mark.parametrize("like", [np.asarray, torch.from_numpy])
def test_singular_values_that_are_there_give_the_same_ranks(rule, like):
    z = np.random.default_rng(6).normal(size=(4, 40, 3, 4)).astype(np.float32)
    z[0] = 1.0  # not zero after centring, but below the floor
    z[1, :, 2] = z[1, :, 1]
    z = like(z)
    found = mode_ranks(z, rule, singular_values=mode_singular_values(z))
    assert type(found) is type(z)
    np.testing.assert_array_equal(found, mode_ranks(z, rule))
    assert found[0].tolist() == [0, 0, 0]


def test_singular_values_of_other_latents_are_refused():
    z = np.ones((4, 5, 3, 2))
    with pytest.raises(ValueError, match=r"\(2, 3\).*expected \[\(4, 3\), \(4, 2\), \(4, 5\)\]"):
        mode_ranks(z, singular_values=mode_singular_values(z[:2]))


def test_modes_of_a_single_latent():
    assert mode_ranks(np.ones((3, 2, 2))).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="expected latents"):
        mode_ranks(np.ones((2, 2)))


def test_float32_latents_keep_their_noise_floor_on_the_way_through_unfoldings():
    rng = np.random.default_rng(7)
    left, right = rng.normal(size=(128, 30)), rng.normal(size=(30, 49))
    z = (left @ right).reshape(128, 7, 7).astype(np.float32)
    assert matrix_rank(mode_unfoldings(z)[2]) == 30
    assert matrix_rank(mode_unfoldings(torch.from_numpy(z))[2]) == 30
    assert mode_ranks(z).tolist() == [7, 7, 30]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("shape", [(7, 900), (64, 49), (128, 49)])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_rounding_floor_lies_above_what_rounding_adds_and_near_it(dtype, shape, scale):
    exact = scale * torch.from_numpy(np.random.default_rng(0).normal(size=(20, *shape)) + 1)
    rounded = exact.to(dtype)
    added = torch.linalg.svdvals(rounded.double() - exact)[:, 0]
    floor = rounding_floor(rounded)
    assert (added < floor).all()
    assert (floor < 5 * added).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("rank", [1, 5, 20])
def test_ranks_of_half_precision_are_counted_by_rounding(dtype, rank):
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.normal(size=(30, 64, rank)) @ rng.normal(size=(30, rank, 49)))
    given = x.to(dtype)
    assert (matrix_rank(given, "rounding", centred=False) == rank).all()
    assert (matrix_rank(given.double(), "rounding", False, source_dtype=dtype) == rank).all()


def test_a_floor_above_all_values_is_a_refusal_and_zero_has_rank_zero():
    noise = 1e-4 * torch.from_numpy(np.random.default_rng(2).normal(size=(3, 8, 20)))
    x = torch.cat([(1 + noise).to(torch.bfloat16), torch.zeros(1, 8, 20).to(torch.bfloat16)])
    x[0, 0, :3] = 1.0078125  # the next number
    assert matrix_rank(x, "rounding").tolist() == [-1, 0, 0, 0]


def test_effective_and_stable_rank_are_their_formulas():
    s = np.random.default_rng(3).uniform(size=(4, 9))
    p = s / s.sum(-1, keepdims=True)
    np.testing.assert_allclose(effective_rank(s), np.exp(-(p * np.log(p)).sum(-1)))
    np.testing.assert_allclose(stable_rank(s), (s**2).sum(-1) / s.max(-1) ** 2)
    flat = np.concatenate([np.full(5, 3.0), np.zeros(4)])
    assert effective_rank(flat) == pytest.approx(5)
    assert stable_rank(flat) == pytest.approx(5)
    assert effective_rank(np.zeros(4)) == stable_rank(np.zeros(4)) == 0
    assert isinstance(effective_rank(torch.ones(3)), torch.Tensor)


def test_effective_rank_of_all_latents_is_rankme():
    z = np.random.default_rng(4).normal(size=(60, 10)) * np.geomspace(1, 1e-3, 10)
    s = np.linalg.svd(z, compute_uv=False)
    p = s / s.sum() + 1e-7  # as in the paper
    expected = np.exp(-(p * np.log(p)).sum())
    assert effective_rank(singular_values(z, centred=False)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("shape", [(3, 3), (9,), (3, 1, 3)])
@pytest.mark.parametrize("blank", [0, 1, 2, 5, 9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_equal_positions_leave_the_rank_that_is_measured(blank, shape, dtype):
    codes = torch.randn(2, 10, 16, 9, generator=torch.Generator().manual_seed(blank)).to(dtype)
    codes[..., :blank] = codes[..., :1].clone()
    found = distinct_positions(codes.reshape(2, 10, 16, *shape), order=1 + len(shape))
    assert found.shape == (2, 10)
    assert set(found.flatten().tolist()) == {9 - max(blank - 1, 0)}
    centred = codes.double() - codes.double().mean(-1, keepdim=True)
    assert torch.equal(found - 1, torch.linalg.matrix_rank(centred, atol=1e-4))


def test_positions_are_equal_up_to_rounding_beside_the_largest_number():
    z = np.zeros((2, 1, 3))
    z[:, 0] = [[1e3, 1.0, 1.0 + 5e-3], [1.0, 0.0, 0.0]]
    assert distinct_positions(z) == 2
    assert distinct_positions(z, tolerance=0.0) == 3
    with pytest.raises(ValueError, match="tolerance is -1"):
        distinct_positions(z, tolerance=-1)
