import numpy as np
import pytest
import torch
from scipy.stats import entropy

from latentgeo.measures.paths.path_ranks import measure_ranks


def test_vectors_have_none():
    assert measure_ranks(torch.ones(2, 3, 4, 1, 1), "float32", 0) is None


def test_the_effective_rank_of_even_and_of_single_spectra():
    # One channel, rows that sum to zero: equal singular values k times, or one.
    even = torch.zeros(4, 8)
    for row in range(4):
        even[row, 2 * row], even[row, 2 * row + 1] = 1, -1
    single = even[:1].repeat(4, 1)
    path = torch.stack([even, single, torch.zeros(4, 8)])[None, :, None]
    found = measure_ranks(path, "float32", 0)
    s1 = found.variables["singular_value_s1"][1][0]
    np.testing.assert_allclose(s1[0], 2**0.5)
    ranks = found.variables["rank"][1][0, 0, :, 0]
    np.testing.assert_array_equal(ranks, [4, 1, 0])
    effective = found.variables["effective_rank"][1][0]
    spectra = [found.variables[f"singular_value_s{mode}"][1][0, 0] for mode in (1, 2, 3)]
    assert effective[0] == pytest.approx(np.mean([np.exp(entropy(each)) for each in spectra]))
    assert np.exp(entropy(spectra[0])) == pytest.approx(4)
    # All rows are one: a direction among rows, none among columns, one among channels.
    assert effective[1] == pytest.approx(2 / 3)
    assert effective[2] == 0


def test_images_that_jump_at_a_crossing_are_told_from_those_that_do_not():
    eye = torch.eye(4)
    start, end = torch.zeros(4, 4), eye * torch.tensor([1.0, -1, 1, -1])
    path = torch.stack([end, end, start, start])[None, :, None].repeat(3, 1, 1, 1, 1)
    found = measure_ranks(path, "float32", 0)
    np.testing.assert_array_equal(found.crossed, [[False, True, False]] * 3)
    moved = np.array([[1.0, 3.0, 1.0], [1.0, 1.0, 1.0], [2.0, 8.0, 2.0]])
    jumps = found.at_crossings(moved, 0)
    np.testing.assert_allclose(jumps["step_at_crossings"][1], [2, 0, 3])
    assert float(jumps["step_at_crossings_mean"][1]) == pytest.approx(5 / 3)
