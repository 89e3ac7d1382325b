"""Random streams of single images: nothing depends on the batch, the order or the other images."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.random import Generator, Philox
from numpy.typing import NDArray
from torch import Tensor

Indices = Sequence[int] | NDArray[np.integer[Any]] | Tensor


def streams(seed: int, indices: NDArray[np.int64], purpose: int = 0) -> Iterator[Generator]:
    """Give each image its own generator, named by seed, purpose and the image's index."""
    key = np.array([seed, purpose], dtype=np.uint64)
    for index in indices:
        # The index stands in the counter's third word: streams are 2**128 blocks apart.
        yield Generator(Philox(key=key, counter=np.array([0, 0, index, 0], dtype=np.uint64)))


def seeded_normal(
    shape: tuple[int, ...], *, seed: int, indices: Indices, purpose: int = 0
) -> Tensor:
    """Draw standard normal numbers per image.

    Parameters
    ----------
    shape : tuple of int
        What is drawn for one image.
    seed : int
        From 0 to 2**64 - 1.
    indices : int array_like of shape (b,)
        Original indices of the images.
    purpose : int, default=0
        Numbers drawn for one purpose are independent of those for another; 0 is the
        perturbation of the images.

    Returns
    -------
    torch.Tensor of shape (b, *shape)
        In float32.
    """
    noise = np.empty((len(indices), *shape), dtype=np.float32)
    generators = streams(seed, np.asarray(indices, dtype=np.int64), purpose)
    for row, stream in zip(noise, generators, strict=True):
        stream.standard_normal(out=row, dtype=np.float32)
    return torch.from_numpy(noise)
