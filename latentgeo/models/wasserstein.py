"""Wasserstein autoencoders: with a discrepancy, with a discriminator, and stacked."""

from collections.abc import Mapping
from math import prod
from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from latentgeo.metrics.mmd import Kernel
from latentgeo.models.bottlenecks import Bottleneck, Deterministic, Stacked
from latentgeo.models.nets import LatentShape, Nets, Shapes
from latentgeo.models.prior_options import (
    DiscriminatorOptions,
    PriorOptions,
    adversarial_prior,
)
from latentgeo.models.recipe import NonNegative, Positive, Pretraining, Recipe, reconstruct
from latentgeo.objectives import (
    LIKELIHOODS,
    CodeReconstruction,
    MaximumMeanDiscrepancy,
    MomentMatching,
    Prior,
    Reconstruction,
    Term,
    make_prior,
)

# What the published code multiplies the squared error with.
_RECONSTRUCTION_IN_CODE = 0.05

_Widths = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]


class _WAEOptions(PriorOptions):
    """Options of both Wasserstein autoencoders.

    Attributes
    ----------
    prior_weight : float
        λ, the factor of the term that compares codes and prior.
    convention : {"paper", "published-code"}
        What λ is measured against: the squared error per image, or 0.05 times that. So λ of the
        published code is that of the paper times 20.
    pretrain_steps : int
        Steps in which the encoder first learns mean and covariance of the prior.
    """

    prior_weight: NonNegative = 10.0
    convention: Literal["paper", "published-code"] = "paper"
    pretrain_steps: NonNegativeInt = 200


class WAEMMDOptions(_WAEOptions):
    """Options of the Wasserstein autoencoder with a maximum mean discrepancy.

    Attributes
    ----------
    mmd_kernel : {"imq", "imq-scales", "rbf"}
        See `latentgeo.metrics.mmd_squared`; the published code uses imq-scales.
    """

    mmd_kernel: Kernel = "imq"


class WAEGANOptions(_WAEOptions, DiscriminatorOptions):
    """Options of the Wasserstein autoencoder with a discriminator; the nets are the paper's."""

    widths_of_paper: ClassVar[tuple[int, ...]] = (512, 512, 512, 512)

    prior_weight: NonNegative = 1.0
    discriminator_rate: Positive = 5e-4


class SWAEOptions(DiscriminatorOptions):
    """Options of the stacked Wasserstein autoencoder.

    Attributes
    ----------
    stage_dim : int
        Dimension of the second code, z, which follows the prior.
    stage_hidden : tuple of int
        Widths of the hidden layers of the second stage's nets.
    stage_gradients : {"stop", "normalised", "raw"}
        How the second stage acts on the first code, h; see `latentgeo.models.bottlenecks.Stacked`.
    stage_weight : float
        λ1, the factor of the whole second stage.
    prior_term : {"mmd", "gan"}
        What compares z and the prior.
    prior_weight : float or None
        λ2, its factor within the second stage; None for 10 with "mmd" and 1 with "gan".
    mmd_kernel : {"imq", "imq-scales", "rbf"}
        See `latentgeo.metrics.mmd_squared`.
    """

    widths_of_paper: ClassVar[tuple[int, ...]] = (512, 512, 512, 512)

    stage_dim: PositiveInt = 8
    stage_hidden: _Widths = (1024, 1024, 1024)
    stage_gradients: Literal["stop", "normalised", "raw"] = "stop"
    stage_weight: NonNegative = 1.0
    prior_term: Literal["mmd", "gan"] = "mmd"
    prior_weight: NonNegative | None = None
    mmd_kernel: Kernel = "imq"
    discriminator_rate: Positive = 5e-4


def _deterministic(nets: Nets, options: _WAEOptions) -> Bottleneck:
    deviation = options.latent_deviation
    return Deterministic(nets.features, nets.latent_shape[0], "linear", deviation=deviation)


def _prior_of_latent(options: PriorOptions, latent_shape: LatentShape) -> Mapping[str, Prior]:
    return {"latent": make_prior(options.prior, prod(latent_shape), options.prior_deviation)}


def _cost(options: _WAEOptions) -> Term:
    weight = 1.0 if options.convention == "paper" else _RECONSTRUCTION_IN_CODE
    return Reconstruction(LIKELIHOODS[options.likelihood], weight)


def _terms_mmd(options: WAEMMDOptions, shapes: Shapes) -> tuple[Term, ...]:
    prior = _prior_of_latent(options, shapes.latent)["latent"]
    return _cost(options), MaximumMeanDiscrepancy(
        prior, kernel=options.mmd_kernel, weight=options.prior_weight
    )


def _terms_gan(options: WAEGANOptions, shapes: Shapes) -> tuple[Term, ...]:
    prior = _prior_of_latent(options, shapes.latent)["latent"]
    weight, shape = options.prior_weight, shapes.latent
    return _cost(options), adversarial_prior(
        options, prior, code="latent", weight=weight, latent_shape=shape
    )


def _match_moments(options: _WAEOptions, shapes: Shapes) -> Pretraining | None:
    if not options.pretrain_steps:
        return None
    prior = _prior_of_latent(options, shapes.latent)["latent"]
    return Pretraining(MomentMatching(prior), options.pretrain_steps)


def _stacked(nets: Nets, options: SWAEOptions) -> Bottleneck:
    return Stacked(
        nets.features,
        nets.latent_shape,
        dimension=options.stage_dim,
        hidden=options.stage_hidden,
        gradients=options.stage_gradients,
    )


def _prior_of_code(options: SWAEOptions, latent_shape: LatentShape) -> Mapping[str, Prior]:
    return {"code": make_prior(options.prior, options.stage_dim, options.prior_deviation)}


def _terms_stacked(options: SWAEOptions, shapes: Shapes) -> tuple[Term, ...]:
    prior = _prior_of_code(options, shapes.latent)["code"]
    within = options.prior_weight
    if within is None:
        within = 10.0 if options.prior_term == "mmd" else 1.0
    weight = options.stage_weight * within
    compared: Term = (
        MaximumMeanDiscrepancy(prior, code="code", kernel=options.mmd_kernel, weight=weight)
        if options.prior_term == "mmd"
        else adversarial_prior(options, prior, code="code", weight=weight)
    )
    return (*reconstruct(options, shapes), CodeReconstruction(options.stage_weight), compared)


WAE_MMD = Recipe(
    "Wasserstein autoencoder: squared error and a maximum mean discrepancy between codes and prior",
    WAEMMDOptions,
    _deterministic,
    _terms_mmd,
    pretraining=_match_moments,
    priors=_prior_of_latent,
)
WAE_GAN = Recipe(
    "Wasserstein autoencoder: squared error and an adversarial penalty between codes and prior",
    WAEGANOptions,
    _deterministic,
    _terms_gan,
    pretraining=_match_moments,
    priors=_prior_of_latent,
)
SWAE = Recipe(
    "stacked (not sliced) Wasserstein autoencoder: a second autoencoder on the code carries the "
    "prior",
    SWAEOptions,
    _stacked,
    _terms_stacked,
    priors=_prior_of_code,
)
