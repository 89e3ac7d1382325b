"""The autoencoders that the ACAI paper adds to the others: ACAI, dropout, VQ-VAE."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from latentgeo.models.bottlenecks import Bottleneck, Deterministic
from latentgeo.models.critic import per_squared_error
from latentgeo.models.nets import Nets, Shape, Shapes
from latentgeo.models.quantised import QuantisedDecoder
from latentgeo.models.recipe import (
    LikelihoodName,
    NonNegative,
    Recipe,
    RecipeOptions,
    reconstruct,
)
from latentgeo.objectives import Posterior, Term
from latentgeo.objectives.commitment import Commitment


class PaperOptions(RecipeOptions):
    """Options of the paper's autoencoders.

    Attributes
    ----------
    likelihood : str
        By default that of the paper: the squared error of a linear output in [-1, 1].
    latent_activation : {"relu", "linear"}
        What the latent passes last.
    """

    likelihood: LikelihoodName = "squared-signed"
    latent_activation: Literal["relu", "linear"] = "linear"


class ACAIRecipeOptions(PaperOptions):
    """Options of ACAI: those of the critic, which is on."""

    critic_weight: NonNegative = 0.5


class DropoutOptions(PaperOptions):
    """Options of the dropout autoencoder.

    Attributes
    ----------
    keep : float
        Probability with which each number of the latent is kept while training; those kept are
        divided by it.
    """

    keep: Annotated[float, Field(gt=0, le=1)] = 0.5


class VQVAEOptions(PaperOptions):
    """Options of the autoencoder with a codebook; see `QuantisedDecoder`.

    Attributes
    ----------
    codes : int
        Code vectors for each image.
    codebook_size : int
        Vectors in the codebook, which all code vectors share.
    code_size : int
        Numbers in a vector; the paper takes as many as the latent has.
    codebook_decay : float
        Share of the codebook's moving averages that each step keeps.
    commitment_weight : float
        β, against a squared error averaged over pixels on [-1, 1], whatever the likelihood.
    """

    codes: PositiveInt = 10
    codebook_size: Annotated[int, Field(ge=2)] = 2**14
    code_size: PositiveInt = 64
    codebook_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    commitment_weight: NonNegative = 10.0


class Dropout(Bottleneck):
    """A single point, of which training drops numbers at random.

    Parameters
    ----------
    point : Deterministic
        The point.
    keep : float
        Probability with which each number is kept.
    """

    stochastic = False

    def __init__(self, point: Deterministic, keep: float) -> None:
        super().__init__()
        self.point = point
        self.dropout = nn.Dropout(1 - keep)

    def forward(self, features: Tensor) -> Posterior:
        """Return the point, in training with zeros."""
        return Posterior(self.dropout(self.point(features).mean))


def _deterministic(nets: Nets, options: PaperOptions) -> Deterministic:
    return Deterministic(nets.features, nets.latent_shape[0], options.latent_activation)


def _dropout(nets: Nets, options: DropoutOptions) -> Bottleneck:
    return Dropout(_deterministic(nets, options), options.keep)


def _quantised(decoder: nn.Module, latent_shape: Shape, options: VQVAEOptions) -> nn.Module:
    return QuantisedDecoder(
        decoder,
        latent_shape,
        codes=options.codes,
        codebook_size=options.codebook_size,
        code_size=options.code_size,
        decay=options.codebook_decay,
    )


def _committed(options: VQVAEOptions, shapes: Shapes) -> tuple[Term, ...]:
    unit = per_squared_error(options.likelihood, shapes.image)
    return (*reconstruct(options, shapes), Commitment(options.commitment_weight * unit))


ACAI = Recipe(
    "reconstruction, and a critic that makes interpolations realistic",
    ACAIRecipeOptions,
    _deterministic,
    reconstruct,
)
DROPOUT_AE = Recipe(
    "reconstruction from a latent with dropout",
    DropoutOptions,
    _dropout,
    reconstruct,
)
VQ_VAE = Recipe(
    "reconstruction through a vector-quantised latent with one codebook",
    VQVAEOptions,
    _deterministic,
    _committed,
    decoder=_quantised,
)
