"""Sentences of latents and latents of sentences: samples, interpolations, arithmetic."""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from latentgeo.datasets.sentences import (
    SPECIAL,
    SentenceDataset,
    most_likely_tokens,
    to_sentence,
)
from latentgeo.errors import InputError
from latentgeo.metrics import interpolate
from latentgeo.models.autoencoder import Autoencoder
from latentgeo.models.device import device_of
from latentgeo.models.recipes import RECIPES
from latentgeo.models.sampling import evaluating, sample_latents

_BATCH = 128


def sample_sentences(model: Autoencoder, n: int, *, seed: int = 0) -> list[str]:
    """Draw sentences: latents of the prior, decoded.

    Parameters
    ----------
    model : Autoencoder
        Of sentences, and of a recipe that has a prior.
    n : int
        How many.
    seed : int, default=0
        Seeds the draws.

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        When the model is not one of sentences, or has no prior.
    """
    _check(model)
    return decode_sentences(model, sample_latents(model, n, seed=seed))


def reconstruct_sentences(
    model: Autoencoder, sentences: Sequence[str], *, code: str = "latent"
) -> list[str]:
    """Encode sentences and decode them.

    Parameters
    ----------
    model : Autoencoder
        Of sentences.
    sentences : sequence of str
        Words with spaces between them, as the model's training had them.
    code : str, default="latent"
        What they are reconstructed from; "code" for the second code of a stacked autoencoder.

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        When the model is not one of sentences or has no such code, or a sentence is empty.

    Warns
    -----
    UserWarning
        When the model does not know some of the words.
    """
    return _decode_codes(model, read(model, sentences, code=code), code)


def interpolate_sentences(
    model: Autoencoder, first: str, last: str, *, steps: int = 7, code: str = "latent"
) -> list[str]:
    """Decode the points of a straight line between two sentences.

    Parameters
    ----------
    model : Autoencoder
        Of sentences.
    first, last : str
        Where the line begins and ends.
    steps : int, default=7
        Points, with both ends.
    code : str, default="latent"
        Where the line is straight; see `reconstruct_sentences`.

    Returns
    -------
    list of str
        The first and the last are reconstructions of the ends.

    Raises
    ------
    InputError
        As `reconstruct_sentences` does, and for less than 2 steps.
    """
    if steps < 2:
        raise InputError(f"steps is {steps}, expected at least 2, the ends of the line")
    start, end = read(model, [first, last], code=code)
    return _decode_codes(model, interpolate(start[None], end[None], steps)[0], code)


def add_sentences(
    model: Autoencoder, sentence: str, minus: str, plus: str, *, code: str = "latent"
) -> str:
    """Decode the vector of one sentence, less that of another, with that of a third.

    Parameters
    ----------
    model : Autoencoder
        Of sentences.
    sentence, minus, plus : str
        "a man is running .", less "a man is sitting .", with "a woman is sitting ." asks for a
        woman who runs.
    code : str, default="latent"
        Whose vectors; see `reconstruct_sentences`.

    Returns
    -------
    str

    Raises
    ------
    InputError
        As `reconstruct_sentences` does.
    """
    vectors = read(model, [sentence, minus, plus], code=code)
    return _decode_codes(model, (vectors[0] - vectors[1] + vectors[2])[None], code)[0]


def read(model: Autoencoder, sentences: Sequence[str], *, code: str = "latent") -> Tensor:
    """Return the vectors of sentences; takes and raises what `reconstruct_sentences` does.

    Returns
    -------
    torch.Tensor of shape (n, D)
        On the model's device, without gradients.
    """
    _check(model)
    _warn_of_unknown(model, sentences)
    _, places, _ = model.config.image_shape
    data = SentenceDataset.from_sentences(
        sentences, vocabulary=model.config.vocabulary, length=places, name="the sentences given"
    )
    return torch.cat([codes_of(model, images, code) for images, _ in data.batches(_BATCH)])


def codes_of(model: Autoencoder, images: Tensor, code: str = "latent") -> Tensor:
    """Return the vectors (b, D) of one-hot sentences (b, V, T, 1); see `read`."""
    known = _codes(model)
    if code not in known:
        raise InputError(
            f"model {model.config.recipe!r} has no code {code!r} that sentences can be made of; "
            f"expected {' or '.join(known)}"
        )
    with evaluating(model):
        posterior = model.posterior(images.to(device_of(model)))
    return {**(posterior.codes or {}), "latent": posterior.mean}[code].flatten(1)


def decode_sentences(model: Autoencoder, latents: Tensor) -> list[str]:
    """Decode latents to sentences.

    Parameters
    ----------
    model : Autoencoder
        Of sentences.
    latents : torch.Tensor of shape (n, C, H, W)
        Latents.

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        When the model is not one of sentences, or the latents have another shape than its.
    """
    _check(model)
    tokens = decode_tokens(model, latents).tolist()
    return [to_sentence(row, model.config.vocabulary) for row in tokens]


def decode_tokens(model: Autoencoder, latents: Tensor) -> Tensor:
    """Decode latents (n, C, H, W) to the likeliest tokens (n, T), int64, -1 after the end."""
    with evaluating(model):
        parts = [
            most_likely_tokens(model.decode(latents[start : start + _BATCH]))
            for start in range(0, len(latents), _BATCH)
        ]
    return torch.cat(parts).cpu()


def latents_of(model: Autoencoder, codes: Tensor, code: str = "latent") -> Tensor:
    """Return the latents (n, C, H, W) that codes (n, D) stand for."""
    with evaluating(model):
        composed = model.bottleneck.compose({code: codes}) if code != "latent" else codes
    return composed.reshape(len(codes), *model.latent_shape)


def _codes(model: Autoencoder) -> tuple[str, ...]:
    """Name the codes of which one alone makes a latent."""
    priors = RECIPES[model.config.recipe].priors(model.config.recipe_options, model.latent_shape)
    alone = [name for name in priors if name != "latent" and len(priors) == 1]
    return ("latent", *alone)


def _decode_codes(model: Autoencoder, codes: Tensor, code: str) -> list[str]:
    return decode_sentences(model, latents_of(model, codes, code))


def _check(model: Autoencoder) -> None:
    if not model.config.vocabulary:
        raise InputError(
            f"model {model.config.recipe!r} has no vocabulary, so it is not one of sentences; give "
            "one that was trained on a text (--backbone text)"
        )


def _warn_of_unknown(model: Autoencoder, sentences: Sequence[str]) -> None:
    known = {*model.config.vocabulary[len(SPECIAL) :], SPECIAL[1]}
    unknown = sorted({word for text in sentences for word in text.split()} - known)
    if unknown:
        listed = ", ".join(map(repr, unknown[:5]))
        warnings.warn(
            f"the model does not know {listed}{' and more' if len(unknown) > 5 else ''}, and reads "
            f"{SPECIAL[1]!r}; its words are in the vocabulary of config.json",
            stacklevel=4,
        )
