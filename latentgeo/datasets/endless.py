"""Images that are made when they are asked for, and never twice."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.datasets.images import ImageDataset
from latentgeo.errors import InputError


@dataclass(frozen=True, eq=False)
class ImageStream:
    """An endless row of images, of which an epoch sees the next `samples`.

    It is used as an `ImageDataset` is for training: positions run from 0 to `samples` - 1 and
    mean other images in each epoch.

    Parameters
    ----------
    name, split : str
        As of an `ImageDataset`.
    shape : tuple of int
        (C, H, W) of each image.
    samples : int
        How many images an epoch sees.
    make : callable
        Numbers of images, int64 of shape (b,) from 0, and a device, to images (b, C, H, W) on it,
        float32 in [0, 1]; an image depends on its number alone.
    made_by : str
        All that decides the images, in words: it stands for their pixels in the fingerprint.
    epoch : int, default=0
        The epoch of which the images are given.

    Attributes
    ----------
    labels : None
        There are none.
    fingerprint : str
        SHA-256 of name, split, shape, samples and what the images are made by.
    """

    name: str
    split: str
    shape: tuple[int, int, int]
    samples: int
    make: Callable[[NDArray[np.int64], torch.device], Tensor]
    made_by: str
    epoch: int = 0

    @property
    def labels(self) -> None:
        """There are none."""
        return

    def __len__(self) -> int:
        return self.samples

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all that decides the images, as hexadecimal text; the epoch is left out."""
        facts = (self.name, self.split, self.shape, self.samples, self.made_by)
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    def at_epoch(self, epoch: int) -> "ImageStream":
        """Return the images of an epoch, from 0; see `ImageDataset.at_epoch`."""
        return replace(self, epoch=epoch)

    def batch(self, indices: Any, device: torch.device | str = "cpu") -> Tensor:
        """Make images.

        Parameters
        ----------
        indices : int array_like or slice
            Positions in this epoch, 0 to `samples` - 1.
        device : torch.device or str, default="cpu"
            Where to make them.

        Returns
        -------
        torch.Tensor
            Shape (b, C, H, W), float32 in [0, 1].

        Raises
        ------
        InputError
            When a position lies outside of the epoch.
        """
        if isinstance(indices, slice):
            indices = np.arange(self.samples)[indices]
        positions = np.asarray(indices, dtype=np.int64)
        outside = (positions < 0) | (positions >= self.samples)
        if outside.any():
            raise InputError(
                f"position {positions[outside][0]} is not in an epoch of {self.name!r}: "
                f"expected 0 to {self.samples - 1}"
            )
        return self.make(self.epoch * self.samples + positions, torch.device(device))

    def batches(self, size: int) -> Iterator[tuple[Tensor, NDArray[np.int64]]]:
        """Yield the batches of the epoch in order; see `ImageDataset.batches`."""
        for start in range(0, self.samples, size):
            positions = np.arange(start, min(start + size, self.samples))
            yield self.batch(positions), self.epoch * self.samples + positions

    def take(self, n: int, seed: int | None = None) -> ImageDataset:
        """Return the first `n` images as a finite data set; see `ImageDataset.take`."""
        pixels = self.make(np.arange(self.samples), torch.device("cpu")).numpy()
        return ImageDataset.from_array(pixels, name=self.name, split=self.split).take(n, seed)
