"""Interpolation between latents, and how real the images between are."""

import math
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple, TypeVar, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.arrays import to_tensor
from latentgeo.metrics._points import check_count
from latentgeo.metrics.intervals import MeanInterval, bootstrap_mean

Array = TypeVar("Array", Tensor, NDArray[Any])
Path = Literal["linear", "spherical"]
#: Takes a batch of tensors (b, ...) to a batch (b, ...), each sample on its own.
Net = Callable[[Tensor], Tensor]

_BATCH = 256
# Below this angle, in radians, the arc is the chord to the precision of float64.
_LEAST_ANGLE = 1e-6


class PathScores(NamedTuple):
    """A measure along interpolation paths.

    Attributes
    ----------
    values : numpy.ndarray of shape (pairs, steps)
        Of each image, float64.
    by_step : MeanInterval
        Mean over pairs at each step, with its 95 % bootstrap interval; shape (steps,). The pairs
        drawn are the same at all steps.
    inside : MeanInterval
        Mean over the steps between the ends, then over pairs; NaN where there are only ends.
    """

    values: NDArray[np.float64]
    by_step: MeanInterval
    inside: MeanInterval


class NearestReal(NamedTuple):
    """The nearest real images to those along paths.

    Attributes
    ----------
    distance : PathScores
        Euclidean distance in the feature space.
    place : numpy.ndarray of shape (pairs, steps)
        Place of the nearest among the real images, int64.
    """

    distance: PathScores
    place: NDArray[np.int64]


def interpolate(start: Array, end: Array, steps: int, path: Path = "linear") -> Array:
    r"""Latents along paths from one to the other, ends included.

    Parameters
    ----------
    start, end : torch.Tensor or numpy.ndarray of shape (pairs, ...)
        Ends of each path, floating point.
    steps : int
        Latents on each path, at least 2.
    path : {"linear", "spherical"}, default="linear"
        "linear" is :math:`(1-t) z_0 + t z_1`. "spherical" is
        :math:`(\sin((1-t)\omega) z_0 + \sin(t\omega) z_1)/\sin\omega` with the angle
        :math:`\omega` between the latents [1]_: it keeps the norm where both have it, and is the
        line where they point the same way.

    Returns
    -------
    torch.Tensor or numpy.ndarray of shape (pairs, steps, ...)
        Of the kind and dtype of `start`.

    Raises
    ------
    ValueError
        When shapes, steps or path cannot be used, a latent is not finite, or a spherical path
        has a zero latent or ends that point opposite ways.

    References
    ----------
    .. [1] T. White, "Sampling generative networks", arXiv 1609.04468, section 2.1.

    Examples
    --------
    >>> import torch
    >>> from latentgeo.metrics import interpolate
    >>> interpolate(torch.zeros(1, 2), torch.ones(1, 2), 3)
    tensor([[[0.0000, 0.0000],
             [0.5000, 0.5000],
             [1.0000, 1.0000]]])
    """
    if isinstance(start, Tensor):
        return _interpolate(start, torch.as_tensor(end, device=start.device), steps, path)
    return _interpolate(to_tensor(start), to_tensor(end), steps, path).numpy()


def sharpness(images: Array) -> Array:
    r"""Sharpness of images: the variance of their Laplacian.

    .. math:: \mathrm{var}(x_{i+1,j} + x_{i-1,j} + x_{i,j+1} + x_{i,j-1} - 4 x_{i,j})

    over the inner pixels of all channels. Higher is sharper, noise is sharp too; compare with
    that of real images. It grows with the square of the contrast, and does not change with
    brightness, shifts or quarter turns.

    Parameters
    ----------
    images : torch.Tensor or numpy.ndarray of shape (..., C, H, W)
        At least 3×3 pixels.

    Returns
    -------
    torch.Tensor or numpy.ndarray of shape (...)
        float64, in squared units of the images.

    Raises
    ------
    ValueError
        When the images are smaller.

    References
    ----------
    J. L. Pech-Pacheco and others, "Diatom autofocusing in brightfield microscopy: a comparative
    study", ICPR 2000.

    Examples
    --------
    >>> import torch
    >>> from latentgeo.metrics import sharpness
    >>> sharpness(torch.ones(1, 1, 4, 4))
    tensor([0.], dtype=torch.float64)
    """
    if images.ndim < 3 or min(images.shape[-2:]) < 3:
        raise ValueError(
            f"images have shape {tuple(images.shape)}; expected (..., C, H, W) of at least 3x3"
        )
    if isinstance(images, np.ndarray):
        return _sharpness(to_tensor(images)).numpy()
    return _sharpness(images)


