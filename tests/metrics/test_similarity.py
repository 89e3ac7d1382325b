from itertools import permutations

import numpy as np
import pytest
from scipy.linalg import subspace_angles
from scipy.spatial import procrustes
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from sklearn.neighbors import NearestNeighbors

from latentgeo.metrics import SIMILARITIES, similarities, similarity
from latentgeo.metrics.similarity import _without_bias

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 12)) * np.geomspace(1, 0.1, 12)
Y = X[:, :8] @ RNG.normal(size=(8, 15)) + 0.2 * RNG.normal(size=(60, 15))
TURN = np.linalg.qr(RNG.normal(size=(12, 12)))[0]
MOVES = {
    "orthogonal": lambda x: x @ TURN,
    "scaling": lambda x: 7.5 * x,
    "shift": lambda x: x + np.linspace(-3, 3, 12),
}


def value(x, y, measure):
    return similarity(x, y, measure, permutations=1).value


@pytest.mark.parametrize("measure", SIMILARITIES)
class TestEveryMeasure:
    def test_latents_are_most_alike_to_themselves(self, measure):
        found = similarity(X, X, measure, permutations=50)
        assert found.value == pytest.approx(1)
        assert found.p_value == pytest.approx(1 / 51)
        assert found.null_mean < 0.7

    def test_it_is_symmetric(self, measure):
        assert value(X, Y, measure) == pytest.approx(value(Y, X, measure))
        assert value(X, Y, measure) < 1

    def test_its_invariances_are_as_stated(self, measure):
        for name, move in MOVES.items():
            same = value(move(X), Y, measure) == pytest.approx(value(X, Y, measure), abs=1e-8)
            assert same == (name in SIMILARITIES[measure].invariances)

    def test_it_depends_on_the_pairing_of_images_alone(self, measure):
        order = RNG.permutation(60)
        assert value(X[order], Y[order], measure) == pytest.approx(value(X, Y, measure))

    def test_unrelated_latents_are_not_found_alike(self, measure):
        found = [
            similarity(*RNG.normal(size=(2, 40, 6)), measure, permutations=19, seed=i).p_value
            for i in range(40)
        ]
        assert np.mean(np.array(found) <= 0.05) < 0.2
        assert 0.3 < np.mean(found) < 0.7

    def test_the_interval_is_as_wide_as_samples_spread(self, measure):
        turn = RNG.normal(size=(6, 6))
        values, widths = [], []
        for _ in range(40):
            x = RNG.normal(size=(80, 6))
            found = similarity(x, x @ turn + RNG.normal(size=x.shape), measure, permutations=1)
            values.append(found.value)
            widths.append((found.high - found.low) / (2 * 2.093))
        assert 0.6 < np.mean(widths) / np.std(values) < 1.8

    def test_several_models_are_compared_as_two_are(self, measure):
        third = RNG.normal(size=(60, 3))
        found = similarities([X, Y, third], measure, permutations=3)
        assert list(found) == [(0, 1), (0, 2), (1, 2)]
        assert found[0, 2] == similarity(X, third, measure, permutations=3)

    def test_more_dimensions_than_images_are_taken(self, measure):
        wide = RNG.normal(size=(40, 3, 10, 10))
        assert value(wide, 2 * wide, measure) == pytest.approx(1)


def test_hsic_is_the_mean_over_distinct_quadruples():
    k, m = (a @ a.T for a in RNG.normal(size=(2, 6, 3)))
    # Gretton's expression, of four distinct points each, averaged over all of them.
    found = [
        k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]) for i, j, q, r in permutations(range(6), 4)
    ]
    hsic = (_without_bias(k) * _without_bias(m)).sum() / (6 * 3)
    assert hsic == pytest.approx(np.mean(found))


def test_debiased_cka_of_unrelated_latents_of_many_dimensions_is_near_zero():
    x, y = RNG.normal(size=(2, 60, 500))
    assert abs(value(x, y, "linear-cka")) < 0.1
    plain = [a - a.mean(0) for a in (x, y)]
    k, m = (a @ a.T for a in plain)
    assert (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum()) > 0.8  # what it mends


def test_each_is_what_others_compute():
    assert value(X, Y, "rsa") == pytest.approx(spearmanr(pdist(X), pdist(Y)).statistic)
    padded = np.pad(X, ((0, 0), (0, 3)))
    disparity = procrustes(padded, Y)[2]
    assert value(X, Y, "procrustes") ** 2 == pytest.approx(1 - disparity)
    bases = [np.linalg.svd(z - z.mean(0), full_matrices=False)[0][:, :10] for z in (X, Y)]
    expected = (np.cos(subspace_angles(*bases)) ** 2).mean()
    assert value(X, Y, "subspace") == pytest.approx(expected)
    near = [NearestNeighbors(n_neighbors=10).fit(z).kneighbors()[1] for z in (X, Y)]
    shared = [len(set(a) & set(b)) / 10 for a, b in zip(*near, strict=True)]
    assert value(X, Y, "mutual-neighbours") == pytest.approx(np.mean(shared))


@pytest.mark.parametrize("measure", ["linear-cka", "gaussian-cka", "rsa", "procrustes"])
def test_latents_that_do_not_vary_have_no_similarity(measure):
    with np.errstate(all="ignore"):
        found = similarity(np.full((50, 3), 0.1), X[:50], measure, permutations=3)
    assert np.isnan(found.value)
    assert np.isnan(found.p_value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: similarity(X, Y, "cca"), "'cca', expected one of linear-cka"),
        (lambda: similarity(X, Y[:50]), "of 60 and 50 images"),
        (lambda: similarity(X[:20], Y[:20]), "the same 40 or more"),
        (lambda: similarity(X, np.full((60, 2), np.nan)), "60 points that are not finite"),
        (lambda: similarity(X, Y, permutations=0), "permutations is 0"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
