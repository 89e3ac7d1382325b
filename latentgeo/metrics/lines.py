"""How well lines are interpolated: the benchmark of which the right answer is known."""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from latentgeo.arrays import to_tensor
from latentgeo.metrics._points import check_count
from latentgeo.metrics.intervals import bootstrap_mean, bootstrap_median
from latentgeo.metrics.line_images import LINE_SIDE, render_lines

Mode = Literal["paper", "corrected"]

# Below this change of the angle, in radians, smoothness has no meaning; the benchmark's value.
_LEAST_CHANGE = 1e-4
# Lines mirrored at an axis are equally far from an image that the axis mirrors onto itself. Without
# rounding, noise of the last digit would choose, another one on each machine.
_DECIMALS = 12


@dataclass(frozen=True)
class LineScores:
    """What `line_interpolation_scores` found.

    Attributes
    ----------
    mode : {"paper", "corrected"}
        How pairs of undefined smoothness enter `smoothness`.
    mean_distance : float
        Mean cosine distance of the images to the nearest line. Lower is better, 0 at best (2e-7
        with 10,000 references, for the lines between them).
    smoothness : float
        Mean over pairs of the largest step of the angle, as a share of the change from end to
        end, beyond 1/(steps - 1). Lower is better, 0 at best; unbounded. NaN where it is
        undefined for all pairs.
    smoothness_median : float
        Median of the same, over the pairs where it is defined.
    shortest_arc_rate : float
        Share of those pairs whose path turns the short way round. Higher is better, 1 at best.
    undefined : int
        Pairs whose ends decode to the same line: there is no smoothness, and no way round.
    intervals : dict of str to tuple of two float
        For each of the four numbers above, the ends of its 95 % bootstrap interval over pairs; NaN
        where fewer than two pairs count.
    pair_smoothness : numpy.ndarray of shape (pairs,)
        NaN where undefined.
    pair_shortest_arc : numpy.ndarray of shape (pairs,)
        1 or 0, NaN where undefined.
    distance : numpy.ndarray of shape (pairs, steps)
        Cosine distance of each image to the nearest line.
    angle : numpy.ndarray of shape (pairs, steps)
        Angle of that line in radians, unwrapped along the path.
    """

    mode: Mode
    mean_distance: float
    smoothness: float
    smoothness_median: float
    shortest_arc_rate: float
    undefined: int
    intervals: dict[str, tuple[float, float]]
    pair_smoothness: NDArray[np.float64]
    pair_shortest_arc: NDArray[np.float64]
    distance: NDArray[np.float64]
    angle: NDArray[np.float64]


def line_interpolation_scores(
    images: Any,
    mode: Mode = "paper",
    *,
    references: int = 10_000,
    style: str = "paper",
    block: int = 2048,
    seed: int = 0,
) -> LineScores:
    r"""Score interpolations between lines, by the nearest line to each image.

    With the cosine distance :math:`C_{n,q}` of image n to the reference line at
    :math:`\Lambda_q = 2\pi q/D`, its least value over q is the distance of the image, and the
    angle :math:`\tilde\Lambda_n` of that line, unwrapped along the path, gives

    .. math::
        \text{smoothness} = \frac{\max_n |\tilde\Lambda_{n+1} - \tilde\Lambda_n|}
        {|\tilde\Lambda_N - \tilde\Lambda_1|} - \frac{1}{N-1}

    It is undefined where the ends' angles differ by less than 1e-4. The authors leave such pairs
    out of the sum and keep them in the count, which flatters a decoder that collapses: mode
    "paper" does the same, mode "corrected" takes the mean over the defined pairs. Either
    counts the undefined ones. Of lines that are equally near, the first is taken; the authors'
    scorer lets rounding decide, which moves the smoothness of a single pair by up to 0.02.

    Parameters
    ----------
    images : torch.Tensor or numpy.ndarray of shape (pairs, steps, 1, 32, 32)
        Decoded images along each path, both ends included, in [-1, 1]: another coding of grey
        gives another distance. For images in [0, 1] give `2 * images - 1`.
    mode : {"paper", "corrected"}, default="paper"
        What becomes of pairs with undefined smoothness.
    references : int, default=10000
        Lines to compare with, at evenly spaced angles.
    style : {"paper", "smooth"}, default="paper"
        How these are drawn; see `render_lines`.
    block : int, default=2048
        So many images meet so many references at once: memory is some 40 block² bytes.
    seed : int, default=0
        Seeds the bootstrap.

    Returns
    -------
    LineScores

    Raises
    ------
    ValueError
        When mode, shape, range or numbers cannot be used, or an image is zero everywhere (it has
        no cosine).

    References
    ----------
    D. Berthelot, C. Raffel, A. Roy, I. Goodfellow, "Understanding and improving interpolation in
    autoencoders via an adversarial regularizer", ICLR 2019, section 3.1.

    Examples
    --------
    >>> import torch
    >>> from latentgeo.metrics import line_interpolation_scores, render_lines
    >>> images = render_lines(torch.linspace(0.1, 1.0, 4))[None]
    >>> round(line_interpolation_scores(images, references=100).mean_distance, 2)
    0.0
    """
    _check_settings(mode, references, block)
    frames = _checked(images)
    distance, nearest = _nearest_lines(frames.flatten(0, 1), references, style, block)
    shape = tuple(frames.shape[:2])
    angle = (nearest * (2 * math.pi / references)).reshape(shape)
    return _scores(mode, distance.reshape(shape), np.unwrap(angle, axis=-1), seed)


