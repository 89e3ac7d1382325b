"""What models of sentences say, and what they cannot be asked."""

import pytest
import torch

from latentgeo.datasets import SentenceDataset
from latentgeo.errors import InputError
from latentgeo.models import (
    ModelConfig,
    add_sentences,
    build,
    interpolate_sentences,
    objective,
    reconstruct_sentences,
    sample_sentences,
)
from latentgeo.models.sentences import codes_of, decode_tokens, latents_of
from latentgeo.objectives import Batch

SUBJECTS, VERBS = ("dog", "cat", "man", "girl"), ("runs", "sits", "jumps", "sleeps")
LINES = [f"a {subject} {verb} ." for subject in SUBJECTS for verb in VERBS]
SIZES = {"width": 32, "heads": 2, "place_width": 8, "latent_dim": 16}
STAGE = {"stage_dim": 4, "stage_hidden": (64,), "prior_weight": 30.0}


@pytest.fixture(scope="module")
def data():
    return SentenceDataset.from_sentences(LINES, length=6)


@pytest.fixture(scope="module")
def swae(data):
    """Train a stacked autoencoder until it knows the sixteen sentences by heart."""
    torch.manual_seed(0)
    model = build(
        ModelConfig(
            recipe="swae",
            backbone="text",
            image_shape=data.shape,
            options={**SIZES, **STAGE},
            vocabulary=data.vocabulary,
        )
    )
    optimiser, terms = torch.optim.Adam(model.parameters(), 5e-3), objective(model)
    images = data.batch(slice(None))
    for _ in range(200):
        pass_ = model(images)
        optimiser.zero_grad()
        sum(term.weight * term(pass_, Batch(images)) for term in terms).backward()
        optimiser.step()
    return model.eval()


def test_sentences_come_back_through_both_codes(swae):
    assert reconstruct_sentences(swae, LINES) == LINES
    found = reconstruct_sentences(swae, LINES, code="code")
    assert sum(a == b for a, b in zip(found, LINES, strict=True)) >= 12


def test_samples_are_sentences_and_hang_on_the_seed_alone(swae):
    first, again, other = (sample_sentences(swae, 40, seed=seed) for seed in (0, 0, 1))
    assert first == again != other
    assert len(set(first) & set(LINES)) >= 4


def test_a_way_begins_and_ends_with_its_ends(swae):
    for code in ("latent", "code"):
        way = interpolate_sentences(swae, LINES[0], LINES[-1], steps=5, code=code)
        ends = reconstruct_sentences(swae, [LINES[0], LINES[-1]], code=code)
        assert len(way) == 5
        assert [way[0], way[-1]] == ends


def test_arithmetic_of_a_sentence_with_itself_is_that_sentence(swae):
    for sentence in LINES[:4]:
        assert add_sentences(swae, sentence, LINES[9], LINES[9]) == sentence


def test_codes_become_latents_and_latents_tokens(swae, data):
    images = data.batch(slice(None))
    latents = latents_of(swae, codes_of(swae, images))
    assert torch.equal(latents, swae.encode(images))
    assert decode_tokens(swae, latents).tolist() == data.tokens.tolist()
    composed = latents_of(swae, codes_of(swae, images, "code"), "code")
    assert composed.shape == latents.shape


def test_unknown_words_are_named(swae):
    with pytest.warns(UserWarning, match="does not know 'bird', 'flies', and reads '<unk>'"):
        reconstruct_sentences(swae, ["a bird flies ."])


def test_too_long_sentences_are_cut_with_a_warning(swae):
    with pytest.warns(UserWarning, match="1 of the 1 sentences .* longer than 6 words"):
        reconstruct_sentences(swae, ["a dog runs . a cat sits ."])


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda model: reconstruct_sentences(model, [""]), "sentence 0 of .* is empty"),
        (lambda model: reconstruct_sentences(model, []), "a list of at least one sentence"),
        (
            lambda model: reconstruct_sentences(model, LINES, code="style"),
            "'swae' has no code 'style' that sentences can be made of; expected latent or code",
        ),
        (lambda model: interpolate_sentences(model, *LINES[:2], code="stage"), "no code 'stage'"),
        (lambda model: interpolate_sentences(model, *LINES[:2], steps=1), "steps is 1"),
        (lambda model: sample_sentences(model, 0), "n is 0"),
    ],
)
def test_what_cannot_be_said(swae, ask, message):
    with pytest.raises(InputError, match=message):
        ask(swae)


def test_a_model_of_images_says_nothing(make_tiny):
    model = make_tiny("vae", "mlp")
    for ask in (lambda: sample_sentences(model, 2), lambda: reconstruct_sentences(model, LINES)):
        with pytest.raises(InputError, match="has no vocabulary, so it is not one of sentences"):
            ask()
