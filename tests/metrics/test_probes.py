import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp

from latentgeo.metrics import linear_probe


def points(count=200, seed=0, apart=2.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    return apart * np.eye(3, 4)[labels] + rng.normal(size=(count, 4)), labels


def optimum(train, labels, strength):
    """Fit the same layer by another optimiser, from its definition."""
    white = (train - train.mean(axis=0)) / train.std(axis=0)

    def loss(flat):
        weights, biases = flat[:12].reshape(4, 3), flat[12:]
        logits = white @ weights + biases
        chosen = logits[np.arange(len(labels)), labels]
        return (logsumexp(logits, axis=1) - chosen).sum() + (weights**2).sum() / (2 * strength)

    found = minimize(loss, np.zeros(15), method="BFGS", options={"gtol": 1e-6}).x
    return lambda given: (
        (given - train.mean(axis=0)) / train.std(axis=0) @ found[:12].reshape(4, 3) + found[12:]
    ).argmax(axis=1)


@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_it_is_the_optimum_of_its_definition(strength):
    (train, known), (test, labels) = points(), points(400, seed=1)
    score = linear_probe(train, known, test, labels, strength=strength, seed=0)
    predict = optimum(train, known, strength)
    assert score.converged
    # Both stop a little before the optimum: a point on a border may fall to either side.
    assert score.accuracy.mean == pytest.approx(np.mean(predict(test) == labels), abs=0.0051)
    assert score.train_accuracy == pytest.approx(np.mean(predict(train) == known), abs=0.0051)
    assert 0.6 < score.accuracy.low < score.accuracy.mean < score.accuracy.high < 1


def test_labels_that_say_nothing_give_chance():
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(600, 4)), rng.normal(size=(2000, 4))
    guess = rng.integers(0, 4, 2600)
    score = linear_probe(train, guess[:600], test, guess[600:], seed=0)
    assert score.accuracy.low < 0.25 < score.accuracy.high


def test_it_does_not_depend_on_shift_and_scale():
    (train, known), (test, labels) = points(), points(400, seed=1)
    plain = linear_probe(train, known, test, labels, seed=0)
    scale, shift = np.array([1e-3, 1, 50, 2]), np.array([0, 7, -300, 1])
    moved = linear_probe(train * scale + shift, known, test * scale + shift, labels, seed=0)
    assert moved.accuracy.mean == plain.accuracy.mean


def test_latents_are_flattened():
    (train, known), (test, labels) = points(), points(50, seed=1)
    tensor = linear_probe(
        train.reshape(-1, 2, 2, 1), known, test.reshape(-1, 2, 2, 1), labels, seed=0
    )
    assert tensor.accuracy == linear_probe(train, known, test, labels, seed=0).accuracy


def test_a_class_that_was_never_seen_counts_as_wrong():
    (train, known), (test, _) = points(), points(50, seed=1)
    assert linear_probe(train, known, test, np.full(50, 9), seed=0).accuracy.mean == 0


def test_a_fit_that_was_cut_off_says_so(recwarn):
    (train, known), (test, labels) = points(), points(50, seed=1)
    assert not linear_probe(train, known, test, labels, iterations=1, seed=0).converged
    assert not recwarn.list


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": np.full((200, 4), np.nan)}, "train latents hold 200 points that are not finite"),
        ({"test": np.zeros((50, 3))}, "test points have 3 numbers each, the train points 4"),
        ({"train_labels": np.zeros(200, int)}, "train labels are all 0, expected at least 2"),
        ({"train_labels": np.zeros(5, int)}, r"train labels have shape \(5,\) and dtype int64"),
        ({"test_labels": np.zeros(50)}, r"test labels have shape \(50,\) and dtype float64"),
        ({"strength": 0.0}, "strength is 0.0 and iterations 1000, expected more than 0"),
        ({"iterations": 0}, "strength is 1.0 and iterations 0, expected more than 0"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(change, message):
    (train, known), (test, labels) = points(), points(50, seed=1)
    given = {"train": train, "train_labels": known, "test": test, "test_labels": labels}
    with pytest.raises(ValueError, match=message) as caught:
        linear_probe(**given | change, seed=0)
    assert "\n" not in str(caught.value)