def _scores(
    mode: Mode, distance: NDArray[np.float64], angle: NDArray[Any], seed: int
) -> LineScores:
    smoothness = _pair_smoothness(angle)
    defined = ~np.isnan(smoothness)
    change = np.abs(angle[:, -1] - angle[:, 0])
    shortest = np.where(defined, change <= math.pi, np.nan)
    counted = smoothness[defined]
    if mode == "paper" and defined.any():
        counted = np.where(defined, smoothness, 0.0)
    values, intervals = {}, {}
    for name, statistic, of in (
        ("mean_distance", bootstrap_mean, distance.mean(axis=1)),
        ("smoothness", bootstrap_mean, counted),
        ("smoothness_median", bootstrap_median, smoothness[defined]),
        ("shortest_arc_rate", bootstrap_mean, shortest[defined]),
    ):
        found = [math.nan] * 3 if not len(of) else [float(x) for x in statistic(of, seed=seed)]
        values[name], intervals[name] = found[0], (found[1], found[2])
    return LineScores(
        mode=mode,
        **values,
        undefined=int((~defined).sum()),
        intervals=intervals,
        pair_smoothness=smoothness,
        pair_shortest_arc=shortest,
        distance=distance,
        angle=angle,
    )


def _pair_smoothness(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the excess of the largest step over an even one, NaN where the ends are one line."""
    steps = np.abs(np.diff(angle, axis=-1))
    change = np.abs(angle[:, -1] - angle[:, 0])
    change = np.where(change < _LEAST_CHANGE, np.nan, change)
    excess: NDArray[np.float64] = steps.max(axis=-1) / change - 1 / steps.shape[-1]
    return excess


def _nearest_lines(
    images: Tensor, references: int, style: str, block: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the least cosine distance of each image, and the number of the line that has it."""
    least = torch.full((len(images),), math.inf, dtype=torch.float64, device=images.device)
    nearest = torch.zeros(len(images), dtype=torch.long, device=images.device)
    for first in range(0, references, block):
        numbers = torch.arange(first, min(first + block, references), device=images.device)
        lines = _directions(render_lines(numbers.double() * (2 * math.pi / references), style))
        for start in range(0, len(images), block):
            here = slice(start, start + block)
            apart = 1 - _directions(images[here]) @ lines.mT
            distance, place = apart.round_(decimals=_DECIMALS).min(dim=1)
            closer = distance < least[here]
            least[here] = torch.where(closer, distance, least[here])
            nearest[here] = torch.where(closer, place + first, nearest[here])
    return least.clamp_min(0).cpu().numpy(), nearest.cpu().numpy()


def _directions(images: Tensor) -> Tensor:
    # In float32 the distance of neighbouring references is lost in rounding.
    return normalize(images.flatten(1).double(), dim=1)


def _check_settings(mode: str, references: int, block: int) -> None:
    if mode not in get_args(Mode):
        raise ValueError(f"mode is {mode!r}; expected 'paper' or 'corrected'")
    check_count(references, "references", 2)
    check_count(block, "block")


def _checked(images: Any) -> Tensor:
    frames = images.detach() if isinstance(images, Tensor) else to_tensor(images)
    wanted = (1, LINE_SIDE, LINE_SIDE)
    if frames.ndim != 5 or tuple(frames.shape[2:]) != wanted:
        raise ValueError(
            f"images have shape {tuple(frames.shape)}; expected (pairs, steps, 1, 32, 32)"
        )
    pairs, steps = frames.shape[:2]
    if pairs < 1 or steps < 2:
        raise ValueError(
            f"images are {pairs} pairs of {steps} steps; expected at least 1 pair and 2 steps"
        )
    _check_values(frames)
    return frames


def _check_values(frames: Tensor) -> None:
    bad = ~torch.isfinite(frames).flatten(2).all(dim=-1)
    if bool(bad.any()):
        raise ValueError(
            f"{int(bad.sum())} images hold NaN or infinite values, the first {_first_position(bad)}"
        )
    low, high = float(frames.min()), float(frames.max())
    if low < -1 or high > 1:
        raise ValueError(
            f"images lie in [{low:g}, {high:g}]; expected [-1, 1], on which the cosine distance "
            "depends: clamp what a linear decoder gives, and give 2 * images - 1 for [0, 1]"
        )
    empty = (frames == 0).flatten(2).all(dim=-1)
    if bool(empty.any()):
        raise ValueError(
            f"{int(empty.sum())} images are zero everywhere, the first {_first_position(empty)}; "
            "they have no cosine distance"
        )


def _first_position(bad: Tensor) -> str:
    pair, step = (int(i) for i in bad.nonzero()[0])
    return f"at pair {pair}, step {step}"
