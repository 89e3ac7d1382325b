"""What a backbone gives."""

from typing import NamedTuple

from torch import Tensor, nn

#: Channels, rows, columns.
Shape = tuple[int, int, int]


def shape_of(batch: Tensor) -> Shape:
    """Return (C, H, W) of a batch (b, C, H, W)."""
    _, channels, rows, columns = batch.shape
    return channels, rows, columns


class Shapes(NamedTuple):
    """The sizes that a term may need.

    Attributes
    ----------
    image, latent : tuple of int
        (C, H, W) of images and of latents.
    """

    image: Shape
    latent: Shape


class Nets(NamedTuple):
    """An encoder and its decoder, to be joined by a bottleneck.

    Attributes
    ----------
    encoder : torch.nn.Module
        Images to features (b, `features`, H, W), before their activation.
    decoder : torch.nn.Module
        Latents (b, C, H, W) to logits of the images' shape.
    features : int
        Channels that the encoder gives.
    latent_shape : tuple of int
        (C, H, W) that the decoder takes; a vector is (D, 1, 1).
    """

    encoder: nn.Module
    decoder: nn.Module
    features: int
    latent_shape: Shape
