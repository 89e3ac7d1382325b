"""Ranks of the unfoldings, their spectra, and what decides them."""

from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from latentgeo import processes
from latentgeo.analysis.settings import AnalysisSettings
from latentgeo.analysis.views import MODES, View
from latentgeo.datasets import seeded_normal
from latentgeo.geometry import (
    Stratification,
    default_tolerance,
    mode_ranks,
    mode_singular_values,
    rank_at_tolerance,
    stratification_of_spectra,
)

RankRule = Literal["spectrum", "float32-covariance"]
RANK_RULES: tuple[RankRule, ...] = ("spectrum", "float32-covariance")
_JITTER = 2  # the stream of these draws


class _Level(NamedTuple):
    """What one level of one view comes to, in arrays that begin with the images."""

    ranks: NDArray[np.int16]  # (rule, n, mode)
    spectra: NDArray[np.float64]  # (n, mode, component), NaN beyond the shorter ones
    counts: Tensor  # (mode, tolerance, rank), images that have the rank
    stratification: Stratification
    dead: int


def rank_variables(
    views: dict[str, View],
    sample: NDArray[np.int64],
    source_dtype: str,
    settings: AnalysisSettings,
) -> xr.Dataset:
    """Rank the three unfoldings of every latent, with the spectra beside the integers.

    Parameters
    ----------
    views : dict of str to View
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
    levels = next(iter(views.values())).levels
    each = processes.do_all(
        [
            partial(_measure, view, level, source_dtype, settings)
            for view in views.values()
            for level in range(levels)
        ],
        at_once=min(view.levels_at_once for view in views.values()),
    )
    found = [each[start : start + levels] for start in range(0, len(each), levels)]
    counts = torch.stack([torch.stack([one.counts for one in view]) for view in found])
    ends = [_quantile(counts, share) for share in (0.05, 0.95)]
    return xr.Dataset(
        {
            "rank": (
                ("rule", "view", "noise", "sample", "mode"),
                np.stack([[one.ranks for one in view] for view in found]).transpose(2, 0, 1, 3, 4),
            ),
            "singular_value": (
                ("view", "noise", "sample", "mode", "component"),
                np.stack([[one.spectra for one in view] for view in found]),
            ),
            "rank_at_tolerance": (("view", "noise", "mode", "tolerance"), _mean(counts).numpy()),
            "rank_at_tolerance_ci": (
                ("view", "noise", "mode", "tolerance", "bound"),
                torch.stack(ends, dim=-1).numpy(),
            ),
            "rank_with_jitter": (
                ("noise", "sample", "mode"),
                _ranks_with_jitter(next(iter(views.values())), sample, source_dtype, settings),
            ),
            "stratification": (
                ("view", "noise"),
                np.array(
                    [[one.stratification.verdict for one in view] for view in found], dtype=object
                ),
            ),
            "rank_in_doubt": (
                ("view", "noise"),
                np.array([[one.stratification.doubtful for one in view] for view in found]),
            ),
            "dead_channels": (
                ("view", "noise"),
                np.array([[one.dead for one in view] for view in found]),
            ),
        },
        coords={
            "rule": list(RANK_RULES),
            "view": list(views),
            "mode": list(MODES),
            "tolerance": list(settings.tolerances),
        },
    )


def _measure(view: View, level: int, source_dtype: str, settings: AnalysisSettings) -> _Level:
    """Rank the latents of one level, shard by shard."""
    shapes = _unfolded(view.shape)
    lengths = [min(shape) for shape in shapes]
    ranks = np.empty((len(RANK_RULES), view.samples, len(MODES)), dtype=np.int16)
    spectra = np.full((view.samples, len(MODES), max(lengths)), np.nan)
    counts = torch.zeros(len(MODES), len(settings.tolerances), 1 + max(lengths), dtype=torch.int64)
    lowest = torch.full((view.shape[0],), torch.inf, device=view.device)
    highest = -lowest
    for shard in view.shards():
        latents = view.read(level, shard)
        by_channel = latents.transpose(0, 1).flatten(1)
        lowest = torch.minimum(lowest, by_channel.amin(dim=-1))
        highest = torch.maximum(highest, by_channel.amax(dim=-1))
        values = mode_singular_values(latents, source_dtype=source_dtype)
        for place, rule in enumerate(RANK_RULES):
            found = mode_ranks(latents, rule, source_dtype=source_dtype, singular_values=values)
            ranks[place, shard] = found.cpu()
        for place, (length, value) in enumerate(zip(lengths, values, strict=True)):
            spectra[shard, place, :length] = value.cpu()
            above = rank_at_tolerance(value.cpu(), settings.tolerances)
            counts[place] += _counts(above, max(lengths))
    dead = lowest == highest
    floors = [default_tolerance(shape, source_dtype) for shape in shapes]
    kept = [torch.from_numpy(spectra[:, place, :k]) for place, k in enumerate(lengths)]
    strata = stratification_of_spectra(kept, floors)
    return _Level(ranks, spectra, counts, strata, int(dead.sum()))


def _unfolded(shape: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Give the shapes of the three unfoldings."""
    channels, rows, columns = shape
    return (rows, channels * columns), (columns, channels * rows), (channels, rows * columns)


def _counts(ranks: Tensor, highest: int) -> Tensor:
    """Count the images of each rank: (n, tolerance) to (tolerance, 1 + highest)."""
    tolerances = ranks.shape[1]
    cell = ranks + (1 + highest) * torch.arange(tolerances)
    return torch.bincount(cell.flatten(), minlength=tolerances * (1 + highest)).reshape(
        tolerances, -1
    )


def _mean(counts: Tensor) -> Tensor:
    """Give the mean rank of counts (..., rank)."""
    ranks = torch.arange(counts.shape[-1])
    return (counts * ranks).sum(-1).double() / counts.sum(-1)


def _quantile(counts: Tensor, share: float) -> Tensor:
    """Give a quantile of the ranks behind counts (..., rank), linear between neighbours."""
    place = share * (int(counts.flatten(0, -2)[0].sum()) - 1)
    below, above = (
        (counts.cumsum(-1) <= at).sum(-1).double() for at in (np.floor(place), np.ceil(place))
    )
    return torch.lerp(below, above, place - np.floor(place))


def _ranks_with_jitter(
    view: View, sample: NDArray[np.int64], source_dtype: str, settings: AnalysisSettings
) -> NDArray[np.int16]:
    """Rank the latents with a little noise added to them: what a density alone does to ranks."""
    reach = settings.jitter * _spread(view)
    ranks = np.empty((view.levels, view.samples, len(MODES)), dtype=np.int16)
    for shard in view.shards():
        noise = seeded_normal(
            tuple(view.shape), seed=settings.seed, indices=sample[shard], stream=_JITTER
        )
        for level in range(view.levels):
            latents = view.read(level, shard)
            jittered = latents + (reach * noise).to(latents)
            ranks[level, shard] = mode_ranks(jittered, source_dtype=source_dtype).cpu()
    return ranks


def _spread(view: View) -> float:
    """Give the standard deviation of all numbers of all levels, from those of the shards."""
    count, mean, squares = 0, 0.0, 0.0
    for level in range(view.levels):
        for shard in view.shards():
            values = view.read(level, shard).double()
            own, size = float(values.mean()), values.numel()
            gap, count = own - mean, count + size
            mean += gap * size / count
            squares += float((values - own).square().sum()) + gap**2 * size * (1 - size / count)
    return float(np.sqrt(squares / max(count - 1, 1)))
