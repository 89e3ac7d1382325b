"""The table of recipes: what makes an autoencoder a CAE, a VAE, an AAE."""

from collections.abc import Mapping
from math import prod
from typing import Annotated, Literal

from pydantic import Field, field_validator

from latentgeo.models.aae import AAE
from latentgeo.models.bottlenecks import Bottleneck, DenseGaussian, Deterministic, Gaussian
from latentgeo.models.interpolating import ACAI, DROPOUT_AE, VQ_VAE
from latentgeo.models.nets import LatentShape, Nets, Shapes
from latentgeo.models.recipe import NonNegative, Recipe, RecipeOptions, reconstruct
from latentgeo.models.wasserstein import SWAE, WAE_GAN, WAE_MMD
from latentgeo.objectives import (
    Corruption,
    GaussianCorruption,
    KLDivergence,
    Prior,
    StandardNormal,
    Term,
)
from latentgeo.registry import Registry


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
    head : {"channels", "dense"}
        Mean and log-variance of a latent tensor: at each place from the features there, or from
        all of them at once, as in the ACAI paper.
    """

    kl_weight: NonNegative = 1.0
    kl_warmup: Annotated[float, Field(ge=0, le=1)] = 0.7
    head: Literal["channels", "dense"] = "channels"


def _deterministic(nets: Nets, options: CAEOptions) -> Bottleneck:
    return Deterministic(nets.features, nets.latent_shape[0], options.latent_activation)


def _gaussian(nets: Nets, options: VAEOptions) -> Bottleneck:
    if options.head == "dense":
        return DenseGaussian(nets.features, nets.latent_shape)
    return Gaussian(nets.features, nets.latent_shape[0], activated=not nets.code)


def _evidence_bound(options: VAEOptions, shapes: Shapes) -> tuple[Term, ...]:
    return (*reconstruct(options, shapes), KLDivergence(options.kl_weight, options.kl_warmup))


def _standard_normal(options: VAEOptions, latent_shape: LatentShape) -> Mapping[str, Prior]:
    return {"latent": StandardNormal(prod(latent_shape))}


def _noise(options: DAEOptions) -> Corruption:
    return GaussianCorruption(*options.noise)


_ROWS = {
    "cae": Recipe("autoencoder: reconstruction", CAEOptions, _deterministic, reconstruct),
    "dae": Recipe(
        "denoising autoencoder: reconstruction of the clean image from a noisy one",
        DAEOptions,
        _deterministic,
        reconstruct,
        _noise,
    ),
    "vae": Recipe(
        "variational autoencoder: reconstruction and KL divergence to a normal prior",
        VAEOptions,
        _gaussian,
        _evidence_bound,
        priors=_standard_normal,
    ),
    "aae": AAE,
    "wae-mmd": WAE_MMD,
    "wae-gan": WAE_GAN,
    "swae": SWAE,
    "acai": ACAI,
    "dropout-ae": DROPOUT_AE,
    "vq-vae": VQ_VAE,
}
#: Every recipe by name.
RECIPES: Registry[Recipe] = Registry("recipes", "recipe", _ROWS)
#: Adds a row; see `Registry.register`.
register_recipe = RECIPES.register
