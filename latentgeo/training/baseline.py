"""PSNR of a model, and of predicting the mean image."""

import torch
from torch import Tensor

from latentgeo.datasets import ImageDataset, ImageStream
from latentgeo.metrics import psnr

_BATCH = 1024
_CEILING_DB = 100.0


def psnr_in_decibels(images: Tensor, clean: Tensor) -> Tensor:
    """Measure PSNR per image, at most 100 dB, so that one perfect image keeps a mean finite.

    Parameters
    ----------
    images, clean : torch.Tensor of shape (b, C, H, W)
        In [0, 1].

    Returns
    -------
    torch.Tensor of shape (b,)
        Decibels, float64.
    """
    return psnr(images, clean, data_range=1.0).clamp(max=_CEILING_DB)


def mean_image_psnr(train: ImageDataset | ImageStream, validation: ImageDataset) -> float:
    """Return what predicting the mean training image reaches on the validation images.

    Parameters
    ----------
    train : ImageDataset or ImageStream
        Images; of a stream, those of the present epoch.
    validation : ImageDataset
        Images of the same shape.

    Returns
    -------
    float
        Mean over images, in dB.
    """
    total = torch.zeros(train.shape, dtype=torch.float64)
    for images, _ in train.batches(_BATCH):
        total += images.sum(dim=0, dtype=torch.float64)
    mean = (total / len(train)).float()
    each = [psnr_in_decibels(mean, images) for images, _ in validation.batches(_BATCH)]
    return float(torch.cat(each).mean())
