from typing import get_args

import numpy as np
import pytest
import torch

from latentgeo.metrics.mmd import Kernel, mmd_squared, mmd_test

KERNELS = get_args(Kernel)


def slow(x, y, kernel, scale):
    """Two loops over all pairs."""

    def k(a, b):
        squared = float(((a - b) ** 2).sum())
        if kernel == "rbf":
            return float(np.exp(-squared / scale))
        factors = (0.1, 0.2, 0.5, 1, 2, 5, 10) if kernel == "imq-scales" else (1,)
        return sum(f * scale / (f * scale + squared) for f in factors)

    def within(points):
        n = len(points)
        pairs = [k(points[i], points[j]) for i in range(n) for j in range(n) if i != j]
        return sum(pairs) / (n * (n - 1))

    across = [k(a, b) for a in x for b in y]
    return within(x) + within(y) - 2 * sum(across) / len(across)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("n", "m"), [(7, 7), (5, 9), (2, 2)])
def test_it_is_the_u_statistic_of_a_double_loop(kernel, n, m):
    x, y = torch.randn(n, 3).double(), torch.randn(m, 3).double() + 0.5
    found = mmd_squared(x, y, kernel=kernel, scale=6.0)
    assert float(found) == pytest.approx(slow(x.numpy(), y.numpy(), kernel, 6.0), abs=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
def test_it_is_unbiased(kernel):
    draws = [
        mmd_squared(torch.randn(8, 2), torch.randn(8, 2), kernel=kernel, scale=4.0)
        for _ in range(2000)
    ]
    values = torch.stack(draws)
    assert abs(values.mean()) < 4 * values.std() / len(values) ** 0.5
    assert values.min() < 0


@pytest.mark.parametrize("kernel", KERNELS)
def test_properties(kernel):
    x, y = torch.randn(20, 4).double(), torch.randn(20, 4).double() + 1
    value = mmd_squared(x, y, kernel=kernel, scale=8.0)
    torch.testing.assert_close(mmd_squared(y, x, kernel=kernel, scale=8.0), value)
    rotation = torch.linalg.qr(torch.randn(4, 4).double())[0]
    turned = mmd_squared(x @ rotation + 3, y @ rotation + 3, kernel=kernel, scale=8.0)
    torch.testing.assert_close(turned, value)
    torch.testing.assert_close(mmd_squared(2 * x, 2 * y, kernel=kernel, scale=32.0), value)
    assert value > mmd_squared(x, torch.randn(20, 4).double(), kernel=kernel, scale=8.0)


@pytest.mark.parametrize("kernel", KERNELS)
def test_gradients_are_those_of_differences_and_finite_where_points_meet(kernel):
    x = torch.randn(4, 2).double().requires_grad_()
    y = torch.randn(4, 2).double()
    assert torch.autograd.gradcheck(lambda z: mmd_squared(z, y, kernel=kernel, scale=4.0), x)
    same = torch.ones(3, 2, requires_grad=True)
    mmd_squared(same, torch.ones(3, 2), kernel=kernel, scale=4.0).backward()
    assert same.grad.isfinite().all()


def test_the_test_finds_a_shift_and_holds_its_level():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    assert mmd_test(x, rng.normal(size=(60, 2)) + 1, seed=0, permutations=99).p_value == 0.01
    p_values = [
        mmd_test(
            rng.normal(size=(15, 2)), rng.normal(size=(15, 2)), seed=i, permutations=99
        ).p_value
        for i in range(200)
    ]
    # 200 tests at 10 %: 20 ± 4.2.
    assert 7 <= np.sum(np.array(p_values) <= 0.1) <= 35


def test_the_statistic_of_the_test_is_that_of_the_measure():
    x, y = torch.randn(9, 3).double(), torch.randn(6, 3).double()
    found = mmd_test(x, y, seed=0, permutations=20, scale=5.0)
    assert found.statistic == pytest.approx(float(mmd_squared(x, y, scale=5.0)), abs=1e-12)
    assert found == mmd_test(x.numpy(), y.numpy(), seed=0, permutations=20, scale=5.0)
    assert abs(found.null_mean) < 5 * found.null_deviation


@pytest.mark.parametrize(
    ("x", "y", "settings", "message"),
    [
        ((3, 2), (3, 4), {}, r"shapes \(3, 2\) and \(3, 4\), expected"),
        ((3,), (3,), {}, "expected"),
        ((1, 2), (3, 2), {}, "1 and 3 points, an unbiased estimate needs 2"),
        ((3, 2), (3, 2), {"scale": 0.0}, "scale is 0.0, expected a positive"),
        ((3, 2), (3, 2), {"kernel": "cubic"}, "kernel is 'cubic', expected one of imq"),
    ],
)
def test_what_cannot_be_compared_is_refused(x, y, settings, message):
    with pytest.raises(ValueError, match=message):
        mmd_squared(torch.zeros(x), torch.zeros(y), **{"scale": 1.0, **settings})
