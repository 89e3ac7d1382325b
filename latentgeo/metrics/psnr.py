"""Peak signal-to-noise ratio, image by image."""

from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.arrays import to_tensor

Array = TypeVar("Array", Tensor, NDArray[np.floating])


def psnr(image: Array, reference: Array, *, data_range: float) -> Array:
    r"""Measure how close each image is to its reference, in decibels.

    .. math:: \mathrm{PSNR} = 10 \log_{10} \frac{r^2}{\mathrm{mean}\,(x - y)^2}

    with :math:`r` the data range and the mean over one image's channels and pixels. Higher is
    better. It is symmetric but not a metric, and invariant to one permutation of the pixels of
    both images. Libraries that pool the error over a batch give another number: the mean of
    the decibels is not the decibels of the mean.

    Parameters
    ----------
    image, reference : torch.Tensor or numpy.ndarray of shape (..., C, H, W)
        Both of the same kind, in the same units; leading dimensions broadcast.
    data_range : float
        Largest possible value minus the smallest: 1 for images in [0, 1]. There is no
        default, for a default that depends on the data would change the unit.

    Returns
    -------
    torch.Tensor or numpy.ndarray of shape (...)
        Decibels in float64, `inf` where image and reference are equal.

    Raises
    ------
    ValueError
        When the images have fewer than three dimensions or differ in shape, or the data
        range is not positive.

    Examples
    --------
    >>> import torch
    >>> from latentgeo.metrics import psnr
    >>> image, clean = torch.full((1, 1, 2, 2), 0.1), torch.zeros(1, 1, 2, 2)
    >>> psnr(image, clean, data_range=1.0).round(decimals=2)
    tensor([20.], dtype=torch.float64)
    """
    if not data_range > 0:
        raise ValueError(f"data_range is {data_range}, expected a positive number (1 for [0, 1])")
    if image.ndim < 3 or image.shape[-3:] != reference.shape[-3:]:
        raise ValueError(
            f"image has shape {tuple(image.shape)} and reference {tuple(reference.shape)}, "
            "expected (..., channels, rows, columns) with the same last three"
        )
    if isinstance(image, np.ndarray):
        return _psnr(to_tensor(image), to_tensor(reference), data_range).numpy()
    return _psnr(image, reference, data_range)


def _psnr(image: Tensor, reference: Tensor, data_range: float) -> Tensor:
    error = (image.double() - reference.double()).square().mean(dim=(-3, -2, -1))
    return 10 * torch.log10(data_range**2 / error)
