"""Random numbers that belong to an image, wherever and with whomever it is drawn."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.random import Generator, Philox
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.errors import InputError

Indices = Sequence[int] | NDArray[np.integer[Any]] | Tensor

_LARGEST_SEED = 2**64 - 1


def streams(seed: int, indices: Indices, stream: int = 0) -> Iterator[Generator]:
    """Return each image its own random generator.

    Parameters
    ----------
    seed : int
        From 0 to 2**64 - 1.
    indices : int array_like
        Shape (b,), the original index of each image.
    stream : int, default=0
        Purpose of the numbers, so that two uses of one seed are independent; 0 is that of
        the perturbations.

    Yields
    ------
    numpy.random.Generator
        A counter-based generator that depends on seed, stream and the image's index only.

    Raises
    ------
    InputError
        When seed or indices are not such numbers.

    References
    ----------
    .. [1] J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as
       easy as 1, 2, 3", SC 2011.
    """
    key = np.array([checked_seed(seed), stream], dtype=np.uint64)
    return (_generator(key, index) for index in checked_indices(indices))


def seeded_normal(
    shape: tuple[int, ...], *, seed: int, indices: Indices, stream: int = 0
) -> Tensor:
    """Draw standard normal numbers for each image.

    Parameters
    ----------
    shape : tuple of int
        Shape of what is drawn for one image.
    seed, indices, stream
        As in `streams`.

    Returns
    -------
    torch.Tensor
        ``(b, *shape)``, float32.

    Raises
    ------
    InputError
        When seed or indices are not such numbers.
    """
    noise = np.empty((len(indices), *shape), dtype=np.float32)
    for row, generator in zip(noise, streams(seed, indices, stream), strict=True):
        generator.standard_normal(out=row, dtype=np.float32)
    return torch.from_numpy(noise)


def checked_indices(indices: Indices) -> NDArray[np.int64]:
    """Return indices as an array, or raise an `InputError`."""
    array = np.asarray(indices)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer) or (array < 0).any():
        raise InputError(
            f"indices of shape {array.shape} and dtype {array.dtype} cannot be used: expected "
            "one whole number from 0 for each image"
        )
    return array.astype(np.int64)


def _generator(key: NDArray[np.uint64], index: int) -> Generator:
    # The index stands in the counter's third word, so that streams are 2**128 blocks apart.
    return Generator(Philox(key=key, counter=np.array([0, 0, index, 0], dtype=np.uint64)))


def checked_seed(seed: int) -> int:
    """Raise `InputError` unless the seed is a whole number that fits into 64 bits."""
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    if not whole or not 0 <= seed <= _LARGEST_SEED:
        raise InputError(
            f"seed {seed!r} cannot be used: expected a whole number from 0 to {_LARGEST_SEED}"
        )
    return int(seed)
