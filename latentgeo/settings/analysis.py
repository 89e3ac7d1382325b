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
    Field(description="Levels of the perturbation, in its unit, as in 0,0.05,0.1."),
]
Count = Annotated[
    int | None,
    BeforeValidator(_count),
    Field(
        description="Number of images, chosen by the seed (all, where there are no more), or all."
    ),
]
Split = Annotated[
    Literal["train", "validation", "test", "all"] | None,
    Field(
        description="The images that are taken. If left out: those for tests where the data are "
        "parted already, else all."
    ),
]
SkipUnreadable = Annotated[
    bool,
    Field(
        description="Leave out files of a folder that cannot be read as images, and list them, "
        "instead of refusing the folder."
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
        description="Resize the images of the data to this many pixels, or cut sentences at this "
        "many words; unchanged if left out.",
    )
    draws: Draws = Field(default=1, ge=1)
    seed: Seed = Field(
        default=0,
        description="Seeds the choice of images, the perturbation, the posterior's samples and, in "
        "an analysis, the resampling.",
    )


class AnalysisSettings(EncodingSettings):
    """All that decides the numbers of an analysis; the defaults are the documented ones."""

    noise: Levels = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
    samples: Count = 1000
    draws: Draws = Field(default=2, ge=2)
    kernel: Kernel = Field(
        default="euclidean",
        description="How the covariances of a tensor's unfoldings, each divided by its trace, are "
        "compared; linear compares the latents themselves, and is that of vectors.",
    )
    kernel_distance: KernelDistance = Field(
        default="bures-wasserstein",
        description="The distance d of a gaussian kernel, exp(-gamma d²), or a laplacian one, "
        "exp(-gamma d).",
    )
    gamma: PositiveFloat = Field(
        default=1.0, description="Of a gaussian or laplacian kernel, in units of 1/d² or 1/d."
    )
    ridge: float = Field(
        default=0.01,
        ge=0,
        description="Added to the diagonal of covariances, whose trace is 1, under kernels and "
        "distances that want full rank, as log-euclidean.",
    )
    log_weight: float = Field(
        default=1.0,
        ge=0,
        description="Weight of the logarithm against the ranges in pseudo-log and "
        "bonnabel-sepulchre.",
    )
    halves: int = Field(
        default=20,
        ge=2,
        description="Random halves of the compared images behind intervals and nulls of angles.",
    )
    angle_share: float = Field(
        default=0.95,
        gt=0,
        lt=1,
        description="Share of the variance that the subspaces hold between which angles are "
        "measured.",
    )
    angle_order: int = Field(
        default=4096,
        ge=1,
        description="Images or features of the kernel, whichever are fewer, up to which angles "
        "between subspaces rest on all images. Beyond, they rest on the compared images: the axes "
        "of large subspaces are more than memory.",
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
        description="Images that are compared with one another, at most, chosen by the seed: those "
        "behind intervals and nulls of dimensions and angles and whether they have settled, "
        "and nearest neighbours. Everything else rests on all images, but see the angle order.",
    )
    neighbours: int = Field(
        default=20,
        ge=2,
        description="Nearest neighbours of a latent that the local dimension is read from; its "
        "ceiling.",
    )
    pullback_images: int = Field(
        default=16,
        ge=1,
        description="Images at whose latents the decoder's pull-back metric is measured, at most.",
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
        description="Images on which models are compared with one another, at most, chosen by the "
        "seed.",
    )
    tolerances: tuple[float, ...] = Field(
        default=tuple(10.0 ** (-8 + 0.25 * step) for step in range(33)),
        description="Relative tolerances of the rank-against-tolerance curve.",
    )
    tsne_seeds: tuple[int, ...] = Field(
        default=(0, 1, 2), description="Seeds of the t-SNE maps; none are drawn if empty."
    )
    tsne_images: int = Field(
        default=300,
        ge=4,
        description="Images that a map shows, at most, of the compared ones, chosen by the seed.",
    )
    tsne_levels: int = Field(
        default=3,
        ge=1,
        description="How many noise levels a map shows, spread from the clean one to the highest.",
    )
