"""Take a network that was written and trained elsewhere."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from latentgeo.errors import InputError, reason_of
from latentgeo.models.autoencoder import Autoencoder
from latentgeo.models.bottlenecks import Bottleneck
from latentgeo.models.config import ModelConfig
from latentgeo.models.device import device_of
from latentgeo.models.layouts import PosteriorLayout, as_given, describe, read_image
from latentgeo.models.nets import Shape, shape_of
from latentgeo.models.preprocessing import Preprocessing
from latentgeo.objectives import Posterior

_AS_IT_IS = Preprocessing()
_FOUND = PosteriorLayout()


class AsGiven(Bottleneck):
    """Take what a foreign encoder gives: a latent, or mean and log-variance.

    Parameters
    ----------
    layout : PosteriorLayout
        Where they are.
    stochastic : bool
        Whether there is a log-variance.
    """

    def __init__(self, layout: PosteriorLayout, *, stochastic: bool) -> None:
        super().__init__()
        self.layout = layout
        self.stochastic = stochastic  # type: ignore[misc] # of the foreign encoder, not of a class

    def forward(self, features: Any) -> Posterior:
        """Give the posterior."""
        return self.layout.read(features)


class _Seeing(nn.Module):
    """Give images in [0, 1] to an encoder that takes them preprocessed."""

    def __init__(self, encoder: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.net = encoder
        self.preprocessing = preprocessing

    def forward(self, images: Tensor) -> Any:
        return self.net(self.preprocessing.normalise(self.preprocessing.see(images)))


class _Decoding(nn.Module):
    """Give latents (b, C, H, W) to a decoder in the form that the encoder gave them in."""

    def __init__(self, decoder: nn.Module, dimensions: int) -> None:
        super().__init__()
        self.net = decoder
        self.dimensions = dimensions

    def forward(self, latents: Tensor) -> Any:
        return read_image(self.net(as_given(latents, self.dimensions)))


def wrap(
    encoder: nn.Module,
    decoder: nn.Module | None,
    *,
    image_shape: Shape,
    name: str = "custom",
    preprocessing: Preprocessing = _AS_IT_IS,
    posterior: PosteriorLayout = _FOUND,
) -> Autoencoder:
    """Make an `Autoencoder` of an encoder and a decoder of your own, for `encode` and `analyze`.

    Parameters
    ----------
    encoder : torch.nn.Module
        Images (b, C, H, W), preprocessed, to latents, (b, C, H, W), vectors (b, D) or tokens
        (b, T, D); or to mean and log-variance of a Gaussian posterior.
    decoder : torch.nn.Module or None
        Latents, in the form that the encoder gives them, to images; None where there is none.
    image_shape : tuple of int
        (C, H, W) of the data's images, before preprocessing.
    name : str, default="custom"
        What tables and provenance call the model.
    preprocessing : Preprocessing
        What the encoder wants of images in [0, 1]; by default they go in as they are, and the
        decoder gives images in [0, 1]. Values beyond are cut off.
    posterior : PosteriorLayout
        Where mean and spread are; by default a pair of tensors of one shape is taken for them.

    Returns
    -------
    Autoencoder
        In evaluation mode, sharing the weights of the two modules.

    Raises
    ------
    InputError
        When a batch of two grey images does not go through, or comes out with another shape.
    """
    seen = preprocessing.shape(image_shape)
    seeing = _Seeing(encoder.eval(), preprocessing)
    output = _try("encoder", encoder, seeing, torch.full((2, *image_shape), 0.5))
    raw, found = posterior.parts(output)[0], posterior.read(output)
    if len(found.mean) != 2 or not found.mean.is_floating_point():
        raise InputError(
            f"encoder {type(encoder).__name__} gives {describe(found.mean)} of "
            f"{found.mean.dtype} for two images; expected one latent of real numbers for each"
        )
    decoding = None if decoder is None else _Decoding(decoder.eval(), raw.ndim)
    model = Autoencoder(
        seeing,
        AsGiven(posterior, stochastic=found.log_variance is not None),
        decoding,
        # A model of your own is in no table, so there is nothing to check the names against.
        config=ModelConfig.model_construct(
            recipe=name, backbone="custom", image_shape=image_shape, options={}
        ),
        latent_shape=shape_of(found.mean),
        to_image=preprocessing.to_image,
        to_signed=preprocessing.to_signed,
        target=preprocessing.see,
    ).eval()
    model.identity = {
        "preprocessing": preprocessing.model_dump(mode="json"),
        "posterior": posterior.model_dump(mode="json"),
    }
    if decoder is not None and decoding is not None:
        _check_images(_try("decoder", decoder, decoding, found.mean), seen)
    return model


@torch.inference_mode()
def _try(what: str, module: nn.Module, call: Callable[[Tensor], Any], values: Tensor) -> Any:
    """Run a foreign module on a blank batch where its weights lie; say an error in words."""
    try:
        return call(values.to(device_of(module)))
    except InputError:
        raise
    except Exception as error:  # a foreign module may raise anything
        grey = what == "encoder" and values.shape[1] == 1
        hint = "; if it takes colour, say grey_to_rgb (--grey-to-rgb)" if grey else ""
        raise InputError(
            f"{what} {type(module).__name__} does not take {describe(values)}: "
            f"{reason_of(error)}{hint}"
        ) from error


def _check_images(images: Any, seen: Shape) -> None:
    if not isinstance(images, Tensor) or tuple(images.shape[1:]) != tuple(seen):
        raise InputError(
            f"decoder gives {describe(images)}, expected images (2, {', '.join(map(str, seen))})"
        )
