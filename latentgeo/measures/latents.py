"""Latents of one kind, read some images at a time, and what kernels make of them."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.errors import InputError
from latentgeo.geometry import (
    PointStream,
    feature_map,
    mode_unfoldings,
    require_spectrum,
)
from latentgeo.settings import AnalysisSettings

MODES = ("S1", "S2", "S3")
SHARES = (0.90, 0.95, 0.99)
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
        (C, H, W).
    read : callable
        Takes a level and images (a slice or positions) and gives their latents (b, C, H, W).
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
        return max(1, SHARD_BYTES // self._bytes_of_an_image)

    @property
    def levels_at_once(self) -> int:
        """Levels that take no more than a shard together, and so can be looked at side by side."""
        if self.device.type != "cpu":
            return 1
        return max(1, SHARD_BYTES // (self.samples * self._bytes_of_an_image))

    @property
    def _bytes_of_an_image(self) -> int:
        return 16 * int(np.prod(self.shape)) + 8 * feature_width(self.shape)

    def shards(self) -> Iterator[slice]:
        """Cut the images into shards."""
        for start in range(0, self.samples, self.step):
            yield slice(start, min(start + self.step, self.samples))

    def take(self, chosen: NDArray[np.int64]) -> "LatentReader":
        """Return some of the images; itself where they are all."""
        if len(chosen) == self.samples:
            return self
        return self._replace(
            samples=len(chosen), read=lambda level, images: self.read(level, chosen[images])
        )


def reader_of(latents: xr.DataArray, device: torch.device | None = None) -> LatentReader:
    """Read an array (noise, sample, channel, row, column), which may lie on disk."""
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


def choose_images(samples: int, wanted: int, seed: int) -> NDArray[np.int64]:
    """Choose some images by the seed, in their order; all where there are no more than wanted."""
    return np.sort(np.random.default_rng(seed).permutation(samples)[:wanted])


def is_vector(shape: tuple[int, ...]) -> bool:
    """Return whether latents have a single position, and so nothing to unfold."""
    return tuple(shape[1:]) == (1, 1)


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
        Weight of the logarithm.

    Returns
    -------
    dict of str to PointStream
        Each mode, whose features side by side are those of the product kernel; vectors are points
        themselves, "product" alone.
    """
    widths = _widths(reader.shape)

    # The features of a set that is a single shard are made once, others each time.
    @lru_cache(maxsize=len(widths) if reader.samples <= reader.step else 0)
    def features(mode: str, start: int, stop: int) -> Tensor:
        latents = reader.read(level, slice(start, stop))
        if mode not in MODES:
            return latents.flatten(1).double()
        unfolding = mode_unfoldings(latents)[MODES.index(mode)]
        return feature_map(
            unfolding,
            form="unfolding",
            log_weight=settings.log_weight,
            source_dtype=source_dtype,
        )

    def stream(mode: str, width: int) -> PointStream:
        def read(images: slice) -> Tensor:
            return features(mode, images.start, images.stop)

        return PointStream(reader.samples, width, reader.step, read, reader.device)

    return {mode: stream(mode, width) for mode, width in widths.items()}


def check_size(shape: tuple[int, ...], samples: int, device: torch.device) -> None:
    """Refuse, before anything is encoded, more than the device can analyse.

    Parameters
    ----------
    shape : tuple of int
        (C, H, W) of the latents.
    samples : int
        Number of images.
    device : torch.device
        Where the analysis runs.

    Raises
    ------
    InputError
        When the spectrum of the features is more than all memory.
    """
    try:
        require_spectrum(samples, feature_width(shape), device)
    except ValueError as error:
        raise InputError(f"latents of shape {tuple(shape)}: {error} (samples)") from None


def feature_width(shape: tuple[int, ...]) -> int:
    """Count the features of the product kernel for latents (C, H, W)."""
    return sum(_widths(shape).values())


def _widths(shape: tuple[int, ...]) -> dict[str, int]:
    """Return the numbers of features of each mode, or of the vector itself."""
    channels, rows, columns = shape
    if is_vector(shape):
        return {"product": channels}
    # An upper triangle for the projection and one for the logarithm.
    return {
        mode: size * (size + 1) for mode, size in zip(MODES, (rows, columns, channels), strict=True)
    }
