"""Sums of squared logarithms without eigenvalues, beside the sums of the eigenvalues."""

import numpy as np
import pytest
import torch
from scipy.linalg import eigvalsh

from latentgeo.geometry import _logarithms, _tridiagonal, metrics, pairwise_distance
from latentgeo.geometry._logarithms import squared_logarithms
from latentgeo.geometry._tridiagonal import tridiagonal

SIZES = [1, 2, 3, 7, 19, 20, 49]


def of_spectrum(logarithms, seed=0):
    """Definite matrices whose eigenvalues have these logarithms (batch, n)."""
    values = np.exp(np.asarray(logarithms, dtype=float))
    count, size = values.shape
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(count, size, size)))[0]
    x = (turn * values[:, None, :]) @ turn.swapaxes(-1, -2)
    return torch.from_numpy((x + x.swapaxes(-1, -2)) / 2)


def spread(count, size, width, seed=0):
    return np.random.default_rng(seed).uniform(-width, width, size=(count, size)) + 0.5


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_tridiagonal_forms_have_the_same_spectrum(size, scale):
    x = scale * torch.randn(5, size, size, dtype=torch.float64)
    x = x + x.mT
    expected = torch.linalg.eigvalsh(x)
    diagonals, squares = tridiagonal(x.clone())
    assert diagonals.shape == (size, 5)
    assert squares.shape == (size - 1, 5)
    form = torch.diag_embed(diagonals.mT)
    if size > 1:
        beside = squares.sqrt().mT
        form = form + torch.diag_embed(beside, 1) + torch.diag_embed(beside, -1)
    torch.testing.assert_close(
        torch.linalg.eigvalsh(form), expected, rtol=0, atol=1e-13 * float(expected.abs().max())
    )


@pytest.mark.parametrize("size", [5, 30])
def test_what_is_tridiagonal_already_stays_finite(size):
    x = torch.stack([torch.zeros(size, size), torch.eye(size)]).double()
    diagonals, squares = tridiagonal(x.clone())
    torch.testing.assert_close(diagonals.mT, x.diagonal(dim1=-2, dim2=-1))
    assert not squares.any()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("width", [0.5, 2.0, 4.0])
@pytest.mark.parametrize("offset", [0.0, -30.0, 30.0])
def test_sums_are_those_of_the_eigenvalues(size, width, offset):
    logarithms = spread(300, size, width) + offset
    sums, sound = squared_logarithms(
        of_spectrum(logarithms), torch.from_numpy(logarithms.mean(-1) + 0.3)
    )
    expected = (logarithms**2).sum(-1)
    assert sound.numpy()[expected > 0.2].all()
    # Rounding of the matrix itself moves its smallest eigenvalue by eps times the condition.
    given = 1e-15 * np.exp(np.ptp(logarithms, axis=-1)).max() + 5e-13
    np.testing.assert_allclose(sums[sound], expected[sound.numpy()], rtol=given)


def test_what_is_not_right_is_said_to_be_so():
    close = np.full((1, 30), 1e-3)
    wide = np.linspace(-12, 12, 30)[None]
    low, high = np.r_[-14.0, np.zeros(29)][None], np.r_[14.0, np.zeros(29)][None]
    x = of_spectrum(np.concatenate([close, wide, low, high]))
    assert not squared_logarithms(x, torch.zeros(4).double())[1].any()


def test_matrices_of_no_use_do_no_harm_to_others():
    x = of_spectrum(spread(3, 30, 2.0))
    x[1] = -x[1]
    sums, sound = squared_logarithms(x, torch.zeros(3).double())
    assert sound.tolist() == [True, False, True]
    assert torch.isfinite(sums[sound]).all()


@pytest.mark.parametrize("condition", [1e1, 1e4, 1e6])
def test_distances_agree_with_the_definition(condition):
    size = metrics._SUMS_WITHOUT_EIGENVALUES_FROM + 10
    logarithms = np.random.default_rng(1).uniform(0, np.log(condition), size=(6, size))
    points = of_spectrum(logarithms).numpy()
    points = np.concatenate([points, (1 + 1e-6) * points[:2], 1e6 * points[:1]])
    expected = [[np.linalg.norm(np.log(eigvalsh(y, x))) for y in points] for x in points]
    found = pairwise_distance(points, metric="affine-invariant")
    np.testing.assert_allclose(found, expected, rtol=1e-14 * condition + 1e-10, atol=1e-8)
    assert found[0, 6] == pytest.approx(1e-6 * size**0.5, rel=1e-4)


def test_without_lapack_eigenvalues_do_the_work(monkeypatch):
    points = of_spectrum(spread(8, 30, 2.0)).numpy()
    expected = pairwise_distance(points, metric="affine-invariant")
    monkeypatch.setattr(_tridiagonal, "_dsytrd", lambda: None)
    assert tridiagonal(torch.eye(30).double()[None]) is None
    np.testing.assert_allclose(
        pairwise_distance(points, metric="affine-invariant"), expected, rtol=1e-12
    )


def test_many_matrices_are_worked_on_in_pieces(monkeypatch):
    logarithms = spread(50, 8, 2.0)
    centre = torch.from_numpy(logarithms.mean(-1))
    whole, _ = squared_logarithms(of_spectrum(logarithms), centre)
    monkeypatch.setattr(_logarithms, "_MATRICES_AT_ONCE", 7)
    monkeypatch.setattr(_tridiagonal, "_MATRICES_AT_ONCE", 11)
    pieces, _ = squared_logarithms(of_spectrum(logarithms), centre)
    torch.testing.assert_close(pieces, whole, rtol=1e-12, atol=0)
