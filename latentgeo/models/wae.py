"""The convolutional backbone of the Wasserstein autoencoder, after DCGAN."""

from itertools import pairwise
from math import ceil
from typing import Annotated

from pydantic import Field, PositiveInt
from torch import nn

from latentgeo.errors import InputError
from latentgeo.models.nets import Nets, Shape, check_multiples
from latentgeo.settings import Options

_Widths = Annotated[tuple[PositiveInt, ...], Field(min_length=2)]


class WAEOptions(Options):
    """Options of the WAE backbone; the defaults are the published code's for MNIST.

    Those for CelebA are `kernel` 5, `doublings` 3 and `latent_dim` 64.

    Attributes
    ----------
    channels : tuple of int
        Channels of the encoder's convolutions, each of which halves rows and columns.
    kernel : int
        Rows and columns of every kernel.
    doublings : int
        How often the decoder doubles rows and columns; it begins with the encoder's last number of
        channels, and goes back along the others.
    latent_dim : int
        Dimension of the latent vector.
    """

    channels: _Widths = (128, 256, 512, 1024)
    kernel: Annotated[int, Field(ge=2)] = 4
    doublings: PositiveInt = 2
    latent_dim: PositiveInt = 8


def build_wae(image_shape: Shape, options: WAEOptions) -> Nets:
    """Build convolutions of stride 2 with batch normalisation, and a decoder that doubles back.

    Parameters
    ----------
    image_shape : tuple of int
        (C, H, W); rows and columns are multiples of 2 to the power of the doublings.
    options : WAEOptions
        Sizes.

    Returns
    -------
    Nets
        Latent (latent_dim, 1, 1). With the default options for 28×28 images, 22.0 million weights.

    Raises
    ------
    InputError
        When the decoder cannot reach rows and columns by doubling.

    References
    ----------
    Tolstikhin et al., Wasserstein Auto-Encoders (arXiv 1711.01558), the published code.
    """
    _check(image_shape, options)
    latent_shape = (options.latent_dim, 1, 1)
    encoder, features = _encoder(image_shape, options)
    return Nets(encoder, _decoder(image_shape, options), features, latent_shape)


def _check(image_shape: Shape, options: WAEOptions) -> None:
    factor = 2**options.doublings
    why = f"the wae backbone's decoder doubles rows and columns {options.doublings} times"
    check_multiples(image_shape, factor, why, ", or use fewer doublings or the mlp backbone")
    if options.doublings >= len(options.channels):
        raise InputError(
            f"doublings is {options.doublings}, expected at most {len(options.channels) - 1}, one "
            "fewer than the number of channels"
        )


def _encoder(image_shape: Shape, options: WAEOptions) -> tuple[nn.Sequential, int]:
    """Return the encoder and the number of its features, flattened into channels."""
    before, rows, columns = image_shape
    layers: list[nn.Module] = []
    for width in options.channels:
        layers += _halve(before, width, options.kernel, rows, columns)
        before, rows, columns = width, ceil(rows / 2), ceil(columns / 2)
    features = before * rows * columns
    # The last activation belongs to the bottleneck.
    return nn.Sequential(*layers[:-1], nn.Flatten(), nn.Unflatten(1, (features, 1, 1))), features


def _halve(before: int, width: int, kernel: int, rows: int, columns: int) -> list[nn.Module]:
    """Convolve with stride 2, padded so that any size is halved, the half rounded up."""
    padding = nn.ZeroPad2d((*_padding(columns, kernel), *_padding(rows, kernel)))
    # Without bias: the normalisation takes it away again.
    convolution = nn.Conv2d(before, width, kernel, stride=2, bias=False)
    return [padding, convolution, nn.BatchNorm2d(width), nn.ReLU()]


def _padding(size: int, kernel: int) -> tuple[int, int]:
    total = max(0, (ceil(size / 2) - 1) * 2 + kernel - size)
    return total // 2, total - total // 2


def _decoder(image_shape: Shape, options: WAEOptions) -> nn.Sequential:
    channels, rows, columns = image_shape
    widths = tuple(reversed(options.channels))[: options.doublings + 1]
    start = (widths[0], rows // 2**options.doublings, columns // 2**options.doublings)
    layers: list[nn.Module] = [
        nn.Flatten(),
        nn.Linear(options.latent_dim, start[0] * start[1] * start[2]),
        nn.Unflatten(1, start),
        nn.ReLU(),
    ]
    for before, width in pairwise(widths):
        layers += _double(before, width, options.kernel)
    margin = (options.kernel - 1) // 2, options.kernel // 2
    last = nn.Conv2d(widths[-1], channels, options.kernel)
    return nn.Sequential(*layers, nn.ZeroPad2d(margin * 2), last)


def _double(before: int, width: int, kernel: int) -> list[nn.Module]:
    convolution = nn.ConvTranspose2d(
        before,
        width,
        kernel,
        stride=2,
        padding=(kernel - 1) // 2,
        output_padding=kernel % 2,
        bias=False,
    )
    return [convolution, nn.BatchNorm2d(width), nn.ReLU()]
