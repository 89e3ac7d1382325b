"""Comparisons over seeds: how often they find what is not there, and what they say of the rest."""

import importlib

import numpy as np
import pytest


@pytest.fixture
def judge(analyses):
    return importlib.import_module("study.judge")


def pairs(rng, means, seeds=3, spreads=(1.0, 3.0)):
    return {
        str(at): tuple(
            {"seeds": rng.normal(centre, spread, seeds).tolist()}
            for centre, spread in zip((mean, 0.0), spreads, strict=True)
        )
        for at, mean in enumerate(means)
    }


def test_a_page_of_comparisons_has_its_false_findings_in_hand(judge):
    rng = np.random.default_rng(0)
    pages = [judge.compare(pairs(rng, np.zeros(8))) for _ in range(300)]
    false = np.mean([any(each.side for each in page.values()) for page in pages])
    # 0.05, and two standard errors of 300 pages.
    assert false <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 300)


def test_the_difference_that_seeds_find_is_found_in_four_of_five_cases(judge):
    rng = np.random.default_rng(1)
    (alone,) = judge.compare(pairs(rng, [0.0], 200, (1.0, 1.0))).values()
    shift = alone.difference.detectable
    found = [judge.compare(pairs(rng, [shift], 200, (1.0, 1.0)))["0"].side == 1 for _ in range(200)]
    assert abs(np.mean(found) - 0.8) < 0.09


def test_words_have_interval_p_and_what_was_missed(judge):
    rng = np.random.default_rng(2)
    found = judge.compare(pairs(rng, [9.0, 0.1], 3, (0.5, 0.5)))
    text = judge.in_words(found, {1: "ahead of", 0: "not told apart from"}, 1, 10)
    first, second = text.split("; not told apart from ")
    assert first.startswith("ahead of 0 (+")
    assert ", p " in first
    assert second.startswith("1 (")
    assert "; 3 seeds find " in second


@pytest.mark.parametrize("seeds", [[1.0], [1.0, None], [1.0, float("nan")]])
def test_what_cannot_be_tested_is_not_claimed(judge, seeds):
    (found,) = judge.compare({"a": ({"seeds": seeds}, {"seeds": [3.0, 3.1]})}).values()
    assert (found.side, found.text()) == (0, "not tested")
