"""The settings of an encoding and of an analysis."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt

from latentgeo.errors import InputError
from latentgeo.settings.base import Settings
from latentgeo.settings.training import PositiveFloat, Seed


def _count(value: Any) -> Any:
    """Return None for "all", and a number for the text of one."""
    if not isinstance(value, str):
        return value
    try:
        return None if value == "all" else int(value)
    except ValueError:
        raise InputError(
            f"samples {value!r} cannot be used: expected a whole number or all"
        ) from None


def _listed(value: Any) -> Any:
    """Return plain numbers for an array of them."""
    return value.tolist() if hasattr(value, "tolist") else value


# Which levels and counts there are, the perturbation and the data decide; they refuse the others.
Levels = Annotated[
    tuple[float, ...],
    BeforeValidator(_listed),
    Field(description="Perturbation levels, in the unit of the perturbation, such as 0,0.05,0.1."),
]
Count = Annotated[
    int | None,
    BeforeValidator(_count),
    Field(description="Number of images to draw (by the seed), or all."),
]
Split = Annotated[
    Literal["train", "validation", "test", "all"] | None,
    Field(
        description="The split to use. Default: the test split where the data have one, "
        "otherwise all images."
    ),
]
SkipUnreadable = Annotated[
    bool,
    Field(
        description="Skip files that cannot be read as images, and list them, instead of "
        "refusing the folder."
    ),
]
Draws = Annotated[int, Field(description="Samples of a stochastic posterior per image.")]


Kernel = Literal[
    "euclidean",
    "square-root",
    "log-euclidean",
    "log-cholesky",
    "pseudo-log",
    "projection",
    "linear",
    "gaussian",
    "laplacian",
]
KernelDistance = Literal[
    "projection",
    "projection-arc",
    "pseudo-log",
    "log-euclidean",
    "square-root",
    "euclidean",
    "affine-invariant",
    "bures-wasserstein",
    "bonnabel-sepulchre",
    "log-cholesky",
    "stein",
]


class EncodingSettings(Settings):
    """All that decides the latents of a data set under a sweep of perturbations."""

    noise: Levels = (0.0,)
    perturbation: str = Field(
        default="gaussian", description="The type of perturbation (see `latentgeo datasets`)."
    )
    split: Split = None
    samples: Count = None
    skip_unreadable: SkipUnreadable = False
    size: PositiveInt | None = Field(
        default=None,
        description="Resize images to this many pixels a side, or truncate sentences to this many "
        "words; unchanged by default.",
    )
    draws: Draws = Field(default=1, ge=1)
    seed: Seed = Field(
        default=0,
        description="Random seed of the choice of images, the perturbation, the posterior samples "
        "and the resampling.",
    )


class AnalysisSettings(EncodingSettings):
    """All that decides the numbers of an analysis; the defaults are the documented ones."""

    noise: Levels = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
    samples: Count = 1000
    draws: Draws = Field(default=2, ge=2)
    kernel: Kernel = Field(
        default="euclidean",
        description="Kernel between the trace-normalised covariances of a tensor's unfoldings; "
        "linear compares the latents themselves, and is used for vectors.",
    )
    kernel_distance: KernelDistance = Field(
        default="bures-wasserstein",
        description="The distance d in a Gaussian kernel, exp(-gamma d²), or a Laplacian one, "
        "exp(-gamma d).",
    )
    gamma: PositiveFloat = Field(
        default=1.0, description="Scale of a Gaussian or Laplacian kernel, in units of 1/d² or 1/d."
    )
    ridge: float = Field(
        default=0.01,
        ge=0,
        description="Ridge added to the diagonal of covariances (of trace 1) for kernels and "
        "distances that require full rank, such as log-euclidean.",
    )
    log_weight: float = Field(
        default=1.0,
        ge=0,
        description="Weight of the matrix logarithm relative to the column spaces in pseudo-log "
        "and bonnabel-sepulchre.",
    )
    halves: int = Field(
        default=20,
        ge=2,
        description="Number of random halves for the intervals and baselines of angles.",
    )
    angle_share: float = Field(
        default=0.95,
        gt=0,
        lt=1,
        description="Share of the variance held by the subspaces between which angles are "
        "measured.",
    )
    angle_order: int = Field(
        default=4096,
        ge=1,
        description="Number of images or kernel features, whichever is smaller, up to which "
        "angles between subspaces use all images. Beyond it they use the compared images, because "
        "the bases of large subspaces do not fit into memory.",
    )
    jitter: float = Field(
        default=0.01,
        gt=0,
        description="Standard deviation of the latent jitter (a control), relative to the latents' "
        "own.",
    )
    compared_images: int = Field(
        default=1000,
        ge=4,
        description="Maximum number of images that are compared with one another, chosen by the "
        "seed: for intervals, baselines and settling of dimensions and angles, and for nearest "
        "neighbours. Everything else uses all images, but see the angle order.",
    )
    neighbours: int = Field(
        default=20,
        ge=2,
        description="Number of nearest neighbours for the local dimension, which is also its "
        "upper bound.",
    )
    pullback_images: int = Field(
        default=16,
        ge=1,
        description="Maximum number of images at whose latents the decoder's pull-back metric is "
        "measured.",
    )
    pullback_directions: int = Field(
        default=16,
        ge=1,
        description="Directions along which the metric is measured, at most, where the latent has "
        "too many numbers for all of them: those in which the clean latents vary most.",
    )
    similarity_images: int = Field(
        default=200,
        ge=40,
        description="Maximum number of images on which models are compared with one another, "
        "chosen by the seed.",
    )
    tolerances: tuple[float, ...] = Field(
        default=tuple(10.0 ** (-8 + 0.25 * step) for step in range(33)),
        description="Relative tolerances of the rank-against-tolerance curve.",
    )
    tsne_seeds: tuple[int, ...] = Field(
        default=(0, 1, 2), description="Seeds of the t-SNE maps; none are drawn if empty."
    )
    tsne_images: int = Field(
        default=200,
        ge=4,
        description="Maximum number of images in a map, out of the compared ones, chosen by the "
        "seed.",
    )
    tsne_levels: int = Field(
        default=3,
        ge=1,
        description="Number of noise levels in a map, spread from clean to the highest.",
    )
