"""The critic of interpolations, as an option of every recipe."""

from math import prod
from typing import Annotated

from pydantic import Field, PositiveInt
from torch import nn

from latentgeo.models.acai import SLOPE, LeakyLinear, acai_encoder
from latentgeo.models.nets import Shape, Shapes
from latentgeo.objectives import LIKELIHOODS, Term
from latentgeo.objectives.interpolation_critic import InterpolationCritic
from latentgeo.settings import Options

# Maps below this side say no more, and images below it are read as vectors.
_LEAST_SIDE = 4
_VECTOR_OUTPUTS = 16
_VECTOR_WIDTH = 16


class CriticOptions(Options):
    """Options of the critic, which any recipe can have.

    Attributes
    ----------
    critic_weight : float
        λ, the factor of the critic's squared scalar against a squared error averaged over pixels on
        [-1, 1], whatever the likelihood; 0 leaves the critic out, 0.5 is the paper's.
    critic_gamma : float
        γ, the share of the clean image in what the critic is to call unmixed.
    critic_depth : int
        Channels of the critic's first block; the paper takes that of the autoencoder.
    critic_rate : float
        Adam's step size for the critic; the paper takes that of the autoencoder.
    """

    critic_weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    critic_gamma: Annotated[float, Field(ge=0, le=1)] = 0.2
    critic_depth: PositiveInt = 16
    critic_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-4


def critic_terms(options: CriticOptions, likelihood: str, shapes: Shapes) -> tuple[Term, ...]:
    """Return the term of the critic, or none where its weight is 0.

    Parameters
    ----------
    options : CriticOptions
        Weight and net.
    likelihood : str
        Name of what the decoder's output means.
    shapes : Shapes
        Of images and of latents.

    Returns
    -------
    tuple of Term
        The critic has fresh weights, drawn from torch's global generator.
    """
    if not options.critic_weight:
        return ()
    critic = InterpolationCritic(
        build_critic(shapes, options.critic_depth),
        LIKELIHOODS[likelihood].signed,
        gamma=options.critic_gamma,
        weight=options.critic_weight * per_squared_error(likelihood, shapes.image),
        learning_rate=options.critic_rate,
    )
    return (critic,)


def per_squared_error(likelihood: str, image_shape: Shape) -> float:
    """Return what a mean squared error of 1 on [-1, 1] is in the unit of a likelihood.

    Parameters
    ----------
    likelihood : str
        A name in `latentgeo.objectives.LIKELIHOODS`.
    image_shape : tuple of int
        (C, H, W).

    Returns
    -------
    float
        The factor that turns the paper's weights into ours.
    """
    return prod(image_shape) * LIKELIHOODS[likelihood].per_squared_error


def build_critic(shapes: Shapes, depth: int) -> nn.Module:
    """Build the critic: the paper's encoder for images, a fully connected one for vectors.

    It halves rows and columns as often as the encoder where the latent is a tensor, and else down
    to a side of 4; it gives as many channels as the latent tensor has, and else 16.

    Parameters
    ----------
    shapes : Shapes
        Of images and of latents.
    depth : int
        Channels of the first block, or a sixteenth of the width for vectors.

    Returns
    -------
    torch.nn.Module
        Images coded in [-1, 1] to a map whose mean is the critic's scalar.
    """
    channels, rows, columns = shapes.image
    if min(rows, columns) < _LEAST_SIDE:
        width = _VECTOR_WIDTH * depth
        return nn.Sequential(
            nn.Flatten(),
            LeakyLinear(prod(shapes.image), width),
            nn.LeakyReLU(SLOPE),
            LeakyLinear(width, width),
            nn.LeakyReLU(SLOPE),
            LeakyLinear(width, _VECTOR_OUTPUTS),
        )
    tensor = shapes.latent[1:] != (1, 1)
    outputs = shapes.latent[0] if tensor else _VECTOR_OUTPUTS
    side = min(shapes.latent[1:]) if tensor else _LEAST_SIDE
    return acai_encoder(channels, depth, _halvings(min(rows, columns), side), outputs)


def _halvings(side: int, least: int) -> int:
    """Count how often a side can be halved, rounding down as pooling does, without going below."""
    count = 0
    while side // 2 >= least:
        side //= 2
        count += 1
    return count
