"""The plain convolutional backbone: convolutions, ReLU, max pooling, up-sampling."""

from itertools import pairwise
from typing import Annotated

from pydantic import Field, PositiveInt
from torch import nn

from latentgeo.errors import InputError
from latentgeo.models.nets import Nets, Shape, check_multiples
from latentgeo.settings import Options


class MaxPoolOptions(Options):
    """Options of the max-pooling backbone.

    Attributes
    ----------
    widths : tuple of int
        Channels of the convolutions; the last is the number of the latent's channels.
    halvings : int
        How many of the convolutions, from the last one back, are followed by a pooling that halves
        rows and columns.
    """

    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (32, 64, 128)
    halvings: Annotated[int, Field(ge=1)] = 2


def build_maxpool(image_shape: Shape, options: MaxPoolOptions) -> Nets:
    """Build 3×3 convolutions with ReLU and 2×2 max pooling, and the mirror with up-sampling.

    The last pooling ends the encoder, so that a latent behind a ReLU is what max pooling leaves of
    units that are never negative: the maximum of the ReLU is the ReLU of the maximum.

    Parameters
    ----------
    image_shape : tuple of int
        (C, H, W); rows and columns are multiples of 2 to the power of the halvings.
    options : MaxPoolOptions
        Sizes.

    Returns
    -------
    Nets
        Latent (widths[-1], H/2^halvings, W/2^halvings): 128×7×7 for 28×28 images by default.

    Raises
    ------
    InputError
        When rows or columns cannot be halved so often, or there are too few convolutions.
    """
    channels, rows, columns = image_shape
    widths, halvings = options.widths, options.halvings
    if halvings > len(widths):
        raise InputError(
            f"halvings is {halvings}, expected at most {len(widths)}, the number of widths"
        )
    factor = 2**halvings
    why = f"the maxpool backbone halves rows and columns {halvings} times"
    check_multiples(image_shape, factor, why, " or use fewer halvings or the mlp backbone")
    encoder = _encoder((channels, *widths), halvings)
    decoder = _decoder((*reversed(widths), widths[0], channels), halvings)
    return Nets(encoder, decoder, widths[-1], (widths[-1], rows // factor, columns // factor))


def _encoder(widths: tuple[int, ...], halvings: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    plain = len(widths) - 1 - halvings
    for place, (before, width) in enumerate(pairwise(widths)):
        layers += [nn.Conv2d(before, width, 3, padding=1)]
        layers += [nn.MaxPool2d(2)] if place >= plain else []
        layers += [nn.ReLU()]
    # The last activation belongs to the bottleneck.
    return nn.Sequential(*layers[:-1])


def _decoder(widths: tuple[int, ...], halvings: int) -> nn.Sequential:
    """Convolve between the widths; the first convolutions see their input doubled."""
    layers: list[nn.Module] = []
    for place, (before, width) in enumerate(pairwise(widths)):
        layers += [nn.Upsample(scale_factor=2, mode="nearest")] if place < halvings else []
        layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
    # The output means what the likelihood says.
    return nn.Sequential(*layers[:-1])
