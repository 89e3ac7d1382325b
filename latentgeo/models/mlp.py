"""The fully connected backbone, whose latents are vectors."""

from itertools import pairwise
from math import prod
from typing import Annotated

from pydantic import Field, PositiveInt
from torch import nn

from latentgeo.models.nets import Nets, Shape
from latentgeo.settings import Options


class MLPOptions(Options):
    """Options of the MLP backbone.

    Attributes
    ----------
    hidden : tuple of int
        Widths of the encoder's hidden layers; the decoder has them in reverse.
    latent_dim : int
        Dimension of the latent vector.
    """

    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (512, 256)
    latent_dim: PositiveInt = 32


def build_mlp(image_shape: Shape, options: MLPOptions) -> Nets:
    """Build fully connected layers with ReLU.

    Parameters
    ----------
    image_shape : tuple of int
        (C, H, W), any.
    options : MLPOptions
        Widths and latent dimension.

    Returns
    -------
    Nets
        Latent (latent_dim, 1, 1).
    """
    pixels, last = prod(image_shape), options.hidden[-1]
    encoder = nn.Sequential(
        nn.Flatten(), *_layers((pixels, *options.hidden)), nn.Unflatten(1, (last, 1, 1))
    )
    up = (options.latent_dim, *reversed(options.hidden), pixels)
    decoder = nn.Sequential(nn.Flatten(), *_layers(up), nn.Unflatten(1, image_shape))
    return Nets(encoder, decoder, last, (options.latent_dim, 1, 1))


def _layers(widths: tuple[int, ...]) -> list[nn.Module]:
    """Alternate linear layers and ReLU, beginning and ending with a linear layer."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return layers[:-1]