def path_sharpness(decode: Net, path: Tensor, *, batch: int = _BATCH, seed: int = 0) -> PathScores:
    """Sharpness of the decoded images along paths; see `sharpness`.

    Parameters
    ----------
    decode : callable
        Latents (b, ...) to images (b, C, H, W).
    path : torch.Tensor of shape (pairs, steps, ...)
        Latents along each path.
    batch : int, default=256
        Latents at once.
    seed : int, default=0
        Seeds the bootstrap.

    Returns
    -------
    PathScores
        Higher is sharper.

    Raises
    ------
    ValueError
        When path or batch cannot be used, or an image is not finite.

    Examples
    --------
    >>> import torch
    >>> from latentgeo.metrics import interpolate, path_sharpness
    >>> path = interpolate(torch.zeros(2, 1, 4, 4), torch.ones(2, 1, 4, 4), 3)
    >>> path_sharpness(lambda z: z, path).values
    array([[0., 0., 0.],
           [0., 0., 0.]])
    """
    return _along(lambda z: sharpness(decode(z)), path, batch, seed)


def cycle_consistency(
    encode: Net, decode: Net, path: Tensor, *, batch: int = _BATCH, seed: int = 0
) -> PathScores:
    r"""How far encoding a decoded latent leads away from it.

    .. math:: \|f(g(z_t)) - z_t\| \,/\, \|z_1 - z_0\|

    Lower is better, 0 where the decoder's images lie on what the encoder knows. It does not
    change when latents are scaled.

    Parameters
    ----------
    encode, decode : callable
        Images to latents and latents to images, in batches.
    path, batch, seed
        As for `path_sharpness`.

    Returns
    -------
    PathScores
        Infinite where both ends are the same latent.

    Raises
    ------
    ValueError
        When path or batch cannot be used, or a latent is not finite.

    Examples
    --------
    >>> import torch
    >>> from latentgeo.metrics import cycle_consistency, interpolate
    >>> path = interpolate(torch.zeros(2, 3), torch.ones(2, 3), 5)
    >>> float(cycle_consistency(lambda x: x, lambda z: z, path).values.max())
    0.0
    """
    _check_path(path, batch)
    apart = (path[:, -1] - path[:, 0]).flatten(1).double().norm(dim=1).cpu().numpy()

    def moved(z: Tensor) -> Tensor:
        distance: Tensor = (encode(decode(z)) - z).flatten(1).double().norm(dim=1)
        return distance

    with np.errstate(divide="ignore", invalid="ignore"):
        values = _measured(moved, path, batch) / apart[:, None]
    return _path_scores(values, seed)


def nearest_real_distance(
    decode: Net,
    path: Tensor,
    real: Tensor,
    features: Net | None = None,
    *,
    batch: int = _BATCH,
    seed: int = 0,
) -> NearestReal:
    """Distance of the decoded images along paths to the nearest real image.

    Lower is closer to the real images; of a sharp image of none of them it is large, and of a
    blurred mean of many too. It is no distance to the data's distribution: state the features and
    the number of real images with it, for both decide it.

    Parameters
    ----------
    decode : callable
        Latents (b, ...) to images (b, C, H, W).
    path : torch.Tensor of shape (pairs, steps, ...)
        Latents along each path.
    real : torch.Tensor of shape (n, C, H, W)
        Real images, in the range of the decoder's.
    features : callable, optional
        Images to the space where distances are taken, (b, ...); the pixels if left out.
    batch : int, default=256
        Images at once, of either kind: memory grows with its square.
    seed : int, default=0
        Seeds the bootstrap.

    Returns
    -------
    NearestReal
        Named tuple (distance, place).

    Raises
    ------
    ValueError
        When path, batch or real images cannot be used, or a feature is not finite.

    Examples
    --------
    >>> import torch
    >>> from latentgeo.metrics import interpolate, nearest_real_distance
    >>> path = interpolate(torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2), 3)
    >>> nearest_real_distance(lambda z: z, path, torch.zeros(4, 1, 2, 2)).distance.values
    array([[0., 1., 2.],
           [0., 1., 2.]])
    """
    _check_path(path, batch)
    if len(real) == 0:
        raise ValueError(f"real has shape {tuple(real.shape)}; expected at least one image")
    described = features if features is not None else _pixels
    known = torch.cat([_described(described, images) for images in _batches(real, batch)])

    def nearest(z: Tensor) -> Tensor:
        return _nearest(_described(described, decode(z)), known, batch)

    found = _in_batches(nearest, path, batch).reshape(*path.shape[:2], 2)
    distance, index = found.unbind(-1)
    scores = _path_scores(_finite(distance.cpu().numpy()), seed)
    return NearestReal(scores, index.long().cpu().numpy())


def _pixels(images: Tensor) -> Tensor:
    return images


@torch.no_grad()
def _described(features: Net, images: Tensor) -> Tensor:
    return features(images).flatten(1).double()


def _nearest(found: Tensor, known: Tensor, batch: int) -> Tensor:
    """Return the distance (b, 2) to the nearest known feature, and its number."""
    least = torch.full((len(found),), math.inf, dtype=torch.float64, device=found.device)
    place = torch.zeros_like(least)
    for first in range(0, len(known), batch):
        # Not by products: they round small distances of large features away.
        apart = torch.cdist(
            found, known[first : first + batch], compute_mode="donot_use_mm_for_euclid_dist"
        )
        distance, index = apart.min(dim=1)
        closer = distance < least
        least = torch.where(closer, distance, least)
        place = torch.where(closer, (index + first).double(), place)
    return torch.stack([torch.where(found.isfinite().all(1), least, math.nan), place], 1)


