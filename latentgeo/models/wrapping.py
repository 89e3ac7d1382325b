"""Take a network that was written and trained elsewhere."""

from typing import Any

import torch
from torch import Tensor, nn

from latentgeo.errors import InputError
from latentgeo.models.autoencoder import Autoencoder
from latentgeo.models.bottlenecks import Bottleneck
from latentgeo.models.config import ModelConfig
from latentgeo.models.nets import Shape
from latentgeo.objectives import Posterior


class AsGiven(Bottleneck):
    """Take what a foreign encoder gives: a latent, or mean and log-variance; vectors as (D, 1, 1).

    Parameters
    ----------
    stochastic : bool
        Whether it gives mean and log-variance.
    """

    def __init__(self, *, stochastic: bool) -> None:
        super().__init__()
        self.stochastic = stochastic  # type: ignore[misc] # of the foreign encoder, not of a class

    def forward(self, features: Any) -> Posterior:
        """Give the posterior."""
        return Posterior(*map(_as_tensor, features if self.stochastic else (features,)))


class _VectorDecoder(nn.Module):
    """Give vectors to a decoder that takes (b, D)."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, latents: Tensor) -> Tensor:
        decoded: Tensor = self.decoder(latents.flatten(1))
        return decoded


def wrap(
    encoder: nn.Module, decoder: nn.Module, *, image_shape: Shape, name: str = "custom"
) -> Autoencoder:
    """Make an `Autoencoder` of an encoder and a decoder of your own, for `encode` and `analyze`.

    Parameters
    ----------
    encoder : torch.nn.Module
        Images (b, *image_shape) in [0, 1] to latents, (b, C, H, W) or vectors (b, D); or to a
        pair of these, mean and log-variance of a Gaussian posterior.
    decoder : torch.nn.Module
        Latents to images (b, *image_shape) in [0, 1]; values beyond are cut off.
    image_shape : tuple of int
        (C, H, W).
    name : str, default="custom"
        What tables and provenance call the model.

    Returns
    -------
    Autoencoder
        In evaluation mode, sharing the weights of the two modules.

    Raises
    ------
    InputError
        When a batch of two blank images does not go through, or comes out with another shape.
    """
    found = _try("encoder", encoder, torch.zeros(2, *image_shape))
    stochastic = isinstance(found, tuple | list) and len(found) == 2
    latent = found[0] if stochastic else found
    if not isinstance(latent, Tensor) or latent.ndim not in (2, 4) or len(latent) != 2:
        raise InputError(
            f"encoder gives {_describe(found)} for two images, expected latents (2, C, H, W) or "
            "vectors (2, D), or a pair of mean and log-variance"
        )
    wrapped = Autoencoder(
        encoder,
        AsGiven(stochastic=stochastic),
        _VectorDecoder(decoder) if latent.ndim == 2 else decoder,
        # A model of your own is in no table, so there is nothing to check the names against.
        config=ModelConfig.model_construct(
            recipe=name, backbone="custom", image_shape=image_shape, options={}
        ),
        latent_shape=_shape(_as_tensor(latent)),
        to_image=lambda images: images.clamp(0, 1),
    ).eval()
    image = _try("decoder", wrapped.decoder, _as_tensor(latent))
    if not isinstance(image, Tensor) or tuple(image.shape[1:]) != tuple(image_shape):
        raise InputError(f"decoder gives {_describe(image)}, expected images (2, *{image_shape})")
    return wrapped


@torch.inference_mode()
def _try(what: str, module: nn.Module, values: Tensor) -> Any:
    """Run a foreign module on a blank batch where its weights lie; say an error in words."""
    try:
        module.eval()
        device = next((weight.device for weight in module.parameters()), values.device)
        return module(values.to(device))
    except Exception as error:  # a foreign module may raise anything
        raise InputError(
            f"{what} {type(module).__name__} does not take {_describe(values)}: "
            f"{str(error).splitlines()[0]}"
        ) from error


def _shape(latent: Tensor) -> Shape:
    _, channels, rows, columns = latent.shape
    return channels, rows, columns


def _as_tensor(latent: Tensor) -> Tensor:
    return latent[:, :, None, None] if latent.ndim == 2 else latent


def _describe(values: Any) -> str:
    if isinstance(values, Tensor):
        return f"a tensor of shape {tuple(values.shape)}"
    if isinstance(values, tuple | list):
        return f"{len(values)} values ({', '.join(_describe(value) for value in values)})"
    return f"a {type(values).__name__}"
