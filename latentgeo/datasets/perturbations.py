"""Perturbations of images: what is done to an input to see how its latent answers.

Every image has a random stream of its own, named by the seed and the image's original index
(a counter-based generator, so no stream depends on another). Hence an image meets the same
noise whatever the batch, the order, the other images and the model. What is drawn does not
depend on the level: all levels use the same draw (common random numbers), so Gaussian noise
at 0.2 is twice the noise at 0.1, and the pixels or the square that are hit at a low level
are hit at every higher one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Real

import numpy as np
import torch
from torch import Tensor

from latentgeo.datasets.streams import Indices, seeded_normal, streams
from latentgeo.datasets.word_noise import draw_words, mask_words, replace_words
from latentgeo.errors import InputError
from latentgeo.registry import Registry

#: What was drawn for a batch: tensors with one row for each image.
Draw = tuple[Tensor, ...]
Shape = tuple[int, ...]

_LARGEST_SIGMA = 64.0  # scipy's kernel is eight sigma wide


@dataclass(frozen=True)
class Perturbation:
    """One kind of perturbation.

    Parameters
    ----------
    name : str
        Its name.
    summary : str
        One line: what a level means, its unit, and whether the result is clipped.
    unit : str
        Unit of the level.
    highest : float
        Largest level, inclusive; the smallest is always 0.
    clipped : bool
        Whether the result stays in [0, 1] for images in [0, 1].
    """

    name: str
    summary: str
    unit: str
    highest: float
    clipped: bool
    _draw: Callable[[Shape, int, Indices], Draw] = field(repr=False)
    _apply: Callable[[Tensor, Draw, float], Tensor] = field(repr=False)

    def draw(self, shape: Shape, *, seed: int, indices: Indices) -> Draw:
        """Draw once what all levels use.

        Parameters
        ----------
        shape : tuple of int
            (C, H, W) of the images.
        seed : int
            From 0 to 2**64 - 1.
        indices : int array_like
            Shape (b,), the original indices of the images.

        Returns
        -------
        tuple of torch.Tensor
            For `apply`; each tensor has b rows.

        Raises
        ------
        InputError
            When seed or indices are not such numbers.
        """
        return self._draw(shape, seed, indices)

    def apply(self, images: Tensor, draw: Draw, level: float) -> Tensor:
        """Perturb images with what was drawn for them.

        Parameters
        ----------
        images : torch.Tensor
            Shape (b, C, H, W), floating point, on any device.
        draw : tuple of torch.Tensor
            From `draw`, for the same images.
        level : float
            From 0, which changes nothing, to `highest`.

        Returns
        -------
        torch.Tensor
            Same shape, dtype and device; never the same memory.

        Raises
        ------
        InputError
            When the level is negative, NaN or too high.
        """
        self.check_level(level)
        if level == 0:
            return images.clone()
        return self._apply(images, tuple(part.to(images.device) for part in draw), float(level))

    def check_level(self, level: float) -> None:
        """Raise an `InputError` unless `level` is a number from 0 to `highest`."""
        number = isinstance(level, Real) and not isinstance(level, bool)
        if not number or not math.isfinite(level) or not 0 <= level <= self.highest:
            limit = "" if math.isinf(self.highest) else f" to {self.highest:g}"
            raise InputError(
                f"level {level!r} of {self.name} cannot be used: expected a number from 0{limit} "
                f"({self.unit})"
            )


def perturb(images: Tensor, kind: str, level: float, *, seed: int, indices: Indices) -> Tensor:
    """Perturb a batch of images.

    Parameters
    ----------
    images : torch.Tensor
        Shape (b, C, H, W), floating point in [0, 1].
    kind : str
        A name in `PERTURBATIONS`.
    level : float
        How much; what it means is in `PERTURBATIONS[kind].summary`. 0 changes nothing.
    seed : int
        From 0 to 2**64 - 1.
    indices : int array_like
        Shape (b,), the original index of each image: with the seed it decides the noise.

    Returns
    -------
    torch.Tensor
        Shape (b, C, H, W), same dtype and device.

    Raises
    ------
    InputError
        When the kind is unknown, the level out of range, or the images are not such a batch.

    See Also
    --------
    Perturbation : Draws once for many levels.
    """
    perturbation = find_perturbation(kind)
    perturbation.check_level(level)
    _check_images(images, len(indices))
    draw = perturbation.draw(tuple(images.shape[1:]), seed=seed, indices=indices)
    return perturbation.apply(images, draw, level)


def find_perturbation(kind: str) -> Perturbation:
    """Return the perturbation of that name, or raise an `InputError` that lists them."""
    if kind not in PERTURBATIONS:
        raise InputError(
            f"perturbation {kind!r} is not known: expected one of {', '.join(PERTURBATIONS)}"
        )
    return PERTURBATIONS[kind]


def _draw_normal(shape: Shape, seed: int, indices: Indices) -> Draw:
    return (seeded_normal(shape, seed=seed, indices=indices),)


def _add_noise(images: Tensor, draw: Draw, level: float) -> Tensor:
    return torch.add(images, draw[0].to(images.dtype), alpha=level)


def _add_noise_and_clip(images: Tensor, draw: Draw, level: float) -> Tensor:
    return _add_noise(images, draw, level).clamp_(0, 1)


def _draw_pixels(shape: Shape, seed: int, indices: Indices) -> Draw:
    """Draw the order in which pixels fall, and what each of them turns into."""
    _, height, width = shape
    n = len(indices)
    rank = np.empty((n, height * width), dtype=np.int32)
    salt = np.empty((n, height * width), dtype=np.bool_)
    for image, generator in enumerate(streams(seed, indices)):
        rank[image] = generator.permutation(height * width)
        salt[image] = generator.integers(0, 2, height * width, dtype=np.bool_)
    size = (n, 1, height, width)
    return torch.from_numpy(rank).view(size), torch.from_numpy(salt).view(size)


def _salt_and_pepper(images: Tensor, draw: Draw, level: float) -> Tensor:
    rank, salt = draw
    hit = rank < round(level * images.shape[2] * images.shape[3])
    return torch.where(hit, salt.to(images.dtype), images)


def _draw_nothing(shape: Shape, seed: int, indices: Indices) -> Draw:
    return ()


def _blur(images: Tensor, draw: Draw, level: float) -> Tensor:
    from scipy.ndimage import gaussian_filter  # slow to import, and nothing else needs it

    pixels = images.detach().cpu().numpy()
    blurred = gaussian_filter(pixels, sigma=(0, 0, level, level), mode="nearest")
    return torch.from_numpy(blurred).to(images.device)


def _draw_position(shape: Shape, seed: int, indices: Indices) -> Draw:
    place = np.empty((len(indices), 2), dtype=np.float64)
    for row, generator in zip(place, streams(seed, indices), strict=True):
        generator.random(out=row)
    return (torch.from_numpy(place),)


def _occlude(images: Tensor, draw: Draw, level: float) -> Tensor:
    place = draw[0]
    rows = _span(place[:, 0], images.shape[2], level)
    columns = _span(place[:, 1], images.shape[3], level)
    return images.masked_fill(rows[:, None, :, None] & columns[:, None, None, :], 0)


def _span(place: Tensor, side: int, level: float) -> Tensor:
    """Mark the rows (or columns) that are covered, for each image: booleans (b, side)."""
    covered = round(math.sqrt(level) * side)
    start = (place * (side - covered + 1)).floor()[:, None]
    position = torch.arange(side, device=place.device)
    return (position >= start) & (position < start + covered)


def _check_images(images: Tensor, n: int) -> None:
    if images.ndim != 4 or not images.is_floating_point():
        raise InputError(
            f"images of shape {tuple(images.shape)} and dtype {images.dtype} cannot be "
            "perturbed: expected (b, C, H, W) in floating point"
        )
    if len(images) != n:
        raise InputError(f"{n} indices came with {len(images)} images: expected one for each")


_ROWS = {
    row.name: row
    for row in (
        Perturbation(
            "gaussian",
            "level is the standard deviation of additive Gaussian noise, in units of the pixel "
            "range [0, 1]; not clipped, so values leave [0, 1]",
            "standard deviation, pixel range 1",
            math.inf,
            False,
            _draw_normal,
            _add_noise,
        ),
        Perturbation(
            "gaussian-clipped",
            "level is the standard deviation of additive Gaussian noise (the same noise as "
            "gaussian), in units of the pixel range; then clipped to [0, 1]",
            "standard deviation, pixel range 1",
            math.inf,
            True,
            _draw_normal,
            _add_noise_and_clip,
        ),
        Perturbation(
            "salt-and-pepper",
            "level is the share of pixels, from 0 to 1, that turn white or black with equal "
            "chance, in all channels; rounded to whole pixels; stays in [0, 1]",
            "share of pixels",
            1.0,
            True,
            _draw_pixels,
            _salt_and_pepper,
        ),
        Perturbation(
            "blur",
            "level is the standard deviation of a Gaussian blur, in pixels, from 0 to 64; "
            "nothing is random; the border is continued; stays in [0, 1]",
            "standard deviation, pixels",
            _LARGEST_SIGMA,
            True,
            _draw_nothing,
            _blur,
        ),
        Perturbation(
            "occlusion",
            "level is the share of the area, from 0 to 1, covered by a black square (on a "
            "square image); sides rounded to whole pixels; stays in [0, 1]",
            "share of the area",
            1.0,
            True,
            _draw_position,
            _occlude,
        ),
        Perturbation(
            "words-replaced",
            "level is the share of a sentence's words, from 0 to 1, that are replaced by others, "
            "drawn from the whole vocabulary; rounded to whole words; stays in [0, 1]",
            "share of the words",
            1.0,
            True,
            draw_words,
            replace_words,
        ),
        Perturbation(
            "words-unknown",
            "level is the share of a sentence's words, from 0 to 1, that become the unknown word "
            "(the same as in words-replaced); rounded to whole words; stays in [0, 1]",
            "share of the words",
            1.0,
            True,
            draw_words,
            mask_words,
        ),
    )
}

#: Every perturbation by name.
PERTURBATIONS: Registry[Perturbation] = Registry("perturbations", "perturbation", _ROWS)


def register_perturbation(perturbation: Perturbation, *, replace: bool = False) -> None:
    """Add a perturbation, which ``--perturbation`` then knows by its name.

    Parameters
    ----------
    perturbation : Perturbation
        What it draws and does to images.
    replace : bool, default=False
        Replace a perturbation of the same name.

    Raises
    ------
    InputError
        When the name is taken and `replace` is false.

    Examples
    --------
    >>> import latentgeo
    >>> from latentgeo.datasets import PERTURBATIONS
    >>> latentgeo.register_perturbation(PERTURBATIONS["gaussian"], replace=True)
    """
    PERTURBATIONS.register(perturbation.name, perturbation, replace=replace)
