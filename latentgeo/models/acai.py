"""The convolutional backbone of the ACAI paper."""

import math

from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn.functional import pad

from latentgeo.models.nets import Nets, Shape
from latentgeo.settings import Options

SLOPE = 0.2


class ACAIOptions(Options):
    """Options of the ACAI backbone.

    Attributes
    ----------
    depth : int
        Channels of the first block; each halving of rows and columns doubles them.
    scales : int
        How often rows and columns are halved: 3 gives 4×4 for 32×32 images, 4 gives 2×2.
    latent_channels : int
        Channels of the latent.
    """

    depth: PositiveInt = 16
    scales: PositiveInt = 3
    latent_channels: PositiveInt = 16


def build_acai(image_shape: Shape, options: ACAIOptions) -> Nets:
    """Build blocks of two convolutions with average pooling, and the mirror with doubling.

    Inside, images are coded in [-1, 1], as in the paper. Images whose sides are no multiples of
    2 to the power of the scales are padded with black, and what is decoded is cropped: 28×28
    becomes 32×32, as in the paper.

    Parameters
    ----------
    image_shape : tuple of int
        (C, H, W).
    options : ACAIOptions
        Sizes.

    Returns
    -------
    Nets
        Latent (latent_channels, H/2^scales, W/2^scales), rounded up.

    References
    ----------
    D. Berthelot, C. Raffel, A. Roy, I. Goodfellow, "Understanding and improving interpolation in
    autoencoders via an adversarial regularizer", ICLR 2019 (arXiv 1807.07543), appendix A.
    """
    channels, rows, columns = image_shape
    factor = 2**options.scales
    height, width = math.ceil(rows / factor), math.ceil(columns / factor)
    frame = Frame(rows, columns, factor)
    encoder = nn.Sequential(
        Signed(),
        frame,
        acai_encoder(channels, options.depth, options.scales, options.latent_channels),
    )
    decoder = nn.Sequential(
        acai_decoder(channels, options.depth, options.scales, options.latent_channels),
        Crop(frame),
    )
    latent_shape = (options.latent_channels, height, width)
    return Nets(encoder, decoder, options.latent_channels, latent_shape, code=True)


def acai_encoder(channels: int, depth: int, scales: int, outputs: int) -> nn.Sequential:
    """Build the paper's encoder, which its critic is too.

    Parameters
    ----------
    channels : int
        Channels of the images, coded in [-1, 1].
    depth, scales : int
        As in `ACAIOptions`.
    outputs : int
        Channels that it gives, without an activation.

    Returns
    -------
    torch.nn.Sequential
        (b, channels, H, W) to (b, outputs, H/2^scales, W/2^scales).
    """
    layers: list[nn.Module] = [LeakyConv2d(channels, depth, 1)]
    before = depth
    for scale in range(scales):
        layers += _two(before, depth << scale)
        layers.append(nn.AvgPool2d(2))
        before = depth << scale
    last = depth << scales
    layers += [LeakyConv2d(before, last, 3, padding=1), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers, LeakyConv2d(last, outputs, 3, padding=1))


def acai_decoder(channels: int, depth: int, scales: int, inputs: int) -> nn.Sequential:
    """Build the paper's decoder.

    Parameters
    ----------
    channels : int
        Channels of the images.
    depth, scales : int
        As in `ACAIOptions`.
    inputs : int
        Channels of the latent.

    Returns
    -------
    torch.nn.Sequential
        (b, inputs, H, W) to (b, channels, H·2^scales, W·2^scales), without an activation.
    """
    layers: list[nn.Module] = []
    before = inputs
    for scale in reversed(range(scales)):
        layers += _two(before, depth << scale)
        layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
        before = depth << scale
    layers += [LeakyConv2d(before, depth, 3, padding=1), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers, LeakyConv2d(depth, channels, 3, padding=1))


def _two(before: int, width: int) -> list[nn.Module]:
    return [
        LeakyConv2d(before, width, 3, padding=1),
        nn.LeakyReLU(SLOPE),
        LeakyConv2d(width, width, 3, padding=1),
        nn.LeakyReLU(SLOPE),
    ]


def draw_leaky(layer: nn.Conv2d | nn.Linear) -> None:
    """Draw weights by He's rule for the slope 0.2, from N(0, 1/((1 + 0.2²) fan-in)); biases 0."""
    fan_in = layer.weight[0].numel()
    nn.init.normal_(layer.weight, std=((1 + SLOPE**2) * fan_in) ** -0.5)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


class LeakyConv2d(nn.Conv2d):
    """A convolution whose weights are drawn for leaky units; see `draw_leaky`."""

    def reset_parameters(self) -> None:
        """Draw the weights."""
        draw_leaky(self)


class LeakyLinear(nn.Linear):
    """A linear layer whose weights are drawn for leaky units; see `draw_leaky`."""

    def reset_parameters(self) -> None:
        """Draw the weights."""
        draw_leaky(self)


#: Layers that draw their weights themselves, by the paper's rule.
OWN_WEIGHTS = (LeakyConv2d, LeakyLinear)


class Signed(nn.Module):
    """Images in [0, 1] to [-1, 1]."""

    def forward(self, images: Tensor) -> Tensor:
        """Code the images."""
        return 2 * images - 1


class Frame(nn.Module):
    """A black frame around images coded in [-1, 1], as thin as the halvings allow.

    Parameters
    ----------
    rows, columns : int
        Sides of the images.
    factor : int
        Sides become multiples of it.
    """

    def __init__(self, rows: int, columns: int, factor: int) -> None:
        super().__init__()
        self.rows, self.columns = rows, columns
        down, right = -rows % factor, -columns % factor
        self.top, self.left = down // 2, right // 2
        self.bottom, self.right = down - self.top, right - self.left

    def forward(self, images: Tensor) -> Tensor:
        """Pad the images."""
        return pad(images, (self.left, self.right, self.top, self.bottom), value=-1.0)


class Crop(nn.Module):
    """What lies within a frame.

    Parameters
    ----------
    frame : Frame
        The frame.
    """

    def __init__(self, frame: Frame) -> None:
        super().__init__()
        self._rows = slice(frame.top, frame.top + frame.rows)
        self._columns = slice(frame.left, frame.left + frame.columns)

    def forward(self, images: Tensor) -> Tensor:
        """Crop the images."""
        return images[..., self._rows, self._columns]
