import numpy as np
import pytest
from scipy.stats import ttest_1samp

from latentgeo.metrics import interval_over_seeds


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_it_is_students_interval(level):
    values = np.random.default_rng(0).normal(3, 2, (4, 5))
    found = interval_over_seeds(values, level=level)
    for row, mean, low, high in zip(values, *found, strict=True):
        expected = ttest_1samp(row, 0).confidence_interval(level)
        assert (mean, low, high) == pytest.approx((row.mean(), *expected))


def test_it_covers_the_truth_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(1, 1, (4000, 3))
    found = interval_over_seeds(draws)
    assert np.mean((found.low < 1) & (found.high > 1)) == pytest.approx(0.95, abs=0.015)


def test_one_seed_has_no_interval():
    mean, low, high = interval_over_seeds([2.0])
    assert (mean, np.isnan(low), np.isnan(high)) == (2, True, True)


def test_no_seed_is_refused():
    with pytest.raises(ValueError, match=r"values has shape \(0,\), expected"):
        interval_over_seeds([])
