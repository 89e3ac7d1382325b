"""Ranks of the unfoldings, their spectra, and what decides them."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.analysis.settings import AnalysisSettings
from latentgeo.datasets import seeded_normal
from latentgeo.geometry import (
    Stratification,
    default_tolerance,
    mode_ranks,
    mode_singular_values,
    rank_at_tolerance,
    stratification_of_spectra,
)

MODES = ("S1", "S2", "S3")
RankRule = Literal["spectrum", "float32-covariance"]
RANK_RULES: tuple[RankRule, ...] = ("spectrum", "float32-covariance")
_JITTER = 2  # the stream of these draws


def rank_variables(
    views: dict[str, Tensor],
    sample: NDArray[np.int64],
    source_dtype: str,
    settings: AnalysisSettings,
) -> xr.Dataset:
    """Rank the three unfoldings of every latent, with the spectra beside the integers.

    Parameters
    ----------
    views : dict of str to torch.Tensor of shape (noise, n, C, H, W)
        The latent, and a sample of the posterior where there is one.
    sample : numpy.ndarray of shape (n,)
        Original numbers of the images; they seed the jitter.
    source_dtype : str
        What the latents were computed in; it sets the default tolerance.
    settings : AnalysisSettings
        Tolerances and jitter.

    Returns
    -------
    xarray.Dataset
        `rank`, `singular_value`, `rank_at_tolerance` with its 5 to 95 % band over images,
        `rank_with_jitter`, `dead_channels`, and `stratification`: whether the ranks lie on one
        stratum or on several clear of the noise floor, with the share of images `in_doubt`.
    """
    latents = torch.stack(list(views.values()))
    spectra = mode_singular_values(latents, source_dtype=source_dtype)
    curve = torch.stack([rank_at_tolerance(s, settings.tolerances) for s in spectra], dim=-2)
    band = torch.quantile(curve.double(), torch.tensor([0.05, 0.95]).double(), dim=2)
    strata = _stratifications(spectra, latents, source_dtype)
    jittered = _jitter(next(iter(views.values())), sample, settings)
    return xr.Dataset(
        {
            "rank": (
                ("rule", "view", "noise", "sample", "mode"),
                np.stack([_ranks(latents, rule, source_dtype) for rule in RANK_RULES]),
            ),
            "singular_value": (
                ("view", "noise", "sample", "mode", "component"),
                torch.stack(_padded(spectra), dim=-2).numpy(),
            ),
            "rank_at_tolerance": (
                ("view", "noise", "mode", "tolerance"),
                curve.double().mean(dim=2).numpy(),
            ),
            "rank_at_tolerance_ci": (
                ("view", "noise", "mode", "tolerance", "bound"),
                band.movedim(0, -1).numpy(),
            ),
            "rank_with_jitter": (
                ("noise", "sample", "mode"),
                _ranks(jittered, "spectrum", source_dtype),
            ),
            "stratification": (
                ("view", "noise"),
                np.array([[found.verdict for found in view] for view in strata], dtype=object),
            ),
            "rank_in_doubt": (
                ("view", "noise"),
                np.array([[found.doubtful for found in view] for view in strata]),
            ),
            "dead_channels": (("view", "noise"), _dead_channels(latents).numpy()),
        },
        coords={
            "rule": list(RANK_RULES),
            "view": list(views),
            "mode": list(MODES),
            "tolerance": list(settings.tolerances),
        },
    )


def _ranks(latents: Tensor, rule: RankRule, source_dtype: str) -> NDArray[np.int16]:
    return mode_ranks(latents, rule, source_dtype=source_dtype).numpy().astype(np.int16)


def _stratifications(
    spectra: Sequence[Tensor], latents: Tensor, source_dtype: str
) -> list[list[Stratification]]:
    """Judge the latents of every view and level: one stratum, several, or not to be decided."""
    channels, rows, columns = latents.shape[-3:]
    shapes = ((rows, channels * columns), (columns, channels * rows), (channels, rows * columns))
    floors = [default_tolerance(shape, source_dtype) for shape in shapes]
    return [
        [
            stratification_of_spectra([mode[view, level] for mode in spectra], floors)
            for level in range(latents.shape[1])
        ]
        for view in range(len(latents))
    ]


def _padded(spectra: Sequence[Tensor]) -> list[Tensor]:
    """Bring the three spectra to one length with NaN."""
    longest = max(spectrum.shape[-1] for spectrum in spectra)
    return [
        torch.nn.functional.pad(spectrum, (0, longest - spectrum.shape[-1]), value=torch.nan)
        for spectrum in spectra
    ]


def _jitter(latent: Tensor, sample: NDArray[np.int64], settings: AnalysisSettings) -> Tensor:
    """Add a little noise to the latent itself: what a density alone does to the ranks."""
    noise = seeded_normal(
        tuple(latent.shape[2:]), seed=settings.seed, indices=sample, stream=_JITTER
    )
    return latent + settings.jitter * latent.std() * noise.to(latent)


def _dead_channels(latents: Tensor) -> Tensor:
    """Count the channels that never vary over images and positions: (view, noise)."""
    by_channel = latents.movedim(-3, 2).flatten(3)
    return (by_channel.amax(dim=-1) == by_channel.amin(dim=-1)).sum(dim=-1)
