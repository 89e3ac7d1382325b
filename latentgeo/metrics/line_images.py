"""The line that turns: images of which the best interpolation is known."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = TypeVar("Array", Tensor, NDArray[Any])

#: Rows and columns of an image of a line.
LINE_SIDE = 32

_CENTRE = 16.0
_LENGTH = 15.0
_HALF_WIDTH = 1.0
# A line as long as 15 pixels meets at most 16 rows, and stays within the image with all of them.
_STEPS = 16
# So many images at once stay within the cache of a core; a GPU wants more to do.
_BLOCK = {"cpu": 1024, "cuda": 16_384}


def render_lines(angles: Array, style: str = "paper") -> Array:
    r"""Draw a line, two pixels wide, from the centre of the image at each angle.

    It ends at column :math:`16 + 15 \cos\theta` and row :math:`16 - 15 \sin\theta`, on edges of
    pixels: at angle 0 it inks rows 15 and 16 and columns 16 to 30.

    Parameters
    ----------
    angles : torch.Tensor or numpy.ndarray of shape (n,)
        In radians, counter-clockwise from the right; any real numbers.
    style : {"paper", "smooth"}, default="paper"
        "paper" is the renderer of the benchmark [1]_, which cuts each row (or column, along
        whichever axis the line is longer) at one interval. It jumps where the axis changes, by a
        distance of 10 at 135° and 315° and of 3 at 45° and 225°, and by 2.5 where the lower or the
        right end enters another pixel. "smooth" is the area of a turned rectangle under a box of
        one pixel along its axes: it depends continuously on the angle everywhere, and is the same
        image as "paper" at multiples of 90°.

    Returns
    -------
    torch.Tensor or numpy.ndarray of shape (n, 1, 32, 32)
        float32 in [-1, 1], background -1; of the same kind as `angles` and on its device.

    Raises
    ------
    ValueError
        When the style is unknown, or the angles have another shape or are not finite.
    TypeError
        When the angles are not real numbers.

    References
    ----------
    .. [1] D. Berthelot, C. Raffel, A. Roy, I. Goodfellow, "Understanding and improving
       interpolation in autoencoders via an adversarial regularizer", ICLR 2019, section 3.1.

    Examples
    --------
    >>> import torch
    >>> from latentgeo.metrics import render_lines
    >>> render_lines(torch.tensor([0.0, 1.0])).shape
    torch.Size([2, 1, 32, 32])
    """
    renderer = _renderer(style)
    if isinstance(angles, Tensor):
        _check_angles(angles)
        return _in_blocks(renderer, angles.double())
    numbers = np.asarray(angles)
    if numbers.dtype.kind not in "fiu":
        raise TypeError(f"angles have dtype {numbers.dtype}; expected real numbers, in radians")
    inside = torch.from_numpy(numbers.astype(np.float64))
    _check_angles(inside)
    return _in_blocks(renderer, inside).numpy()


def _in_blocks(renderer: Callable[[Tensor], Tensor], angles: Tensor) -> Tensor:
    shape = (len(angles), 1, LINE_SIDE, LINE_SIDE)
    images = torch.empty(shape, dtype=torch.float32, device=angles.device)
    size = _BLOCK.get(angles.device.type, _BLOCK["cpu"])
    for start in range(0, len(angles), size):
        here = slice(start, start + size)
        images[here, 0] = renderer(angles[here])
    return images


def _paper(angles: Tensor) -> Tensor:
    """Cut the line at each row, or column, and share the ink among the pixels that it meets."""
    column, row = _ends(angles)
    upright = (row - _CENTRE).abs() >= (column - _CENTRE).abs()
    end, aside = torch.where(upright, row, column), torch.where(upright, column, row)
    step, left, full = (each[..., None] for each in _march(end, aside))
    # An interval as wide as two pixels meets three; it covers one by the lesser of what reaches
    # in at its sides.
    pixel = left.floor() + torch.arange(3, device=angles.device)
    ink = torch.minimum(left + 2 * _HALF_WIDTH - pixel, pixel + 1 - left).clamp_(0, 1)
    ink = ink.mul_(2 * full).sub_(1)
    where = upright[:, None, None]
    index = torch.where(where, step * LINE_SIDE + pixel, pixel * LINE_SIDE + step)
    images = torch.full((len(angles), LINE_SIDE**2), -1.0, device=angles.device)
    images.scatter_(1, index.long().flatten(1), ink.float().flatten(1))
    return images.view(-1, LINE_SIDE, LINE_SIDE)


def _march(end: Tensor, aside: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return each step along the longer axis, where its interval begins, and how full it is."""
    centre = torch.full_like(end, _CENTRE)
    backwards = end < centre
    first, last = torch.minimum(end, centre)[:, None], torch.maximum(end, centre)[:, None]
    from_, to = torch.where(backwards, aside, centre), torch.where(backwards, centre, aside)
    slope = (to - from_)[:, None] / (last - first)
    step = first.floor() + torch.arange(_STEPS, device=end.device)
    begin = (from_ - _HALF_WIDTH)[:, None] + (step - first - 0.5) * slope
    full = torch.where(step < first.ceil(), first.ceil() - first, 1.0) * (step < last.ceil())
    return step, begin, full


def _smooth(angles: Tensor) -> Tensor:
    """Multiply the box-filtered profiles of a rectangle, along it and across."""
    cosine, sine = angles.cos().float()[:, None, None], angles.sin().float()[:, None, None]
    pixel = torch.arange(LINE_SIDE, device=angles.device) + (0.5 - _CENTRE)
    x, y = pixel[None, None, :], -pixel[None, :, None]
    along = (x * cosine + y * sine).sub_(_LENGTH / 2).abs_().neg_()
    across = (y * cosine - x * sine).abs_().neg_()
    ink = along.add_(_LENGTH / 2 + 0.5).clamp_(0, 1)
    return ink.mul_(across.add_(_HALF_WIDTH + 0.5).clamp_(0, 1)).mul_(2).sub_(1)


_STYLES: dict[str, Callable[[Tensor], Tensor]] = {"paper": _paper, "smooth": _smooth}


def _ends(angles: Tensor) -> tuple[Tensor, Tensor]:
    return _CENTRE + _LENGTH * angles.cos(), _CENTRE - _LENGTH * angles.sin()


def _renderer(style: str) -> Callable[[Tensor], Tensor]:
    if style not in _STYLES:
        raise ValueError(f"style is {style!r}; expected one of {', '.join(map(repr, _STYLES))}")
    return _STYLES[style]


def _check_angles(angles: Tensor) -> None:
    if angles.ndim != 1:
        raise ValueError(
            f"angles have shape {tuple(angles.shape)}; expected (n,), one for each image"
        )
    if angles.is_complex() or angles.dtype == torch.bool:
        raise TypeError(f"angles have dtype {angles.dtype}; expected real numbers, in radians")
    bad = ~torch.isfinite(angles)
    if bool(bad.any()):
        first = int(bad.nonzero()[0])
        raise ValueError(
            f"angles hold {int(bad.sum())} NaN or infinite values, the first at {first}; "
            f"expected real numbers, in radians (a full turn is {2 * math.pi:.4f})"
        )
