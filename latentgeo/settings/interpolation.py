"""The settings of an interpolation between images, and between lines."""

from typing import Literal

from pydantic import Field, PositiveInt

from latentgeo.settings.base import Settings
from latentgeo.settings.training import Seed


class InterpolationSettings(Settings):
    """All that decides the numbers along paths between the latents of images."""

    pairs: int = Field(
        default=64, ge=1, description="Number of pairs of test images; no image is in two pairs."
    )
    steps: int = Field(default=11, ge=3, description="Images on each path, both ends included.")
    path: Literal["linear", "spherical"] = Field(
        default="linear", description="The interpolation path between two latents."
    )
    geodesics: int = Field(
        default=6,
        ge=0,
        description="Number of pairs between which the geodesic of the decoder metric is computed "
        "(slow).",
    )
    real: int = Field(
        default=10_000,
        ge=1,
        description="Maximum number of training images that decoded ones are compared with; fewer "
        "where they are large.",
    )
    size: PositiveInt | None = Field(
        default=None,
        description="Resize the images of a named data set to this many pixels a side; unchanged "
        "by default.",
    )
    seed: Seed = Field(
        default=0,
        description="Random seed of the choice of pairs and real images, and of the bootstrap.",
    )


class LinesSettings(Settings):
    """All that decides how models are scored on lines."""

    pairs: int = Field(default=256, ge=1, description="Number of pairs of test lines, at most 256.")
    steps: int = Field(default=16, ge=2, description="Images on each path, both ends included.")
    references: int = Field(
        default=10_000, ge=2, description="Lines that each decoded image is compared with."
    )
    style: Literal["paper", "smooth"] = Field(
        default="paper", description="How the lines of the test and of the reference are rendered."
    )
    seed: Seed = Field(
        default=0,
        description="Random seed of the posterior samples and the bootstrap; the lines are always "
        "the same.",
    )
