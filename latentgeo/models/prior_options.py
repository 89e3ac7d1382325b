"""Options of recipes whose codes follow a prior."""

from math import prod
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from latentgeo.models.nets import LatentShape
from latentgeo.models.recipe import LikelihoodName, NonNegative, Positive, RecipeOptions
from latentgeo.objectives import PRIORS, AdversarialPrior, Prior, make_prior

# One position has as many numbers as the latent has channels, and there are many of them.
_OF_POSITIONS = (128, 128)


class PriorOptions(RecipeOptions):
    """Options of every recipe whose codes follow a prior.

    Attributes
    ----------
    likelihood : str
        As of every recipe; here the plain squared error unless told otherwise.
    prior : str
        A name in `latentgeo.objectives.PRIORS`.
    prior_deviation : float
        Standard deviation of a normal prior, σ_z.
    latent_norm : bool
        Normalise each channel of a deterministic latent over the batch to mean 0 and the prior's
        deviation. A help for latent tensors: where they have more numbers than the data has
        dimensions, no encoder without noise can make them follow the prior, a discriminator wins,
        and without this they shrink.
    """

    likelihood: LikelihoodName = "squared"
    prior: str = "normal"
    prior_deviation: Positive = 1.0
    latent_norm: bool = False

    @property
    def latent_deviation(self) -> float | None:
        """Standard deviation to which the latent is normalised; None where it is not."""
        return self.prior_deviation if self.latent_norm else None

    @field_validator("prior")
    @classmethod
    def _known(cls, prior: str) -> str:
        if prior not in PRIORS:
            raise ValueError(f"expected one of {', '.join(PRIORS)}")
        return prior


class DiscriminatorOptions(PriorOptions):
    """Options of every recipe with a discriminator of codes.

    Attributes
    ----------
    discriminator : tuple of int or None
        Widths of its hidden layers; None for the paper's where it sees the whole latent, and
        (128, 128) where it sees positions.
    discriminator_slope : float
        Slope of its units below 0: with 0 they are ReLUs; the ACAI paper takes 0.2.
    discriminator_rate : float
        Its learning rate.
    discriminator_noise : float
        Standard deviation of the noise on the codes that it sees while it trains.
    known_prior : bool
        Add the prior's log-density to its logit.
    discriminator_sees : {"latent", "positions"} or None
        The whole latent, or each position of a latent tensor alone, with the same weights for all:
        no encoder without noise can make a tensor of more numbers than the data has dimensions
        follow the prior, but the channels of each position can. None for positions where the
        latent is a tensor and its prior normal, and for the latent elsewhere.
    """

    widths_of_paper: ClassVar[tuple[int, ...]] = (1000, 1000)

    discriminator: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] | None = None
    discriminator_slope: NonNegative = 0.0
    discriminator_rate: Positive = 1e-3
    discriminator_noise: NonNegative = 0.0
    known_prior: bool = False
    discriminator_sees: Literal["latent", "positions"] | None = None

    @model_validator(mode="after")
    def _positions_are_alike(self) -> Self:
        if self.discriminator_sees == "positions" and self.prior != "normal":
            raise ValueError(
                f"option discriminator_sees is 'positions', but the prior {self.prior!r} is one of "
                "whole latents; use prior=normal or discriminator_sees=latent"
            )
        return self

    def sees_positions(self, latent_shape: LatentShape) -> bool:
        """Return whether the discriminator sees each position of such a latent alone."""
        if self.discriminator_sees is None:
            return self.prior == "normal" and prod(latent_shape[1:]) > 1
        return self.discriminator_sees == "positions"


def adversarial_prior(
    options: DiscriminatorOptions,
    prior: Prior,
    *,
    code: str,
    weight: float,
    latent_shape: LatentShape | None = None,
    classes: int = 0,
) -> AdversarialPrior:
    """Return the term of a discriminator.

    Parameters
    ----------
    options : DiscriminatorOptions
        The recipe's.
    prior : Prior
        What the whole code is to follow.
    code : str
        Which code.
    weight : float
        Factor in the objective.
    latent_shape : tuple of int, optional
        (C, ...) of a code that may be a tensor.
    classes : int, default=0
        Labels that the discriminator is given.

    Returns
    -------
    AdversarialPrior
        The term.
    """
    positions = latent_shape is not None and options.sees_positions(latent_shape)
    if positions and latent_shape is not None:
        prior = make_prior(options.prior, latent_shape[0], options.prior_deviation)
    return AdversarialPrior(
        prior,
        code=code,
        hidden=options.discriminator or (_OF_POSITIONS if positions else options.widths_of_paper),
        classes=classes,
        noise=options.discriminator_noise,
        slope=options.discriminator_slope,
        known_prior=options.known_prior and code != "category",
        positions=positions,
        weight=weight,
        learning_rate=options.discriminator_rate,
    )
