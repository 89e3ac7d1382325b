"""What a recipe says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field
from torch import nn

from latentgeo.models.bottlenecks import Bottleneck
from latentgeo.models.critic import CriticOptions
from latentgeo.models.nets import LatentShape, Nets, Shape, Shapes
from latentgeo.objectives import LIKELIHOODS, Corruption, Prior, Reconstruction, Supervision, Term

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


LikelihoodName = Literal[
    "bernoulli", "gaussian", "squared", "squared-sigmoid", "squared-signed", "categorical"
]


class RecipeOptions(CriticOptions):
    """Options of every recipe; those of the critic of interpolations are among them.

    Attributes
    ----------
    likelihood : {"bernoulli", "gaussian", "squared", "squared-sigmoid", "squared-signed", \
"categorical"}
        What the decoder's output means; see `latentgeo.objectives.LIKELIHOODS`. On the backbone
        "text" it is "categorical" unless told otherwise.
    """

    likelihood: LikelihoodName = "bernoulli"


class Pretraining(NamedTuple):
    """Steps of the encoder alone, before the first epoch.

    Attributes
    ----------
    term : Term
        What they descend.
    steps : int
        How many.
    """

    term: Term
    steps: int


def _nothing(*given: Any) -> None:
    """Leave out what a recipe may have."""


def _as_it_is(decoder: nn.Module, latent_shape: Shape, options: Any) -> nn.Module:
    return decoder


def _no_priors(*given: Any) -> Mapping[str, Prior]:
    return {}


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
        (`Nets`, options) to the bottleneck.
    terms : callable
        (options, shapes) to the terms that training minimises.
    corruption : callable
        Options to what the input goes through while training, or to None.
    supervision : callable
        Options to the labels that it learns from, or to None.
    pretraining : callable
        (options, shapes) to what the encoder learns first, or to None.
    priors : callable
        (options, latent shape) to the prior of each code that the bottleneck composes latents of;
        empty where the recipe has none, and cannot be sampled.
    decoder : callable
        (the backbone's decoder, latent shape, options) to the model's.
    """

    summary: str
    options: type[RecipeOptions]
    bottleneck: Callable[[Nets, Any], Bottleneck]
    terms: Callable[[Any, Shapes], tuple[Term, ...]]
    corruption: Callable[[Any], Corruption | None] = _nothing
    supervision: Callable[[Any], Supervision | None] = _nothing
    pretraining: Callable[[Any, Shapes], Pretraining | None] = _nothing
    priors: Callable[[Any, LatentShape], Mapping[str, Prior]] = _no_priors
    decoder: Callable[[nn.Module, Shape, Any], nn.Module] = _as_it_is


def reconstruct(options: RecipeOptions, shapes: Shapes) -> tuple[Term, ...]:
    """Return the reconstruction alone."""
    return (Reconstruction(LIKELIHOODS[options.likelihood]),)
