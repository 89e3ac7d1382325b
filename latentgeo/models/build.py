"""From a configuration to a model."""

from torch import nn

from latentgeo.models.acai import OWN_WEIGHTS
from latentgeo.models.autoencoder import Autoencoder
from latentgeo.models.backbones import BACKBONES
from latentgeo.models.config import ModelConfig
from latentgeo.models.recipes import RECIPES
from latentgeo.models.text import check_sentences
from latentgeo.objectives import LIKELIHOODS


def build(config: ModelConfig) -> Autoencoder:
    """Build a model with fresh weights, drawn from torch's global generator.

    Weights are drawn by Glorot's rule and biases are 0: with PyTorch's defaults these nets, which
    have no normalisation, linger near the mean image for their first hundreds of steps.

    Parameters
    ----------
    config : ModelConfig
        Recipe, backbone, image shape and options.

    Returns
    -------
    Autoencoder
        In training mode, on the CPU, float32.

    Raises
    ------
    InputError
        When the backbone cannot take images of that shape, or the recipe a latent of its shape.
    """
    recipe, options = RECIPES[config.recipe], config.recipe_options
    nets = BACKBONES[config.backbone].build(config.image_shape, config.backbone_options)
    if options.likelihood == "categorical":
        check_sentences(config.image_shape, "likelihood 'categorical'")
    bottleneck = recipe.bottleneck(nets, options)
    model = Autoencoder(
        nets.encoder,
        bottleneck,
        recipe.decoder(nets.decoder, nets.latent_shape, options),
        config=config,
        latent_shape=nets.latent_shape,
        to_image=LIKELIHOODS[options.likelihood].mean,
        to_signed=LIKELIHOODS[options.likelihood].signed,
    )
    model.apply(_initialise)
    return model


def _initialise(module: nn.Module) -> None:
    if isinstance(module, OWN_WEIGHTS):
        return
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
