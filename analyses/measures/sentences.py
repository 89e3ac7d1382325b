"""What is measured of autoencoders of sentences, and what they say."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture
from study import over_seeds
from study.gather import plain
from torch import Tensor

from latentgeo.datasets import SentenceDataset, load
from latentgeo.datasets.sentences import to_sentence
from latentgeo.metrics import (
    TrigramModel,
    bootstrap_mean,
    exact_match,
    perplexity,
    token_accuracy,
)
from latentgeo.models import (
    Autoencoder,
    add_sentences,
    interpolate_sentences,
    reconstruct_sentences,
    sample_latents,
)
from latentgeo.models.sentences import codes_of, decode_tokens, latents_of
from measures.densities import draw_latents

_BATCH = 128
_PATHS = {"latent": "", "code": " through z"}
# What the printed interpolations and sums are of.
_WAYS = (
    ("a man in a blue shirt is standing on a ladder .", "two dogs are running in the grass ."),
    ("a little girl is playing in the water .", "a man is riding a bike down the street ."),
)
_SUMS = (
    ("a man is playing a guitar .", "a man is sitting .", "a woman is sitting ."),
    ("a dog runs through the grass .", "a dog is sitting .", "two dogs are sitting ."),
)
_PRINTED = 8


class Texts(NamedTuple):
    """What is trained on, and what is measured on."""

    train: SentenceDataset
    test: SentenceDataset


def texts_of(scale: Any) -> Texts:
    """Return the sentences of a scale: of its data set, or made up."""
    if scale.data is None:
        train, test = _made_up(scale)
    else:
        train, test = (load(scale.data, part, size=scale.places) for part in ("train", "test"))
    return Texts(train, test.take(min(scale.test_samples, len(test))))


def measure(model: Autoencoder, texts: Texts, scale: Any, seed: int) -> dict[str, Any]:
    """Measure reconstructions and samples of a model, and decode sentences.

    Parameters
    ----------
    model : Autoencoder
        Trained.
    texts : Texts
        The sentences.
    scale : Scale
        How many samples are drawn.
    seed : int
        Seeds the draws and the bootstrap.

    Returns
    -------
    dict
        JSON-ready.
    """
    mixed = decode_tokens(model, draw_mixture(model, texts, scale, seed)).numpy()
    # Without a prior the mixture is all that samples can come of.
    tokens = (
        mixed
        if model.config.recipe == "cae"
        else decode_tokens(model, sample_latents(model, scale.samples, seed=seed)).numpy()
    )
    codes = ("latent", "code") if model.config.recipe == "swae" else ("latent",)
    return {
        "reconstruction": {code: reconstruction(model, texts.test, code, seed) for code in codes},
        "samples": {
            **perplexities(tokens, texts, seed),
            "mixture_reverse_perplexity": reverse_perplexity(mixed, texts, seed),
            "distinct": len({tuple(row) for row in tokens.tolist()}) / len(tokens),
        },
        "said": {
            "samples": [to_sentence(row, texts.test.vocabulary) for row in tokens[:_PRINTED]],
            "reconstructions": _reconstructions(model, texts.test, codes[-1]),
            "interpolations": [
                interpolate_sentences(model, *ends, code=code)
                for ends in _ends(texts, scale)
                for code in codes
            ],
            "arithmetic": [
                {
                    "asked": list(asked),
                    "code": code,
                    "said": add_sentences(model, *asked, code=code),
                }
                for asked in _asked(texts, scale)
                for code in codes
            ],
        },
    }


def reconstruction(
    model: Autoencoder, test: SentenceDataset, code: str, seed: int
) -> dict[str, dict[str, float]]:
    """Measure how many tokens, and how many sentences, come back from a code."""
    right, whole = [], []
    for clean, _ in test.batches(_BATCH):
        decoded = decode(model, latents_of(model, codes_of(model, clean, code), code))
        right.append(token_accuracy(decoded, clean))
        whole.append(exact_match(decoded, clean))
    return {
        "token_accuracy": plain(bootstrap_mean(torch.cat(right).numpy(), seed=seed)),
        "exact_match": plain(bootstrap_mean(torch.cat(whole).numpy(), seed=seed)),
    }


@torch.no_grad()
def decode(model: Autoencoder, latents: Tensor) -> Tensor:
    """Decode latents to sentences on the CPU."""
    return model.decode(latents).cpu()


def perplexities(tokens: NDArray[Any], texts: Texts, seed: int) -> dict[str, dict[str, float]]:
    """Measure samples by trigrams: those of the samples on real sentences, and the reverse."""
    forward = TrigramModel(len(texts.test.vocabulary)).fit(texts.train.tokens)
    return {
        "reverse_perplexity": reverse_perplexity(tokens, texts, seed),
        "perplexity": plain(perplexity(forward, tokens, seed=seed)),
    }


def reverse_perplexity(tokens: NDArray[Any], texts: Texts, seed: int) -> dict[str, float]:
    """Measure how likely real test sentences are by the trigrams of samples."""
    reverse = TrigramModel(len(texts.test.vocabulary)).fit(tokens)
    return plain(perplexity(reverse, texts.test.tokens, seed=seed))


def real_perplexities(texts: Texts, scale: Any) -> dict[str, dict[str, float]]:
    """Measure what as many real sentences reach in the place of samples."""
    count = min(scale.samples, len(texts.train))
    reverse = perplexities(texts.train.take(count, seed=0).tokens, texts, 0)["reverse_perplexity"]
    forward = perplexities(texts.test.tokens, texts, 0)["perplexity"]
    return {"reverse_perplexity": reverse, "perplexity": forward}


def draw_mixture(model: Autoencoder, texts: Texts, scale: Any, seed: int) -> Tensor:
    """Draw latents of a Gaussian mixture that is fitted to those of training sentences."""
    part = texts.train.take(min(scale.mixture_samples, len(texts.train)), seed=seed)
    mixture = GaussianMixture(scale.components, reg_covar=1e-4, random_state=seed)
    drawn, _ = mixture.fit(draw_latents(model, part, seed=seed)).sample(scale.samples)
    return latents_of(model, torch.from_numpy(drawn).float())


def _reconstructions(model: Autoencoder, test: SentenceDataset, code: str) -> list[list[str]]:
    real = test.sentences()[:_PRINTED]
    back = reconstruct_sentences(model, real, code=code)
    return [list(pair) for pair in zip(real, back, strict=True)]


def _ends(texts: Texts, scale: Any) -> tuple[tuple[str, str], ...]:
    first, last, *_ = texts.test.sentences()
    return _WAYS if scale.data == "multi30k" else ((first, last),)


def _asked(texts: Texts, scale: Any) -> tuple[tuple[str, str, str], ...]:
    first, second, third, *_ = texts.test.sentences()
    return _SUMS if scale.data == "multi30k" else ((first, second, third),)


def _made_up(scale: Any) -> Texts:
    """Make the sentences of a small grammar, of which a fifth is kept for the test."""
    parts = (
        ("a", "the", "one"),
        ("dog", "man", "girl", "horse"),
        ("runs", "sits", "sleeps", "jumps"),
        ("in the", "near the", "on a"),
        ("street .", "field .", "park ."),
    )
    lines = [" ".join(words) for words in product(*parts)]
    everything = SentenceDataset.from_sentences(lines, length=scale.places, name="made-up")
    order = everything.take(len(lines), seed=0)
    held = len(lines) // 5
    return Texts(_slice(order, slice(held, None), "train"), _slice(order, slice(held), "test"))


def _slice(data: SentenceDataset, part: slice, split: str) -> SentenceDataset:
    return replace(data, images=data.images[part], indices=data.indices[part], split=split)


def gather(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Return each measure of each model over its seeds, a single one with its own interval.

    Parameters
    ----------
    runs : mapping
        Model to the measures of its runs, one for each seed.

    Returns
    -------
    dict
        Model (and path of reconstruction) to measure to what `over_seeds` gives.
    """
    rows: dict[str, Any] = {}
    for model, seeds in runs.items():
        for path in seeds[0]["reconstruction"]:
            rows[f"{model}{_PATHS[path]}"] = {
                name: over_seeds(run["reconstruction"][path][name] for run in seeds)
                for name in ("token_accuracy", "exact_match")
            }
        for name in seeds[0]["samples"]:
            rows[model][name] = over_seeds(run["samples"][name] for run in seeds)
    return rows
