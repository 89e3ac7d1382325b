"""What a backbone gives."""

from typing import NamedTuple

from torch import Tensor, nn

from latentgeo.errors import InputError

#: Channels, rows, columns.
Shape = tuple[int, int, int]
#: Of a latent of any order from 2 on: channels, then positions.
LatentShape = tuple[int, ...]


def shape_of(images: Tensor) -> Shape:
    """Return (C, H, W) of images (b, C, H, W)."""
    _, channels, rows, columns = images.shape
    return channels, rows, columns


def check_multiples(image_shape: Shape, factor: int, why: str, ways: str) -> None:
    """Refuse images whose rows or columns are no multiples of a factor.

    Parameters
    ----------
    image_shape : tuple of int
        (C, H, W).
    factor : int
        What rows and columns are multiples of.
    why : str
        What asks for it: "the sctc backbone halves …".
    ways : str
        What else than resizing helps.

    Raises
    ------
    InputError
        With all of that.
    """
    _, rows, columns = image_shape
    if rows % factor or columns % factor:
        raise InputError(
            f"image_shape is {image_shape}: {why}, expected multiples of {factor}; resize the "
            f"images{ways}"
        )


class Shapes(NamedTuple):
    """The sizes that a term may need.

    Attributes
    ----------
    image : tuple of int
        (C, H, W) of images.
    latent : tuple of int
        (C, ...) of latents.
    """

    image: Shape
    latent: LatentShape


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
    code : bool, default=False
        Whether the features are the code itself, as in the ACAI paper, rather than a hidden layer:
        heads read them as they are. Through a ReLU each channel that is never active would take
        one from the rank of the channels.
    """

    encoder: nn.Module
    decoder: nn.Module
    features: int
    latent_shape: Shape
    code: bool = False
