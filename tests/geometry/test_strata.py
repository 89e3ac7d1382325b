import numpy as np
import pytest

from latentgeo.geometry import (
    product_stratum_dimension,
    strata_counts,
    stratum_dimension,
)


@pytest.mark.parametrize(("n", "k"), [(5, 0), (5, 1), (5, 3), (5, 5), (7, 4)])
def test_dimension_is_the_rank_of_the_factorisations_differential(n, k):
    factor = np.random.default_rng(0).normal(size=(n, k))
    directions = np.eye(n * k).reshape(n * k, n, k)
    differential = directions @ factor.T + factor @ directions.swapaxes(1, 2)
    rank = np.linalg.matrix_rank(differential.reshape(n * k, n * n)) if k else 0
    assert stratum_dimension(n, k) == rank


def test_the_paper_s_product_stratum():
    assert product_stratum_dimension((7, 7, 128), (7, 7, 48)) == 28 + 28 + 128 * 48 - 48 * 47 // 2


def test_strata_are_counted_most_frequent_first():
    ranks = np.array([[7, 7, 40], [7, 7, 48], [7, 7, 48], [6, 7, 40]])
    assert list(strata_counts(ranks).items()) == [((7, 7, 48), 2), ((7, 7, 40), 1), ((6, 7, 40), 1)]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: stratum_dimension(3, 4), "the rank is 4; expected 0 to 3"),
        (lambda: product_stratum_dimension((3, 4), (1,)), "2 sizes and 1 ranks"),
        (lambda: strata_counts([]), r"shape \(0,\)"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
