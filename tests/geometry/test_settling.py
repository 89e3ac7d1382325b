import numpy as np
import pytest
import torch

from latentgeo.geometry import (
    angle_settling,
    angle_statistics,
    dimension_settling,
    gram_dimension,
    rkhs_principal_angles,
    settled_word,
    settling,
)
from latentgeo.geometry.hilbert import continuous_dimension

POPULATIONS = {
    "power-law": np.arange(1.0, 61) ** -2,
    "flat": np.ones(60),
    "low rank": np.concatenate([np.linspace(1, 0.3, 8), np.full(52, 1e-5)]),
}


def draw(rng, n, spectrum):
    return rng.normal(size=(n, len(spectrum))) * np.sqrt(spectrum)


def gram_of(x):
    return x @ x.T


@pytest.mark.parametrize("share", [0.5, 0.95, 1.0])
def test_the_interpolated_dimension_ends_below_the_integer(share):
    energies = np.sort(np.random.default_rng(0).uniform(size=(7, 12)))[:, ::-1].copy()
    found = continuous_dimension(torch.from_numpy(energies), share).numpy()
    held = np.concatenate([np.zeros((7, 1)), energies.cumsum(1)], 1)
    wanted = share * held[:, -1]
    expected = [np.interp(w, h, np.arange(13)) for w, h in zip(wanted, held, strict=True)]
    np.testing.assert_allclose(found, expected)
    grams = np.stack([np.diag(e) for e in energies])
    counted = gram_dimension(grams, [share], centred=False)[:, 0]
    np.testing.assert_array_equal(np.ceil(found - 1e-9), counted)
    assert continuous_dimension(torch.zeros(3), share) == 0


def test_values_are_those_of_subsamples():
    x = draw(np.random.default_rng(1), 80, POPULATIONS["power-law"])
    (_, found, _) = dimension_settling(gram_of(x))
    assert found.sizes == (20, 40, 80)
    assert found.values[0] < found.values[1] < found.values[2]
    whole = gram_dimension(gram_of(x), [0.95])[0]
    assert int(np.ceil(found.values[2])) == whole
    assert found.low < found.values[2] < found.high
    again = settling(lambda some: float(x[some].mean()), 80)
    assert again.values[2] == pytest.approx(x.mean())
    error = x.mean(1).std(ddof=1) / np.sqrt(80)
    assert (again.high - again.low) / (2 * 2.093 * error) == pytest.approx(1, abs=0.5)


@pytest.mark.parametrize(
    ("name", "n", "word"),
    [
        ("flat", 40, "bounded by n"),
        ("flat", 200, "still rising"),
        ("low rank", 200, "settled"),
        ("power-law", 50, "still rising"),
        ("power-law", 800, "settled"),
    ],
)
def test_the_word_is_that_of_the_population(name, n, word):
    x = draw(np.random.default_rng(2), n, POPULATIONS[name])
    (found,) = dimension_settling(gram_of(x), [0.95])
    assert found.word == word
    assert np.isfinite(found.extrapolated) == (word == "settled")
    assert np.isfinite(found.population_low) == (word == "settled")


@pytest.mark.parametrize("name", POPULATIONS)
def test_intervals_hold_what_they_are_of(name):
    spectrum, rng = POPULATIONS[name], np.random.default_rng(3)
    truth = float(continuous_dimension(torch.from_numpy(spectrum), 0.95))
    found = [dimension_settling(gram_of(draw(rng, 100, spectrum)), [0.95])[0] for _ in range(60)]
    mean = np.mean([each.values[2] for each in found])
    assert np.mean([each.low <= mean <= each.high for each in found]) >= 0.88
    settled = [each for each in found if each.word == "settled"]
    assert len(settled) in ({0} if name == "flat" else range(61))
    for each in settled:
        assert each.extrapolated == pytest.approx(truth, rel=0.15)
    if name == "low rank":
        assert len(settled) > 50
        covered = [each.population_low <= truth <= each.population_high for each in settled]
        assert np.mean(covered) >= 0.88


def test_some_samples_stand_for_all():
    x = draw(np.random.default_rng(5), 400, POPULATIONS["low rank"])
    some, whole = (dimension_settling(gram_of(part), [0.95])[0] for part in (x[:100], x))
    (found,) = dimension_settling(gram_of(x[:100]), [0.95], whole=(400, [whole.values[2]]))
    assert found.sizes == (25, 50, 400)
    assert found.values == (*some.values[:2], whole.values[2])
    assert found.high - found.low == pytest.approx((some.high - some.low) / 2)
    # Of a bias inverse to the size nothing is left.
    line = settling(lambda some: 10 - 8 / len(some), 80, whole=(400, 10 - 8 / 400))
    assert line.extrapolated == pytest.approx(10)


@pytest.mark.parametrize(
    ("value", "before", "told", "word"),
    [
        (100, 96, {}, "settled"),
        (100, 90, {}, "still rising"),
        (90, 100, {}, "still falling"),
        (60, 60, {"bound": 99}, "bounded by n"),
        (0.4, 0.1, {"least": 0.5}, "settled"),
        (0, 0, {}, "settled"),
    ],
)
def test_the_word_on_two_numbers(value, before, told, word):
    assert settled_word(value, before, **told) == word


def test_the_angle_of_paired_sets_is_followed():
    rng = np.random.default_rng(4)
    clean = draw(rng, 120, np.array([9, 4, 1, 0.2, 0.1, 0.1]))
    noisy = clean + 0.3 * rng.normal(size=clean.shape)
    blocks = gram_of(clean), clean @ noisy.T, gram_of(noisy)
    found = angle_settling(*blocks, dims=2)
    expected = angle_statistics(rkhs_principal_angles(*blocks, dims=2)).mean
    assert found.values[2] == pytest.approx(expected)
    assert found.low < expected < found.high
    same = angle_settling(*[gram_of(clean)] * 3, dims=2)
    assert same.values[2] == pytest.approx(0, abs=1e-6)
    assert same.word == "settled" or same.values[1] < 1e-6


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: settling(len, 18), "samples is 18; expected a whole number from 20"),
        (lambda: settling(len, 60, groups=1), "groups is 1"),
        (lambda: settling(len, 60, level=2.0), "share is 2.0"),
        (lambda: dimension_settling(np.ones((3, 4))), "expected square"),
        (lambda: dimension_settling(np.eye(50), [0.0]), "share is 0.0"),
        (lambda: angle_settling(np.eye(50), np.ones((50, 40)), np.eye(40), 2), "the same images"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