def _along(measure: Net, path: Tensor, batch: int, seed: int) -> PathScores:
    _check_path(path, batch)
    return _path_scores(_measured(measure, path, batch), seed)


def _measured(measure: Net, path: Tensor, batch: int) -> NDArray[np.float64]:
    values = _in_batches(measure, path, batch).reshape(path.shape[:2])
    return _finite(values.double().cpu().numpy())


@torch.no_grad()
def _in_batches(measure: Net, path: Tensor, batch: int) -> Tensor:
    return torch.cat([measure(z) for z in _batches(path.flatten(0, 1), batch)])


def _batches(samples: Tensor, size: int) -> Iterator[Tensor]:
    return (samples[first : first + size] for first in range(0, len(samples), size))


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    bad = ~np.isfinite(values)
    if bad.any():
        pair, step = (int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"{int(bad.sum())} interpolants are not finite after decoding, the first at pair "
            f"{pair}, step {step}"
        )
    return values


def _path_scores(values: NDArray[np.float64], seed: int) -> PathScores:
    inner = values[:, 1:-1]
    means = inner.mean(axis=1) if inner.shape[1] else np.full(len(values), np.nan)
    return PathScores(values, bootstrap_mean(values.T, seed=seed), bootstrap_mean(means, seed=seed))


def _sharpness(images: Tensor) -> Tensor:
    x = images.double()
    middle = x[..., 1:-1, 1:-1]
    around = x[..., 2:, 1:-1] + x[..., :-2, 1:-1] + x[..., 1:-1, 2:] + x[..., 1:-1, :-2]
    return (around - 4 * middle).flatten(-3).var(dim=-1, correction=0)


def _interpolate(start: Tensor, end: Tensor, steps: int, path: str) -> Tensor:
    _check_ends(start, end, steps, path)
    share = torch.linspace(0, 1, steps, dtype=torch.float64, device=start.device)
    first, last = start.flatten(1).double()[:, None], end.flatten(1).double()[:, None]
    if path == "linear":
        weights = (1 - share).expand(len(start), -1), share.expand(len(start), -1)
    else:
        weights = _arc_weights(first[:, 0], last[:, 0], share)
    between = weights[0][..., None] * first + weights[1][..., None] * last
    return between.reshape(len(start), steps, *start.shape[1:]).to(start.dtype)


def _arc_weights(first: Tensor, last: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    norms = first.norm(dim=1), last.norm(dim=1)
    _refuse((norms[0] == 0) | (norms[1] == 0), "a latent that is zero, which has no direction")
    a, b = first / norms[0][:, None], last / norms[1][:, None]
    # The half angles keep their digits where a cosine near 1 or -1 would lose them.
    angle = 2 * torch.atan2((a - b).norm(dim=1), (a + b).norm(dim=1))[:, None]
    _refuse(
        angle[:, 0] > math.pi - _LEAST_ANGLE,
        "ends that point opposite ways, between which every arc is as short",
    )
    straight = angle < _LEAST_ANGLE
    sine = torch.where(straight, 1.0, angle.sin())
    before = torch.where(straight, 1 - share, ((1 - share) * angle).sin() / sine)
    after = torch.where(straight, share.expand_as(before), (share * angle).sin() / sine)
    return before, after


def _refuse(bad: Tensor, what: str) -> None:
    if bool(bad.any()):
        raise ValueError(
            f"spherical paths of {int(bad.sum())} pairs have {what}, the first of pair "
            f"{int(bad.nonzero()[0])}; take path='linear'"
        )


def _check_ends(start: Tensor, end: Tensor, steps: int, path: str) -> None:
    if path not in get_args(Path):
        raise ValueError(f"path is {path!r}; expected 'linear' or 'spherical'")
    check_count(steps, "steps", 2)
    if start.shape != end.shape or start.ndim < 2 or start.numel() == 0:
        raise ValueError(
            f"start has shape {tuple(start.shape)} and end {tuple(end.shape)}; expected the same, "
            "(pairs, ...), of at least one pair"
        )
    for name, z in (("start", start), ("end", end)):
        if not z.dtype.is_floating_point:
            raise ValueError(f"{name} has dtype {z.dtype}; expected floating point")
        if not bool(torch.isfinite(z).all()):
            raise ValueError(f"{name} holds NaN or infinite values; remove or replace them")


def _check_path(path: Tensor, batch: int) -> None:
    check_count(batch, "batch")
    if path.ndim < 3 or path.shape[0] < 1 or path.shape[1] < 2:
        raise ValueError(
            f"path has shape {tuple(path.shape)}; expected (pairs, steps, ...) of at least 1 pair "
            "and 2 steps"
        )
