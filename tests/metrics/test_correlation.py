import numpy as np
import pytest
from scipy.stats import bootstrap, rankdata, spearmanr

from latentgeo.metrics.correlation import spearman


@pytest.fixture
def measures():
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    return x, 0.6 * x + rng.normal(size=60)


def test_agrees_with_scipy_also_with_ties(measures):
    for x, y in (measures, [np.round(each) for each in measures]):
        assert spearman(x, y, seed=0).rho == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)


def test_the_interval_is_that_of_another_bootstrap(measures):
    found = spearman(*measures, seed=0, resamples=4000)
    other = bootstrap(
        measures,
        lambda x, y: spearmanr(x, y).statistic,
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=2000,
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert found.low == pytest.approx(other.low, abs=0.03)
    assert found.high == pytest.approx(other.high, abs=0.03)
    assert found.low < found.rho < found.high


def test_rising_maps_change_nothing_and_falling_ones_turn_it_round(measures):
    x, y = measures
    rho = spearman(x, y, seed=0).rho
    assert spearman(np.exp(x), y**3, seed=0).rho == pytest.approx(rho)
    assert spearman(-x, y, seed=0).rho == pytest.approx(-rho)


def test_what_is_not_finite_is_left_out_and_counted(measures):
    x, y = (each.copy() for each in measures)
    whole = spearman(x[2:], y[2:], seed=0)
    x[0], y[1] = np.nan, np.inf
    assert spearman(x, y, seed=0) == whole
    assert whole.pairs == 58


def test_given_a_third_measure_only_the_rest_counts():
    rng = np.random.default_rng(0)
    third = rng.normal(size=200)
    x, y = (third + rng.normal(size=200) for _ in range(2))
    ranks = np.stack([np.ones(200), rankdata(third)], axis=1)
    rests = [each - ranks @ np.linalg.lstsq(ranks, each)[0] for each in map(rankdata, (x, y))]
    found = spearman(x, y, given=third, seed=0)
    assert found.rho == pytest.approx(np.corrcoef(rests)[0, 1])
    assert found.low < 0 < found.high
    assert spearman(x, y, seed=0).low > 0.2
    assert np.isnan(spearman(x, third, given=third, seed=0).rho)
    with pytest.raises(ValueError, match=r"given \(3,\)"):
        spearman(x, y, given=np.ones(3), seed=0)


def test_a_constant_and_too_few_have_none():
    constant = spearman(np.ones(20), np.arange(20), seed=0)
    assert np.isnan(constant[:3]).all()
    assert constant.pairs == 20
    assert np.isnan(spearman([1, 2, 3], [1, 2, 3], seed=0).rho)
    # One of twenty differs: more than a third of the samples miss it, yet not half.
    assert np.isfinite(spearman([1.0] + 19 * [0.0], np.arange(20), seed=0).low)


def test_the_seed_decides():
    x, y = np.random.default_rng(0).normal(size=(2, 30))
    assert spearman(x, y, seed=1) == spearman(x, y, seed=1)
    assert spearman(x, y, seed=1).low != spearman(x, y, seed=2).low


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"x has shape \(3,\) and y \(4,\)"):
        spearman(np.ones(3), np.ones(4), seed=0)
