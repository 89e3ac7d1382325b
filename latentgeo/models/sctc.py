"""The convolutional backbone of blocks with three convolutions and a skip."""

from itertools import pairwise

from pydantic import PositiveInt
from torch import Tensor, nn

from latentgeo.models.nets import Nets, Shape, check_multiples
from latentgeo.settings import Options

_HALVINGS = 2


class SCTCOptions(Options):
    """Options of the SCTC backbone.

    Attributes
    ----------
    widths : tuple of three int
        Channels of the three blocks; the last is the number of the latent's channels.
    """

    widths: tuple[PositiveInt, PositiveInt, PositiveInt] = (32, 64, 128)


class SCTC(nn.Module):
    """Three 3×3 convolutions with a skip from the first to the third, before the activation.

    The name is that of the paper's first figure; the layout is our reading of it.

    Parameters
    ----------
    channels : int
        Channels that come in.
    width : int
        Channels of all three convolutions.

    References
    ----------
    Shrivastava et al., Latent Space Characterization of Autoencoder Variants,
    arXiv:2412.04755, figure 1.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.third = nn.Conv2d(width, width, 3, padding=1)
        self.activation = nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, channels, H, W) to (b, width, H, W), without a last activation."""
        first = self.activation(self.first(images))
        second = self.activation(self.second(first))
        output: Tensor = first + self.third(second)
        return output


def build_sctc(image_shape: Shape, options: SCTCOptions) -> Nets:
    """Build SCTC blocks with max pooling between, and the mirror with transposed convolutions.

    Parameters
    ----------
    image_shape : tuple of int
        (C, H, W); rows and columns are multiples of 4.
    options : SCTCOptions
        Widths.

    Returns
    -------
    Nets
        Latent (widths[2], H/4, W/4): 128×7×7 for 28×28 images by default.

    Raises
    ------
    InputError
        When rows or columns cannot be halved twice.
    """
    channels, rows, columns = image_shape
    factor = 2**_HALVINGS
    why = "the sctc backbone halves rows and columns twice"
    check_multiples(image_shape, factor, why, " or use the mlp backbone")
    latent_shape = (options.widths[-1], rows // factor, columns // factor)
    encoder = _encoder(channels, options.widths)
    return Nets(encoder, _decoder(channels, options.widths), options.widths[-1], latent_shape)


def _encoder(channels: int, widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = [SCTC(channels, widths[0])]
    for before, width in pairwise(widths):
        layers += [nn.ReLU(), nn.MaxPool2d(2), SCTC(before, width)]
    return nn.Sequential(*layers)


def _decoder(channels: int, widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width, after in pairwise(reversed(widths)):
        layers += [SCTC(width, width), nn.ReLU(), nn.ConvTranspose2d(width, after, 2, stride=2)]
    last = widths[0]
    return nn.Sequential(
        *layers, SCTC(last, last), nn.ReLU(), nn.Conv2d(last, channels, 3, padding=1)
    )
