import numpy as np
import pytest
from scipy.stats import bootstrap

from latentgeo.metrics import bootstrap_mean, bootstrap_median, jackknife_interval
from latentgeo.metrics.intervals import HALF_SAMPLE_WIDENING


def test_interval_matches_the_normal_one():
    values = np.random.default_rng(0).normal(20, 2, size=(2, 1000))
    interval = bootstrap_mean(values, seed=0)
    reach = 1.96 * values.std(axis=-1) / np.sqrt(1000)
    np.testing.assert_allclose(interval.low, values.mean(axis=-1) - reach, atol=0.02)
    np.testing.assert_allclose(interval.high, values.mean(axis=-1) + reach, atol=0.02)


def test_covers_as_often_as_it_says():
    rng = np.random.default_rng(1)
    interval = bootstrap_mean(rng.exponential(size=(400, 100)), seed=0, resamples=500)
    covered = np.mean((interval.low <= 1) & (interval.high >= 1))
    assert 0.89 < covered < 0.98


def test_interval_is_the_percentile_bootstrap_of_scipy():
    values = np.random.default_rng(2).exponential(size=(3, 40))
    interval = bootstrap_mean(values, seed=5, resamples=300, level=0.9)
    expected = bootstrap(
        (values,),
        np.mean,
        axis=-1,
        n_resamples=300,
        confidence_level=0.9,
        method="percentile",
        rng=np.random.default_rng(5),
    ).confidence_interval
    np.testing.assert_allclose(interval.low, expected.low, rtol=1e-12)
    np.testing.assert_allclose(interval.high, expected.high, rtol=1e-12)


def test_leading_indices_are_paired():
    values = np.random.default_rng(0).normal(size=50)
    interval = bootstrap_mean(np.stack([values, values + 1]), seed=3)
    np.testing.assert_allclose(interval.low[1] - interval.low[0], 1)


def test_one_image_has_no_interval():
    interval = bootstrap_mean([[20.0]], seed=0)
    assert interval.mean == 20
    assert np.isnan(interval.low).all()


def test_an_infinite_value_has_no_interval_and_harms_no_other():
    interval = bootstrap_mean([[np.inf, 1.0], [1.0, 2.0]], seed=0)
    assert np.isinf(interval.mean[0])
    assert np.isnan(interval.low[0])
    assert np.isfinite(interval.low[1])


def test_no_image_is_refused():
    with pytest.raises(ValueError, match="n at least 1"):
        bootstrap_mean(np.empty((3, 0)), seed=0)


def test_delete_half_jackknife_gives_the_standard_error_of_a_mean():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, size=400)
    halves = [rng.choice(values, 200, replace=False).mean() for _ in range(2000)]
    low, high = jackknife_interval(values.mean(), halves)
    error = HALF_SAMPLE_WIDENING * values.std(ddof=1) / 20
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.05)


def test_jackknife_refuses_a_single_half():
    with pytest.raises(ValueError, match="at least 2 halves"):
        jackknife_interval(1.0, [1.0])


def test_interval_of_the_median_matches_its_standard_error():
    values = np.random.default_rng(0).normal(3, 1, size=2000)
    interval = bootstrap_median(values, seed=0)
    reach = 1.96 * np.sqrt(np.pi / 2) / np.sqrt(2000)
    assert interval.mean == np.median(values)
    assert (interval.high - interval.low) / 2 == pytest.approx(reach, rel=0.2)


def test_median_of_one_image_has_no_interval():
    interval = bootstrap_median([2.0], seed=0)
    assert interval.mean == 2
    assert np.isnan(interval.low)
    with pytest.raises(ValueError, match="n at least 1"):
        bootstrap_median([], seed=0)


def test_many_images_are_resampled_in_blocks_of_the_same_draws(monkeypatch):
    values = np.random.default_rng(0).normal(size=(3, 101))
    expected = bootstrap_mean(values, seed=1, resamples=200)
    monkeypatch.setattr("latentgeo.metrics.intervals._SHARES_AT_A_TIME", 7 * 101)
    np.testing.assert_allclose(bootstrap_mean(values, seed=1, resamples=200), expected, rtol=1e-12)
