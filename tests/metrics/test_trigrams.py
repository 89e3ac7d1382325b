import math

import numpy as np
import pytest

from latentgeo.metrics import TrigramModel, bootstrap_ratio, perplexity


def random_sentences(n=50, words=7, seed=0):
    rng = np.random.default_rng(seed)
    tokens = rng.integers(1, words, (n, 6))
    tokens[:, 5] = 0
    tokens[: n // 2, 3:] = [0, -1, -1]
    return tokens


@pytest.mark.parametrize("discount", [0.1, 0.75, 1.0])
def test_probabilities_sum_to_1_after_every_context(discount):
    model = TrigramModel(7, discount).fit(random_sentences())
    contexts = [(-1, -1), (-1, 2), (1, 2), (6, 6), (0, 0)]
    for context in contexts:
        values = [model.probability(word, context) for word in range(7)]
        assert min(values) > 0
        assert sum(values) == pytest.approx(1)


def test_two_sentences_by_hand():
    # Trigrams: BB1 (twice), B12, 120, B13, 130; with D = 1/2 and V = 4.
    model = TrigramModel(4, 0.5).fit([[1, 2, 0], [1, 3, 0]])
    # Different words before: of 1 one (B), of 2 one (1), of 3 one (1), of 0 two (2 and 3).
    single = {word: (count - 0.5) / 5 + 0.5 * 4 / 5 / 4 for word, count in ((1, 1), (0, 2))}
    # After 2 comes 0 alone, and before 20 comes 1 alone.
    pair = (1 - 0.5) / 1 + 0.5 * 1 / 1 * single[0]
    assert model.probability(0, (1, 2)) == pytest.approx((1 - 0.5) / 1 + 0.5 * pair)
    # B1 begins each sentence: one pair before it, B.
    pair = (1 - 0.5) / 1 + 0.5 * single[1]
    assert model.probability(1, (-1, -1)) == pytest.approx((2 - 0.5) / 2 + 0.5 * 1 / 2 * pair)
    # What was never seen falls back on single words.
    assert model.probability(0, (3, 3)) == pytest.approx(
        (1 - 0.5) / 1 + 0.5 * single[0]  # after 3 comes 0
    )
    assert model.probability(1, (0, 0)) == pytest.approx(single[1])


def test_likelihood_is_the_product_of_the_probabilities():
    model = TrigramModel(7).fit(random_sentences())
    nats, tokens = model.negative_log_likelihood([[3, 2, 0, -1]])
    expected = [((-1, -1), 3), ((-1, 3), 2), ((3, 2), 0)]
    assert nats[0] == pytest.approx(-sum(math.log(model.probability(w, c)) for c, w in expected))
    assert tokens.tolist() == [3]


def test_perplexity_of_noise_is_the_number_of_words_and_of_one_sentence_is_low():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 10, (4000, 3))
    model = TrigramModel(10, 1.0).fit(noise)
    found = perplexity(model, rng.integers(0, 10, (400, 3)), seed=0)
    assert 10 < found.mean < 10.6  # nothing can be better, and what was counted misleads a little
    same = np.tile([4, 5, 0], (50, 1))
    assert perplexity(TrigramModel(10).fit(same), same, seed=0).mean < 1.1


def test_reverse_perplexity_punishes_samples_that_are_always_the_same():
    real = random_sentences(400, words=20, seed=1)
    test = random_sentences(200, words=20, seed=2)
    good = perplexity(TrigramModel(20).fit(real), test, seed=0)
    collapsed = perplexity(TrigramModel(20).fit(np.tile(real[:1], (400, 1))), test, seed=0)
    assert good.high < collapsed.low


@pytest.mark.parametrize(
    ("sentences", "discount", "message"),
    [
        ([[1, 7]], 0.75, "token 7, expected 0 to 6"),
        ([[0.5]], 0.75, "dtype float64, expected whole numbers"),
        ([1, 2], 0.75, r"shape \(2,\)"),
        (np.zeros((0, 3), int), 0.75, r"shape \(0, 3\)"),
        ([[-1, -1]], 0.75, "hold no token"),
        ([[1, 0]], 0.0, "discount is 0.0"),
    ],
)
def test_what_cannot_be_counted(sentences, discount, message):
    with pytest.raises(ValueError, match=message):
        TrigramModel(7, discount).fit(sentences)


def test_ratio_has_the_interval_of_the_delta_method():
    rng = np.random.default_rng(0)
    tokens = rng.integers(5, 20, 2000)
    nats = 3 * tokens + rng.normal(0, 2, 2000)
    found = bootstrap_ratio(nats, tokens, seed=0)
    assert found.mean == pytest.approx(nats.sum() / tokens.sum())
    error = np.std(nats - found.mean * tokens) / tokens.mean() / math.sqrt(2000)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert np.isnan(bootstrap_ratio([1.0], [2.0], seed=0).low)
    with pytest.raises(ValueError, match="do not sum to 0"):
        bootstrap_ratio([1.0, 2.0], [0.0, 0.0], seed=0)
    with pytest.raises(ValueError, match="one shape"):
        bootstrap_ratio([1.0, 2.0], [1.0], seed=0)
