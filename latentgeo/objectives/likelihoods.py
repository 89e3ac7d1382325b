"""What the decoder's output means: the distribution of an image given its latent."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

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
    """

    summary: str
    negative_log: Callable[[Tensor, Tensor], Tensor]
    mean: Callable[[Tensor], Tensor]


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


def _clamp(logits: Tensor) -> Tensor:
    return logits.clamp(0, 1)


LIKELIHOODS = {
    "bernoulli": Likelihood("binary cross-entropy of a sigmoid output", _bernoulli, torch.sigmoid),
    "gaussian": Likelihood(
        f"squared error of a linear output, standard deviation {_GAUSSIAN_DEVIATION}, "
        "without the additive constant",
        _gaussian,
        _clamp,
    ),
    "squared": Likelihood(
        "squared error of a linear output, standard deviation √½, the cost of a Wasserstein "
        "autoencoder",
        _squared,
        _clamp,
    ),
    # It saturates, and a net without normalisation collapses to black within an epoch.
    "squared-sigmoid": Likelihood(
        "squared error of a sigmoid output, for backbones with normalisation",
        _squared_sigmoid,
        torch.sigmoid,
    ),
    "squared-signed": Likelihood(
        "squared error of a linear output in [-1, 1], as in ACAI; a quarter of that on [-1, 1]",
        _squared_signed,
        _clamp_signed,
    ),
}
