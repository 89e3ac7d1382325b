"""The table of backbones."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from latentgeo.models.acai import ACAIOptions, build_acai
from latentgeo.models.maxpool import MaxPoolOptions, build_maxpool
from latentgeo.models.mlp import MLPOptions, build_mlp
from latentgeo.models.nets import Nets, Shape
from latentgeo.models.sctc import SCTCOptions, build_sctc
from latentgeo.models.text import TextOptions, build_text
from latentgeo.models.wae import WAEOptions, build_wae
from latentgeo.registry import Registry
from latentgeo.settings import Options


@dataclass(frozen=True)
class Backbone:
    """Nets that any recipe can stand on.

    Attributes
    ----------
    summary : str
        One line.
    options : type
        Its options.
    build : callable
        (image shape, options) to `Nets`.
    likelihood : str or None
        What its output means unless told otherwise; None where the recipe says it.
    """

    summary: str
    options: type[Options]
    build: Callable[[Shape, Any], Nets]
    likelihood: str | None = None


_ROWS = {
    "sctc": Backbone(
        "convolutional blocks with a skip; latent tensor, 128x7x7 for 28x28 images",
        SCTCOptions,
        build_sctc,
    ),
    "maxpool": Backbone(
        "convolutions with ReLU and max pooling; latent tensor, 128x7x7 for 28x28 images",
        MaxPoolOptions,
        build_maxpool,
    ),
    "mlp": Backbone("fully connected layers; latent vector", MLPOptions, build_mlp),
    "wae": Backbone(
        "strided convolutions with batch normalisation, as in DCGAN; latent vector",
        WAEOptions,
        build_wae,
    ),
    "acai": Backbone(
        "convolutions with average pooling, as in ACAI; latent tensor, 16x4x4 for 28x28 images",
        ACAIOptions,
        build_acai,
    ),
    "text": Backbone(
        "a small transformer for sentences with a non-autoregressive decoder; latent vector",
        TextOptions,
        build_text,
        likelihood="categorical",
    ),
}

#: Every backbone by name.
BACKBONES: Registry[Backbone] = Registry("backbones", "backbone", _ROWS)
#: Adds a row; see `Registry.register`.
register_backbone = BACKBONES.register
