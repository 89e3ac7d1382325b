"""Resizing of whole batches."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from latentgeo.datasets.sources import check_memory
from latentgeo.errors import InputError

_LARGEST = 4096
_BATCH = 1024


def check_size(size: Any) -> None:
    """Raise an `InputError` unless `size` is None or a side in pixels."""
    if size is None:
        return
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= _LARGEST:
        raise InputError(
            f"size {size!r} cannot be used: expected a whole number of pixels from 1 to {_LARGEST}"
        )


def resize(images: NDArray[Any], size: int) -> NDArray[Any]:
    """Resize images to a square, bilinear and antialiased (as Pillow does).

    Parameters
    ----------
    images : numpy.ndarray
        Shape (n, C, H, W), uint8 or float32.
    size : int
        Side in pixels.

    Returns
    -------
    numpy.ndarray
        Shape (n, C, size, size), same dtype; uint8 is rounded.

    Raises
    ------
    InputError
        When memory cannot hold them.
    """
    if images.shape[2:] == (size, size):
        return images
    check_memory(len(images), (images.shape[1], size, size), "the data", itemsize=images.itemsize)
    resized = np.empty((*images.shape[:2], size, size), dtype=images.dtype)
    for start in range(0, len(images), _BATCH):
        here = slice(start, start + _BATCH)
        resized[here] = _resize_batch(images[here], size)
    return resized


def _resize_batch(images: NDArray[Any], size: int) -> NDArray[Any]:
    pixels = torch.from_numpy(images.astype(np.float32))
    resized = interpolate(pixels, size=(size, size), mode="bilinear", antialias=True).numpy()
    return np.rint(resized) if images.dtype == np.uint8 else resized
