"""The solvers give the same answers on every route."""

import numpy as np
import pytest
import torch

from latentgeo.geometry import _linalg


def stack(count, rows, columns):
    return torch.randn(count, rows, columns, dtype=torch.float64)


@pytest.fixture(autouse=True)
def _threads_as_before():
    """Undo what a pretended number of threads leaves behind: it is set in earnest afterwards."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=["few", "many"])
def batch(request, monkeypatch):
    """A batch that stays on one thread, or one that is spread over threads."""
    if request.param == "many":
        monkeypatch.setattr(_linalg, "_WORTH_A_POOL", 1.0)
        monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    return 7


@pytest.mark.parametrize("size", [5, 70, 130])
def test_eigenproblems(batch, size):
    x = stack(batch, size, size)
    x = x + x.mT
    expected = torch.linalg.eigvalsh(x)
    torch.testing.assert_close(_linalg.eigvalsh(x), expected)
    values, vectors = _linalg.eigh(x)
    torch.testing.assert_close(values, expected)
    torch.testing.assert_close(vectors @ torch.diag_embed(values) @ vectors.mT, x)


@pytest.mark.parametrize("count", [1, 3, 12, 40])
def test_leading_eigenvectors_are_the_last_of_all(batch, count):
    x = stack(batch, 40, 40)
    x = x @ x.mT
    values, vectors = _linalg.leading_eigh(x, count)
    assert vectors.shape == (batch, 40, count)
    torch.testing.assert_close(values, torch.linalg.eigvalsh(x)[:, -count:])
    torch.testing.assert_close(x @ vectors, vectors * values[:, None])
    torch.testing.assert_close(
        vectors.mT @ vectors, torch.eye(count).double().expand(batch, -1, -1)
    )


@pytest.mark.parametrize("shape", [(9, 4), (4, 9)])
def test_factorisations(batch, shape):
    x = stack(batch, *shape)
    left, values, right = _linalg.svd(x)
    torch.testing.assert_close(left @ torch.diag_embed(values) @ right, x)
    torch.testing.assert_close(_linalg.svdvals(x), values)
    q, r = _linalg.qr(x)
    torch.testing.assert_close(q @ r, x)


@pytest.mark.parametrize("gradient", [False, True])
def test_products_are_those_of_torch(gradient):
    x, y = stack(3, 5, 4).requires_grad_(gradient), stack(3, 5, 6)
    found = _linalg.product(x.mT, y)
    torch.testing.assert_close(found, x.mT @ y)
    torch.testing.assert_close(_linalg.small_gram(x), x.mT @ x)
    assert found.requires_grad == gradient


def test_leading_dimensions_are_kept():
    x = stack(6, 3, 3).reshape(2, 3, 3, 3)
    assert _linalg.svdvals(x).shape == (2, 3, 3)
    assert _linalg.eigh(x @ x.mT)[1].shape == (2, 3, 3, 3)


def test_threads_are_as_many_afterwards_as_before():
    threads = torch.get_num_threads()
    big = stack(4000, 20, 20)
    _linalg.eigvalsh(big @ big.mT)
    with _linalg.on_one_thread_if_small(1.0):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == threads


def test_many_cores_do_not_make_many_pieces_at_a_time(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 128)
    assert 1 < _linalg.workers(1e12) * 2**25 < 2**30
    assert _linalg.workers(1.0) == 1


def test_an_error_in_one_thread_comes_through_and_threads_recover(monkeypatch):
    monkeypatch.setattr(_linalg, "_WORTH_A_POOL", 1.0)
    threads = torch.get_num_threads()
    monkeypatch.setattr(_linalg, "workers", lambda cost: 2)

    def fails(piece):
        raise ValueError(f"piece {piece}")

    with pytest.raises(ValueError, match="piece 0"):
        _linalg.map_tiles(fails, range(4), 1e9, torch.zeros(1))
    assert torch.get_num_threads() == threads


def test_squares_are_not_trusted_with_small_singular_values():
    singular = torch.tensor([1.0, 1e-3, 1e-7, 1e-11], dtype=torch.float64)
    q = torch.linalg.qr(stack(2, 4, 4))[0]
    x = (q[0] * singular) @ q[1]
    count = torch.tensor([4])
    found = _linalg.singular_values_by_squares(x[None], count, 1e-3)[0]
    np.testing.assert_allclose(found, singular, rtol=1e-4)


@pytest.mark.parametrize("solver", ["eigvalsh", "eigh"])
def test_the_trial_of_a_card_is_a_trial(solver):
    assert isinstance(_linalg.card_is_slower.__wrapped__(solver, "cpu", 8, 8), bool)
