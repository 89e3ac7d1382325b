"""Sentences: the likelihood, the backbone, the words of a model."""

import itertools

import pytest
import torch

from latentgeo.datasets import SentenceDataset
from latentgeo.datasets.sentences import SPECIAL, one_hot
from latentgeo.errors import InputError
from latentgeo.models import ModelConfig, build, load_model, save_model
from latentgeo.models.text import Block
from latentgeo.objectives import LIKELIHOODS
from latentgeo.settings import parse

CATEGORICAL = LIKELIHOODS["categorical"]


def test_blank_places_cost_nothing_and_the_others_their_logarithm():
    logits = torch.randn(2, 5, 4, 1, dtype=torch.float64)
    tokens = torch.tensor([[3, 0, -1, -1], [2, 2, 4, 1]])
    expected = [
        -sum(logits[row, :, place, 0].log_softmax(0)[word] for place, word in said)
        for row, said in enumerate(([(0, 3), (1, 0)], enumerate([2, 2, 4, 1])))
    ]
    found = CATEGORICAL.negative_log(logits, one_hot(tokens, 5).double())
    torch.testing.assert_close(found, torch.stack(expected))


def test_the_sentence_itself_costs_least_and_is_the_mean():
    sentences = one_hot(torch.tensor([[3, 0, -1, -1], [2, 2, 4, 1]]), 5)
    exact = 40 * sentences
    assert CATEGORICAL.negative_log(exact, sentences).max() < 1e-6
    assert (CATEGORICAL.negative_log(exact.roll(1, dims=1), sentences) > 1).all()
    torch.testing.assert_close(CATEGORICAL.mean(exact), sentences)


def test_mean_is_that_of_sentences_that_end_at_their_first_end_token():
    logits = torch.randn(1, 3, 3, 1, dtype=torch.float64)
    chance = logits[0, :, :, 0].softmax(dim=0)
    expected = torch.zeros(3, 3, dtype=torch.float64)
    for words in itertools.product(range(3), repeat=3):
        weight = torch.stack([chance[word, place] for place, word in enumerate(words)]).prod()
        ended = words.index(0) + 1 if 0 in words else 3
        blanked = torch.tensor([[*words[:ended], *[-1] * (3 - ended)]])
        expected += weight * one_hot(blanked, 3)[0, :, :, 0]
    torch.testing.assert_close(CATEGORICAL.mean(logits)[0, :, :, 0], expected)


def test_signed_and_mean_agree():
    logits = torch.randn(2, 5, 4, 1)
    torch.testing.assert_close((CATEGORICAL.signed(logits) + 1) / 2, CATEGORICAL.mean(logits))


def test_attention_is_that_of_pytorch():
    block, words = Block(16, 4), torch.randn(2, 5, 16)
    parts = block.query_key_value(words).unflatten(2, (3, 4, 4)).permute(2, 0, 3, 1, 4)
    expected = torch.nn.functional.scaled_dot_product_attention(*parts)
    found = block._attend(words)
    torch.testing.assert_close(found, expected.transpose(1, 2).flatten(2))


def test_the_decoder_has_a_forward_derivative(make_tiny):
    model = make_tiny("cae", "text", (9, 5, 1)).eval()
    latent = torch.randn(16, 1, 1)

    def decode(point):
        return model.decode(point[None])[0]

    _, found = torch.func.jvp(decode, (latent,), (torch.ones_like(latent),))
    step = 1e-3
    expected = (decode(latent + step) - decode(latent - step)) / (2 * step)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-2)


@pytest.mark.parametrize("recipe", ["cae", "vae", "wae-mmd", "wae-gan", "swae"])
def test_on_sentences_the_likelihood_is_categorical_unless_told_otherwise(recipe):
    def likelihood(backbone, **options):
        shape = (9, 5, 1)
        config = ModelConfig(recipe=recipe, backbone=backbone, image_shape=shape, options=options)
        return config.options["likelihood"]

    assert likelihood("text") == "categorical"
    assert likelihood("text", likelihood="squared") == "squared"
    assert likelihood("mlp") != "categorical"


@pytest.mark.parametrize(
    ("backbone", "shape", "options", "message"),
    [
        ("text", (1, 28, 28), {}, r"backbone 'text' takes sentences.*have shape \(1, 28, 28\)"),
        ("mlp", (1, 28, 28), {"likelihood": "categorical"}, "likelihood 'categorical' takes"),
        ("text", (9, 5, 1), {"width": 10, "heads": 4}, "width is 10, which 4 heads cannot share"),
    ],
)
def test_what_is_no_model_of_sentences(backbone, shape, options, message):
    values = {"recipe": "cae", "backbone": backbone, "image_shape": shape, "options": options}
    with pytest.raises(InputError, match=message):
        build(parse(ModelConfig, values, "option"))


def test_words_travel_with_the_model(make_tiny, tmp_path):
    data = SentenceDataset.from_sentences(["a dog runs .", "a dog sits ."], length=5)
    tiny = make_tiny("cae", "text", data.shape).config.model_dump()
    model = build(ModelConfig(**{**tiny, "vocabulary": data.vocabulary}))
    save_model(model, tmp_path)
    assert load_model(tmp_path).config.vocabulary == data.vocabulary
    with pytest.raises(ValueError, match="vocabulary has 2 words, but the images 7 channels"):
        ModelConfig(**{**tiny, "vocabulary": SPECIAL})
