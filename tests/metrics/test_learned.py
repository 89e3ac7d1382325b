import numpy as np
import pytest

from latentgeo.metrics import LEARNED_MARGIN_DB, bootstrap_mean, judge_learned

BASELINE = np.linspace(9, 14, 200)


@pytest.mark.parametrize("beyond", [-0.2, -0.01, 0.01, 0.2])
def test_an_equal_gain_of_every_image_has_to_exceed_the_margin(beyond):
    verdict = judge_learned(BASELINE + LEARNED_MARGIN_DB + beyond, BASELINE)
    assert verdict.learned is (beyond > 0)
    assert verdict.gain.low == pytest.approx(LEARNED_MARGIN_DB + beyond)


def test_a_mean_above_the_margin_is_not_enough_where_the_interval_holds_it():
    gain = np.where(np.arange(200) % 2, 6.2, -4.0)  # 1.1 on average, give or take 0.7
    verdict = judge_learned(BASELINE + gain, BASELINE)
    assert verdict.gain.low < LEARNED_MARGIN_DB < verdict.gain.mean
    assert not verdict.learned
    assert judge_learned((BASELINE + gain).mean(), BASELINE.mean()).learned


def test_the_interval_is_that_of_the_gain_image_by_image():
    psnr = BASELINE + np.random.default_rng(0).normal(3, 1, 200)
    expected = bootstrap_mean(psnr - BASELINE, seed=4)
    assert judge_learned(psnr, BASELINE, seed=4).gain == expected


@pytest.mark.parametrize(("psnr", "learned"), [(14.1, True), (13.9, False), (np.nan, False)])
def test_means_alone_are_judged_by_their_difference(psnr, learned):
    verdict = judge_learned(psnr, 13.0)
    assert verdict.learned is learned
    assert np.isnan([verdict.gain.low, verdict.gain.high]).all()
