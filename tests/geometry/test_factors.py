"""Factors of a set are collected piece by piece."""

import numpy as np
import pytest
import torch

from latentgeo.geometry import _factors
from latentgeo.geometry._factors import range_factors

EPS = float(np.finfo(np.float64).eps)


def set_of_ranks(ranks, size=6):
    x = np.random.default_rng(0).normal(size=(len(ranks), size, size))
    for matrix, rank in zip(x, ranks, strict=True):
        matrix[:, rank:] = 0
    return torch.from_numpy(x)


@pytest.fixture
def small_pieces(monkeypatch):
    """Two matrices of 6×6 in each piece."""
    monkeypatch.setattr(_factors, "piece_bytes", lambda x: 2 * 48.0 * 36)


@pytest.mark.parametrize(
    "ranks", [[2] * 7, [0, 0, 1, 6, 2, 3, 0], [6, 1, 1, 1, 1], [0] * 5, [1, 2, 3, 4, 5, 6], [3]]
)
@pytest.mark.parametrize("gradient", [False, True])
def test_pieces_of_any_ranks_make_one_set(ranks, gradient, small_pieces):
    x = set_of_ranks(ranks).requires_grad_(gradient)
    found = range_factors(x, "factor", EPS)
    assert found.rank.tolist() == ranks
    assert found.basis.shape == (len(ranks), 6, max(1, *ranks))
    assert found.values.shape == found.basis.shape[::2]
    torch.testing.assert_close(found.half @ found.half.mT, x @ x.mT)
    for basis, values, rank in zip(*found, strict=True):
        assert not basis[:, rank:].any()
        assert not values[rank:].any()


def test_small_ranks_of_large_matrices_are_held_without_the_rest(small_pieces):
    found = range_factors(set_of_ranks([1, 1, 1, 2, 1]), "factor", EPS)
    assert found.basis.untyped_storage().nbytes() == 8 * 5 * 6 * 2
