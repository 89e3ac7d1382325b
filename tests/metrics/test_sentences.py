import pytest
import torch
from torch.nn.functional import one_hot

from latentgeo.metrics import exact_match, token_accuracy


def images_of(tokens, words=5):
    tokens = torch.tensor(tokens)
    images = one_hot(tokens.clamp(min=0), words).float() * (tokens >= 0)[..., None]
    return images.movedim(2, 1)[..., None]


CLEAN = images_of([[2, 3, 0, -1], [4, 4, 4, 4]])


def test_every_token_counts_and_no_blank():
    said = images_of([[2, 4, 0, 3], [4, 4, 4, 4]])
    assert token_accuracy(said, CLEAN).tolist() == [2 / 3, 1.0]
    assert exact_match(said, CLEAN).tolist() == [0.0, 1.0]


def test_the_end_is_a_token():
    said = images_of([[2, 3, 4, 3], [4, 4, 4, 0]])
    assert token_accuracy(said, CLEAN).tolist() == [2 / 3, 3 / 4]


def test_logits_and_probabilities_say_the_same():
    logits = torch.randn(2, 5, 4, 1)
    for measure in (token_accuracy, exact_match):
        assert torch.equal(measure(logits, CLEAN), measure(logits.softmax(dim=1), CLEAN))


def test_chance_is_one_of_the_words():
    torch.manual_seed(0)
    clean = images_of(torch.randint(5, (4000, 4)).tolist())
    found = token_accuracy(torch.rand(4000, 5, 4, 1), clean)
    assert abs(found.mean() - 0.2) < 4 * (0.2 * 0.8 / 16000) ** 0.5


@pytest.mark.parametrize(
    ("images", "clean", "message"),
    [
        (CLEAN, CLEAN[:1], "expected one shape"),
        (CLEAN[..., 0], CLEAN[..., 0], "expected one shape"),
        (CLEAN, 0 * CLEAN, "a sentence of clean is blank"),
    ],
)
def test_what_is_no_pair_of_sentences(images, clean, message):
    for measure in (token_accuracy, exact_match):
        with pytest.raises(ValueError, match=message):
            measure(images, clean)
