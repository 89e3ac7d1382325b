"""What the decoder's output means: the distribution of an image given its latent."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, pad

from latentgeo.datasets.sentences import END

_GAUSSIAN_DEVIATION = 0.1


@dataclass(frozen=True)
class Likelihood:
    """Distribution of an image given the decoder's output.

    Attributes
    ----------
    summary : str
        One line.
    negative_log : callable
        (logits, images), both (b, C, H, W), to nats per image, summed over pixels: (b,).
    mean : callable
        Logits to the mean image in [0, 1], same shape.
    signed : callable
        Logits to the mean image on [-1, 1], values beyond kept: how critics see it.
    per_squared_error : float
        How much of it is a squared error of 1 per pixel on [-1, 1], which papers weigh other terms
        against. Exact for squared errors; for the cross-entropy at grey, where its curvature is
        least.
    """

    summary: str
    negative_log: Callable[[Tensor, Tensor], Tensor]
    mean: Callable[[Tensor], Tensor]
    signed: Callable[[Tensor], Tensor]
    per_squared_error: float


def _bernoulli(logits: Tensor, images: Tensor) -> Tensor:
    each = binary_cross_entropy_with_logits(logits, images, reduction="none")
    return each.flatten(1).sum(dim=1)


def _gaussian(logits: Tensor, images: Tensor) -> Tensor:
    scaled = (logits - images) / _GAUSSIAN_DEVIATION
    return 0.5 * scaled.square().flatten(1).sum(dim=1)


def _squared(logits: Tensor, images: Tensor) -> Tensor:
    return (logits - images).square().flatten(1).sum(dim=1)


def _squared_sigmoid(logits: Tensor, images: Tensor) -> Tensor:
    return _squared(torch.sigmoid(logits), images)


def _squared_signed(logits: Tensor, images: Tensor) -> Tensor:
    return _squared(_from_signed(logits), images)


def _from_signed(logits: Tensor) -> Tensor:
    return (logits + 1) / 2


def _clamp_signed(logits: Tensor) -> Tensor:
    return _clamp(_from_signed(logits))


def _categorical(logits: Tensor, images: Tensor) -> Tensor:
    # A blank place has no 1 in any channel, so it costs nothing.
    return -(images * logits.log_softmax(dim=1)).flatten(1).sum(dim=1)


def _until_the_end(logits: Tensor) -> Tensor:
    """Return the mean of one-hot sentences that are blank after their first end token."""
    words = logits.softmax(dim=1)
    goes_on = (1 - words[:, END : END + 1]).cumprod(dim=2)
    before = pad(goes_on[:, :, :-1], (0, 0, 1, 0), value=1.0)
    return words * before


def _signed_sentences(logits: Tensor) -> Tensor:
    return _signed(_until_the_end(logits))


def _clamp(logits: Tensor) -> Tensor:
    return logits.clamp(0, 1)


def _signed(logits: Tensor) -> Tensor:
    return 2 * logits - 1


def _signed_sigmoid(logits: Tensor) -> Tensor:
    return _signed(torch.sigmoid(logits))


def _as_it_is(logits: Tensor) -> Tensor:
    return logits


LIKELIHOODS = {
    "bernoulli": Likelihood(
        "binary cross-entropy of a sigmoid output", _bernoulli, torch.sigmoid, _signed_sigmoid, 0.5
    ),
    "gaussian": Likelihood(
        f"squared error of a linear output, standard deviation {_GAUSSIAN_DEVIATION}, "
        "without the additive constant",
        _gaussian,
        _clamp,
        _signed,
        12.5,
    ),
    "squared": Likelihood(
        "squared error of a linear output, standard deviation √½, the cost of a Wasserstein "
        "autoencoder",
        _squared,
        _clamp,
        _signed,
        0.25,
    ),
    # It saturates, and a net without normalisation collapses to black within an epoch.
    "squared-sigmoid": Likelihood(
        "squared error of a sigmoid output, for backbones with normalisation",
        _squared_sigmoid,
        torch.sigmoid,
        _signed_sigmoid,
        0.25,
    ),
    "squared-signed": Likelihood(
        "squared error of a linear output in [-1, 1], as in ACAI; a quarter of that on [-1, 1]",
        _squared_signed,
        _clamp_signed,
        _as_it_is,
        0.25,
    ),
    # The curvature is that of two words that are equally likely.
    "categorical": Likelihood(
        "cross-entropy of a softmax over the vocabulary, for one-hot sentences; blank places are "
        "left out",
        _categorical,
        _until_the_end,
        _signed_sentences,
        0.25,
    ),
}
