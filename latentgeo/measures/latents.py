"""Latents of one kind, read some images at a time, and what kernels make of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.geometry import (
    LINEAR_KERNELS,
    SPECTRAL_KERNELS,
    PointStream,
    feature_count,
    feature_map,
    kernel,
    mode_names,
    mode_unfoldings,
    small_eigenvalue_share,
    statement,
    trace_normalised,
)
from latentgeo.geometry.kernels import covariance_traces
from latentgeo.geometry.unfolding import unfold_along
from latentgeo.latents import choose_images
from latentgeo.lazy import xr
from latentgeo.settings import AnalysisSettings

WHOLE = "product"
"""The part of a kernel that is all of it."""
SHARES = (0.90, 0.95, 0.99)
SMALL = 1e-4
"""Eigenvalues below this share of the largest are next to the noise floor."""
SMALL_IMAGES = 100
"""Images that say how much of the variance such eigenvalues make: enough for two digits."""
SHARD_BYTES = 2**28
"""About what the latents and the features of one shard take, and latents that are held at once."""

Selection = slice | NDArray[np.int64]


class LatentReader(NamedTuple):
    """One kind of latents at every noise level.

    Attributes
    ----------
    levels : int
        Number of noise levels.
    samples : int
        Number of images n.
    shape : tuple of int
        (C, ...).
    read : callable
        Takes a level and images (a slice or positions) and gives their latents (b, C, ...).
    device : torch.device
        Where it puts them.
    """

    levels: int
    samples: int
    shape: tuple[int, ...]
    read: Callable[[int, Selection], Tensor]
    device: torch.device = torch.device("cpu")

    @property
    def step(self) -> int:
        """Images of a shard."""
        return max(1, SHARD_BYTES // bytes_of_a_latent(self.shape))

    @property
    def levels_at_once(self) -> int:
        """Levels that take no more than a shard together, and so can be looked at side by side."""
        if self.device.type != "cpu":
            return 1
        return max(1, SHARD_BYTES // (self.samples * bytes_of_a_latent(self.shape)))

    def shards(self) -> Iterator[slice]:
        """Cut the images into shards."""
        for start in range(0, self.samples, self.step):
            yield slice(start, min(start + self.step, self.samples))

    def take(self, chosen: NDArray[np.int64]) -> LatentReader:
        """Return some of the images; itself where they are all."""
        if len(chosen) == self.samples:
            return self
        return self._replace(
            samples=len(chosen), read=lambda level, images: self.read(level, chosen[images])
        )


def bytes_of_a_latent(shape: tuple[int, ...]) -> int:
    """Return the bytes of a latent (C, ...), of its unfoldings and of their features."""
    # Twice the upper triangle of each mode: no kernel has more features.
    features = sum(size * (size + 1) for size in shape)
    return 16 * prod(shape) + 8 * features


def reader_of(latents: xr.DataArray, device: torch.device | None = None) -> LatentReader:
    """Read an array (noise, sample, channel, ...), which may lie on disk."""
    on = device or torch.device("cpu")

    def read(level: int, images: Selection) -> Tensor:
        values = latents.isel(noise=level, sample=images).values
        return torch.from_numpy(values).to(on)

    return LatentReader(
        latents.sizes["noise"], latents.sizes["sample"], latents.shape[2:], read, on
    )


def held_if_small(latents: xr.Dataset) -> xr.Dataset:
    """Read latents into memory, once for all that reads them; more than a shard stay on disk."""
    return latents.compute() if latents.nbytes <= SHARD_BYTES else latents


def is_vector(shape: tuple[int, ...]) -> bool:
    """Return whether latents have a single position, and so nothing to unfold."""
    return prod(shape[1:]) == 1


def kernel_used(shape: tuple[int, ...], settings: AnalysisSettings) -> str:
    """Return the kernel of latents (C, ...); vectors are points themselves."""
    return "linear" if is_vector(shape) else settings.kernel


def kernel_words(shape: tuple[int, ...], settings: AnalysisSettings) -> str:
    """Return the kernel of latents (C, ...) with all that decides it, in words."""
    name = kernel_used(shape, settings)
    if name == "linear":
        return name
    radial = name not in LINEAR_KERNELS
    metric = settings.kernel_distance if radial else name
    told = {
        "weight": settings.log_weight if metric in ("pseudo-log", "bonnabel-sepulchre") else None,
        "ridge": _ridge(metric, settings) or None,
        "gamma": settings.gamma if radial else None,
    }
    said = ", ".join(f"{word} {value:g}" for word, value in told.items() if value is not None)
    words = f"{name} of {metric}" if radial else name
    return f"{words} ({said})" if said else words


def _ridge(metric: str, settings: AnalysisSettings) -> float:
    """Return the ridge of metrics that do not take every rank; of others there is none."""
    return 0.0 if statement(metric).domain == "any rank" else settings.ridge


def point_streams(
    reader: LatentReader, level: int, source_dtype: str, settings: AnalysisSettings
) -> dict[str, PointStream]:
    """Return the latents of a level as points of the kernel's space.

    Parameters
    ----------
    reader : LatentReader
        The latents.
    level : int
        Index of the noise level.
    source_dtype : str
        What the latents were computed in.
    settings : AnalysisSettings
        The kernel, with its distance, ridge, weight and gamma.

    Returns
    -------
    dict of str to PointStream
        Each mode, whose covariances have trace 1, and whose kernels add up to that of the product;
        vectors, and tensors under the linear kernel, are points themselves, "product" alone.
    """
    name = kernel_used(reader.shape, settings)
    widths = _widths(reader.shape, settings)
    metric = name if name in LINEAR_KERNELS else settings.kernel_distance
    options: dict[str, Any] = {"form": "unfolding", "source_dtype": source_dtype}
    if name != "linear":
        options |= {"log_weight": settings.log_weight, "ridge": _ridge(metric, settings)}

    # The features of a set that is a single shard are made once, others each time.
    @lru_cache(maxsize=len(widths) if reader.samples <= reader.step else 0)
    def points(mode: str, start: int, stop: int) -> Tensor:
        latents = reader.read(level, slice(start, stop))
        if mode == WHOLE:
            return latents.flatten(1).double()
        unfoldings = _unit_unfoldings(latents, mode)
        return feature_map(unfoldings, name, **options) if metric == name else unfoldings

    def compared(left: Tensor, right: Tensor) -> Tensor:
        found: Tensor = kernel(left, right, name, metric=metric, gamma=settings.gamma, **options)
        return found

    def stream(mode: str, width: float) -> PointStream:
        def read(images: slice) -> Tensor:
            return points(mode, images.start, images.stop)

        found = PointStream(reader.samples, width, reader.step, read, reader.device)
        return found if np.isfinite(width) else found._replace(product=compared)

    return {mode: stream(mode, width) for mode, width in widths.items()}


def small_shares(
    reader: LatentReader, level: int, source_dtype: str, settings: AnalysisSettings
) -> dict[str, float]:
    """Return the share of each mode's variance that eigenvalues next to the noise floor make.

    It rests on up to `SMALL_IMAGES` images. Empty for kernels whose features are no functions of
    the eigenvalues.
    """
    name = kernel_used(reader.shape, settings)
    if name not in SPECTRAL_KERNELS:
        return {}
    latents = reader.read(level, choose_images(reader.samples, SMALL_IMAGES, settings.seed))
    return {
        mode: small_eigenvalue_share(
            _unit_unfoldings(latents, mode),
            name,
            below=SMALL,
            form="unfolding",
            log_weight=settings.log_weight,
            ridge=_ridge(name, settings),
            source_dtype=source_dtype,
        )
        for mode in mode_names(len(reader.shape))
    }


def mode_traces(latents: Tensor) -> dict[str, Tensor]:
    """Return the trace of each mode's covariance of latents (b, C, ...): (b,)."""
    order = latents.ndim - 1
    unfoldings = mode_unfoldings(latents.double(), order)
    return dict(zip(mode_names(order), map(covariance_traces, unfoldings), strict=True))


def _unit_unfoldings(latents: Tensor, mode: str) -> Tensor:
    order = latents.ndim - 1
    unfolding = unfold_along(latents.double(), order, mode_names(order).index(mode))
    return trace_normalised(unfolding, "unfolding")[0]


def feature_width(shape: tuple[int, ...], settings: AnalysisSettings) -> float:
    """Count the features of the product kernel for latents (C, ...); infinite where radial."""
    return sum(_widths(shape, settings).values())


def _widths(shape: tuple[int, ...], settings: AnalysisSettings) -> dict[str, float]:
    """Return the numbers of features of each mode, or of the latent itself."""
    name = kernel_used(shape, settings)
    if name == "linear":
        return {WHOLE: float(np.prod(shape))}
    sizes = zip(mode_names(len(shape)), (*shape[1:], shape[0]), strict=True)
    return {mode: feature_count(name, size) for mode, size in sizes}
