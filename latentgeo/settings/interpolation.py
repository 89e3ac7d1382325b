"""The settings of an interpolation between images, and between lines."""

from typing import Literal

from pydantic import Field, PositiveInt

from latentgeo.settings.base import Settings
from latentgeo.settings.training import Seed


class InterpolationSettings(Settings):
    """All that decides the numbers along paths between the latents of images."""

    pairs: int = Field(default=64, ge=1, description="Pairs of test images; no image is in two.")
    steps: int = Field(default=11, ge=3, description="Images on each path, both ends included.")
    path: Literal["linear", "spherical"] = Field(
        default="linear", description="The way from one latent to the other."
    )
    geodesics: int = Field(
        default=6,
        ge=0,
        description="Pairs between which the decoder's geodesic is looked for (slow).",
    )
    real: int = Field(
        default=10_000,
        ge=1,
        description="Training images that decoded ones are compared with, at most: fewer where "
        "they are large.",
    )
    size: PositiveInt | None = Field(
        default=None,
        description="Resize the images of a named data set to so many pixels; as the data are if "
        "left out.",
    )
    seed: Seed = Field(
        default=0, description="Seeds the choice of pairs and of real images, and the bootstrap."
    )


class LinesSettings(Settings):
    """All that decides how models are scored on lines."""

    pairs: int = Field(default=256, ge=1, description="Pairs of test lines, at most 256.")
    steps: int = Field(default=16, ge=2, description="Images on each path, both ends included.")
    references: int = Field(
        default=10_000, ge=2, description="Lines that each decoded image is compared with."
    )
    style: Literal["paper", "smooth"] = Field(
        default="paper", description="How lines are drawn, those of the test and the references."
    )
    seed: Seed = Field(
        default=0,
        description="Seeds the posterior's draws and the bootstrap; the lines are always the same.",
    )
