"""What an analysis is told: every choice that decides a number, in one place."""

from pydantic import BaseModel, ConfigDict, Field

SHARES = (0.90, 0.95, 0.99)


class AnalysisSettings(BaseModel):
    """Choices of an analysis; the defaults are the documented ones.

    Attributes
    ----------
    seed : int
        Seeds the resampling, the latent jitter and the t-SNE maps.
    log_weight : float
        Weight of the pseudo-logarithm against the projection in the default kernel.
    halves : int
        Random halves of the compared images behind the intervals of dimensions and angles.
    angle_share : float
        Share of the variance that the subspaces hold between which angles are measured.
    angle_order : int
        Images or features of the kernel, whichever are fewer, up to which angles between
        subspaces rest on all images. Beyond, they rest on the compared images: the axes of large
        subspaces are more than memory.
    jitter : float
        Standard deviation of the latent jitter (a control), relative to the latents' own.
    tolerances : tuple of float
        Relative tolerances of the rank-against-tolerance curve.
    compared_images : int
        Images that are compared with one another, at most, chosen by the seed: those behind
        intervals and nulls of dimensions and angles, the dimension-against-size curve, nearest
        neighbours and t-SNE maps. Everything else rests on all images, but see `angle_order`.
    neighbours : int
        Nearest neighbours of a latent that the local dimension is read from; its ceiling.
    pullback_images : int
        Images at whose latents the decoder's pull-back metric is measured, at most.
    pullback_directions : int
        Directions along which the metric is measured, at most, where the latent has too many
        numbers for all of them: those in which the clean latents vary most.
    size_fractions : tuple of float
        Sample sizes of the dimension-against-size curve, relative to the compared images.
    tsne_seeds : tuple of int
        Seeds of the t-SNE maps; none are drawn if empty.
    tsne_levels : int
        How many noise levels a map shows, spread from the clean one to the highest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    log_weight: float = Field(default=1.0, ge=0)
    halves: int = Field(default=20, ge=2)
    angle_share: float = Field(default=0.95, gt=0, lt=1)
    angle_order: int = Field(default=4096, ge=1)
    jitter: float = Field(default=0.01, gt=0)
    compared_images: int = Field(default=1000, ge=4)
    neighbours: int = Field(default=20, ge=2)
    pullback_images: int = Field(default=16, ge=1)
    pullback_directions: int = Field(default=16, ge=1)
    tolerances: tuple[float, ...] = tuple(10.0 ** (-8 + 0.25 * step) for step in range(33))
    size_fractions: tuple[float, ...] = (0.125, 0.25, 0.5, 0.75, 1.0)
    tsne_seeds: tuple[int, ...] = (0, 1, 2)
    tsne_levels: int = Field(default=3, ge=1)
