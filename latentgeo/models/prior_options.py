"""Options of recipes whose codes follow a prior."""

from typing import Annotated

from pydantic import Field, PositiveInt, field_validator

from latentgeo.models.recipe import LikelihoodName, NonNegative, Positive, RecipeOptions
from latentgeo.objectives import PRIORS


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
    discriminator : tuple of int
        Widths of its hidden layers.
    discriminator_slope : float
        Slope of its units below 0: with 0 they are ReLUs; the ACAI paper takes 0.2.
    discriminator_rate : float
        Its learning rate.
    discriminator_noise : float
        Standard deviation of the noise on the codes that it sees while it trains.
    known_prior : bool
        Add the prior's log-density to its logit.
    """

    discriminator: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (1000, 1000)
    discriminator_slope: NonNegative = 0.0
    discriminator_rate: Positive = 1e-3
    discriminator_noise: NonNegative = 0.0
    known_prior: bool = False
