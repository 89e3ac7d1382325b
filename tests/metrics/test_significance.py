import numpy as np
import pytest
from scipy.stats import t as student
from scipy.stats import ttest_ind, ttest_rel

from latentgeo.metrics import holm, seed_difference

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("paired", [True, False])
def test_it_is_scipy_s_test_with_its_interval(paired):
    a, b = RNG.normal(size=8) + 1, 3 * RNG.normal(size=8)
    found = seed_difference(a, b, paired=paired, level=0.9)
    expected = ttest_rel(a, b) if paired else ttest_ind(a, b, equal_var=False)
    interval = expected.confidence_interval(0.9)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found[:3] == pytest.approx((a.mean() - b.mean(), interval.low, interval.high))


@pytest.mark.parametrize("paired", [True, False])
def test_intervals_cover_and_what_is_detectable_is_detected(paired):
    truth, covered, seen, false = 0.0, [], [], []
    for _ in range(400):
        shared = 2 * RNG.normal(size=6) * paired
        a, b = shared + RNG.normal(size=6), shared + RNG.normal(size=6)
        found = seed_difference(a, b, paired=paired)
        covered.append(found.low <= truth <= found.high)
        false.append(found.p_value < 0.05)
        seen.append(found.detectable)
    assert 0.92 <= np.mean(covered) <= 0.98
    assert np.mean(false) < 0.08
    gap = float(np.median(seen))
    hits = []
    for _ in range(400):
        shared = 2 * RNG.normal(size=6) * paired
        a, b = shared + RNG.normal(size=6) + gap, shared + RNG.normal(size=6)
        hits.append(seed_difference(a, b, paired=paired).p_value < 0.05)
    assert 0.7 <= np.mean(hits) <= 0.9


def test_pairs_help_where_seeds_share_something():
    shared = 10 * RNG.normal(size=6)
    a, b = shared + RNG.normal(size=6) + 2, shared + RNG.normal(size=6)
    paired, alone = (seed_difference(a, b, paired=p) for p in (True, False))
    assert paired.detectable < alone.detectable / 2


def test_holm_is_the_method_of_the_paper():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.9, 0.6]), [1, 1])
    np.testing.assert_allclose(holm([0.01, np.nan, 0.02]), [0.02, np.nan, 0.02])
    assert len(holm([])) == 0


def test_holm_keeps_false_findings_rare():
    wrong = [(holm(RNG.uniform(size=10)) < 0.05).any() for _ in range(1000)]
    assert np.mean(wrong) < 0.075


@pytest.mark.parametrize("seeds", [2, 3, 30])
def test_few_seeds_detect_little(seeds):
    a, b = RNG.normal(size=(2, seeds))
    found = [seed_difference(a, b, paired=True, power=power).detectable for power in (0.5, 0.8)]
    assert 0 < found[0] < found[1] < np.inf
    # At half power it is what just reaches the test's level, or a little more.
    error = (a - b).std(ddof=1) / np.sqrt(seeds)
    assert found[0] > 1.9 * error
    assert found[1] / error == pytest.approx({2: 24.5, 3: 7.0, 30: 2.9}[seeds], rel=0.35)


@pytest.mark.filterwarnings("error")
def test_one_side_that_does_not_vary_leaves_a_test_of_the_other():
    a, b = np.array([179.0, 179.0, 179.0]), np.array([18.0, 22.0, 21.0])
    found = seed_difference(a, b, paired=False)
    t = (a - b).mean() / (b.std(ddof=1) / np.sqrt(3))
    assert found.p_value == pytest.approx(2 * student.sf(t, 2))


def test_numbers_that_do_not_vary_have_no_p_value():
    found = seed_difference([1.0, 1.0], [2.0, 2.0], paired=True)
    assert found[:3] == (-1, -1, -1)
    assert np.isnan(found.p_value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: seed_difference([1.0], [1.0, 2.0], paired=False), "expected two seeds of each"),
        (lambda: seed_difference([1, 2, 3], [1, 2], paired=True), "in pairs"),
        (lambda: seed_difference([1, np.nan], [1, 2], paired=True), "not finite"),
        (lambda: seed_difference([1, 2], [1, 2], paired=True, power=1), "power 1"),
        (lambda: holm([0.1, 1.2]), "expected numbers from 0 to 1"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
