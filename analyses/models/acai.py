"""The seven autoencoders of the ACAI paper, as recipes on one backbone."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from study import Model

from latentgeo.models.critic import per_squared_error
from latentgeo.models.nets import Shape

BACKBONE = "acai"


#: In the order of the paper's tables.
SEVEN = {
    "baseline": Model("cae", {"latent_activation": "linear", "likelihood": "squared-signed"}),
    "dropout": Model("dropout-ae"),
    # N(0, 1) on [-1, 1] is half as wide on [0, 1].
    "denoising": Model(
        "dae",
        {"latent_activation": "linear", "likelihood": "squared-signed", "noise": (0.5, 0.5)},
    ),
    "vae": Model(
        "vae", {"likelihood": "bernoulli", "kl_weight": 1.0, "kl_warmup": 0.0, "head": "dense"}
    ),
    "aae": Model(
        "aae",
        {
            "likelihood": "squared-signed",
            "prior": "normal",
            "discriminator": (100, 100),
            "discriminator_slope": 0.2,
        },
    ),
    "vq-vae": Model("vq-vae"),
    "acai": Model("acai"),
}


@dataclass(frozen=True)
class Sizes:
    """What of the nets is the same for all seven."""

    image_shape: Shape
    depth: int
    scales: int
    latent_channels: int
    learning_rate: float
    codebook_size: int


def options_of(name: str, sizes: Sizes) -> dict[str, Any]:
    """Return all options of one of the seven, with those that hang on the sizes.

    Parameters
    ----------
    name : str
        A name in `SEVEN`.
    sizes : Sizes
        Of the images and the nets.

    Returns
    -------
    dict
        Options of its recipe on the ACAI backbone.
    """
    backbone = {
        "depth": sizes.depth,
        "scales": sizes.scales,
        "latent_channels": sizes.latent_channels,
    }
    own = _SIZED.get(name, lambda _: {})
    return {**backbone, **SEVEN[name].options, **own(sizes)}


def _of_aae(sizes: Sizes) -> dict[str, Any]:
    # The paper weighs it by 1 against a squared error averaged over pixels on [-1, 1].
    weight = per_squared_error("squared-signed", sizes.image_shape)
    return {"adversarial_weight": weight, "discriminator_rate": sizes.learning_rate}


def _of_vq_vae(sizes: Sizes) -> dict[str, Any]:
    return {
        "code_size": sizes.latent_channels * _side(sizes) ** 2,
        "codebook_size": sizes.codebook_size,
    }


def _of_acai(sizes: Sizes) -> dict[str, Any]:
    return {"critic_depth": sizes.depth, "critic_rate": sizes.learning_rate}


def _side(sizes: Sizes) -> int:
    return math.ceil(sizes.image_shape[1] / 2**sizes.scales)


_SIZED: dict[str, Callable[[Sizes], dict[str, Any]]] = {
    "aae": _of_aae,
    "vq-vae": _of_vq_vae,
    "acai": _of_acai,
}
