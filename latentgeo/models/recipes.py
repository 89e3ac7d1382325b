"""The table of recipes: what makes an autoencoder a CAE, a DAE or a VAE."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from latentgeo.models.bottlenecks import Bottleneck, Deterministic, Gaussian
from latentgeo.models.nets import Shapes
from latentgeo.models.parsing import Options
from latentgeo.objectives import (
    LIKELIHOODS,
    Corruption,
    GaussianCorruption,
    KLDivergence,
    Reconstruction,
    Supervision,
    Term,
)

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class RecipeOptions(Options):
    """Options of every recipe.

    Attributes
    ----------
    likelihood : {"bernoulli", "gaussian"}
        What the decoder's output means; see `latentgeo.objectives.LIKELIHOODS`.
    """

    likelihood: Literal["bernoulli", "gaussian"] = "bernoulli"


class CAEOptions(RecipeOptions):
    """Options of the plain autoencoder.

    Attributes
    ----------
    latent_activation : {"relu", "linear"}
        What the latent passes last.
    """

    latent_activation: Literal["relu", "linear"] = "relu"


class DAEOptions(CAEOptions):
    """Options of the denoising autoencoder.

    Attributes
    ----------
    noise : tuple of two float
        Range of the noise's standard deviation, for images in [0, 1].
    """

    noise: tuple[NonNegative, NonNegative] = (0.0, 0.3)

    @field_validator("noise")
    @classmethod
    def _ascending(cls, noise: tuple[float, float]) -> tuple[float, float]:
        if noise[0] > noise[1]:
            raise ValueError("expected the lower end first, as in [0, 0.3]")
        return noise


class VAEOptions(RecipeOptions):
    """Options of the variational autoencoder.

    Attributes
    ----------
    kl_weight : float
        Factor of the KL divergence; 1 is the evidence lower bound.
    kl_warmup : float
        Share of the training, 0 to 1, over which that factor rises from 0.
    """

    kl_weight: NonNegative = 1.0
    kl_warmup: Annotated[float, Field(ge=0, le=1)] = 0.7


def _nothing(options: Any) -> None:
    """Let the encoder see the clean image."""


@dataclass(frozen=True)
class Recipe:
    """What makes an autoencoder the one that it is, whatever its backbone.

    Attributes
    ----------
    summary : str
        One line.
    options : type
        Its options.
    bottleneck : callable
        (features, latent channels, options) to the bottleneck.
    terms : callable
        (options, shapes) to the terms that training minimises.
    corruption : callable
        Options to what the input goes through while training, or to None.
    supervision : callable
        Options to the labels that it learns from, or to None.
    """

    summary: str
    options: type[RecipeOptions]
    bottleneck: Callable[[int, int, Any], Bottleneck]
    terms: Callable[[Any, Shapes], tuple[Term, ...]]
    corruption: Callable[[Any], Corruption | None] = _nothing
    supervision: Callable[[Any], Supervision | None] = _nothing


def _deterministic(features: int, channels: int, options: CAEOptions) -> Bottleneck:
    return Deterministic(features, channels, options.latent_activation)


def _gaussian(features: int, channels: int, options: VAEOptions) -> Bottleneck:
    return Gaussian(features, channels)


def _reconstruct(options: RecipeOptions, shapes: Shapes) -> tuple[Term, ...]:
    return (Reconstruction(LIKELIHOODS[options.likelihood]),)


def _evidence_bound(options: VAEOptions, shapes: Shapes) -> tuple[Term, ...]:
    return (*_reconstruct(options, shapes), KLDivergence(options.kl_weight, options.kl_warmup))


def _noise(options: DAEOptions) -> Corruption:
    return GaussianCorruption(*options.noise)


RECIPES = {
    "cae": Recipe("autoencoder: reconstruction", CAEOptions, _deterministic, _reconstruct),
    "dae": Recipe(
        "denoising autoencoder: reconstruction of the clean image from a noisy one",
        DAEOptions,
        _deterministic,
        _reconstruct,
        _noise,
    ),
    "vae": Recipe(
        "variational autoencoder: reconstruction and KL divergence to a normal prior",
        VAEOptions,
        _gaussian,
        _evidence_bound,
    ),
}
