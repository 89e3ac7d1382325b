"""Has the model learned at all? PSNR against noise, and against the mean image."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from latentgeo.metrics import bootstrap_mean, judge_learned, psnr

_BATCH = 4096


class Quality(NamedTuple):
    """PSNR variables, and whether the model has learned, with the evidence."""

    variables: xr.Dataset
    learned: bool
    evidence: str


class Images(Protocol):
    """An array of images (n, C, H, W), or what gives slices of it."""

    def __len__(self) -> int: ...
    def __getitem__(self, images: slice, /) -> NDArray[np.float32]: ...


def mean_image_psnr(images: Images) -> NDArray[np.floating]:
    """Give the PSNR in dB of the images' own mean as a reconstruction of each: (n,).

    Parameters
    ----------
    images : numpy.ndarray of shape (n, C, H, W), or what gives slices of it
        In [0, 1], float32. Read some at a time, twice.
    """
    mean = _weighted_mean(images[some] for some in _batches(len(images)))
    decibels = []
    for some in _batches(len(images)):
        batch = images[some]
        repeated = np.broadcast_to(mean, batch.shape).copy()
        decibels.append(psnr(repeated, batch, data_range=1.0))
    return np.concatenate(decibels)


def _weighted_mean(batches: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Give the mean image of batches that may differ in size."""
    total, count = np.zeros(()), 0
    for batch in batches:
        total = total + batch.mean(axis=0) * np.float64(len(batch))
        count += len(batch)
    return (total / count).astype(np.float32)


def _batches(count: int) -> list[slice]:
    return [slice(start, min(start + _BATCH, count)) for start in range(0, count, _BATCH)]


def measure_quality(
    decibels: xr.DataArray, baseline: NDArray[np.floating], *, seed: int
) -> Quality:
    """Summarise PSNR per noise level, and compare the clean one with the mean image.

    Parameters
    ----------
    decibels : xarray.DataArray with dimensions (noise, sample)
        PSNR per image, in dB; the first level is the clean one.
    baseline : numpy.ndarray of shape (n,)
        PSNR of the mean image on the same images, in dB.
    seed : int
        Seeds the bootstrap over images.

    Returns
    -------
    Quality
        Whether the model has learned is judged by `latentgeo.metrics.judge_learned`.
    """
    interval = bootstrap_mean(decibels.values, seed=seed)
    learned, gain = judge_learned(decibels.values[0], baseline, seed=seed)
    variables = xr.Dataset(
        {
            "psnr": decibels,
            "psnr_mean": ("noise", interval.mean),
            "psnr_ci": (("noise", "bound"), np.stack([interval.low, interval.high], axis=-1)),
            "psnr_baseline_mean": ((), baseline.mean()),
            "psnr_gain": ((), gain.mean),
            "psnr_gain_ci": ("bound", np.stack([gain.low, gain.high])),
        }
    )
    evidence = (
        f"its reconstructions reach {interval.mean[0]:.1f} dB, the mean image "
        f"{baseline.mean():.1f} dB: a gain of {gain.mean:.1f} dB "
        f"[{gain.low:.1f}, {gain.high:.1f}] per image"
    )
    return Quality(variables, learned, evidence)
