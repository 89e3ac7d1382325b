"""Intrinsic dimension of the set of latents, from each latent's nearest neighbours."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.analysis.omission import Omission, with_omissions
from latentgeo.analysis.settings import AnalysisSettings
from latentgeo.geometry import local_pca_dimension, point_distances, two_nn_dimension
from latentgeo.metrics import bootstrap_mean

ESTIMATORS = ("two-nn", "local-pca")
_NOTHING = (np.nan, np.nan, np.nan)


class _Estimate(NamedTuple):
    """Both estimates (value, low, high), TwoNN on half the latents, and what could not be done."""

    values: NDArray[np.float64]
    half: float
    points: int
    trouble: str


def intrinsic_variables(
    views: Mapping[str, Iterable[Tensor]], halves: Tensor, settings: AnalysisSettings
) -> xr.Dataset:
    """Estimate the dimension of the set of latents at every level, by two estimators.

    Points are the latents themselves, flattened, with Euclidean distances. "two-nn" reads the
    dimension from the ratio of each latent's two smallest distances, its interval is that of the
    likelihood; "local-pca" counts the directions that hold 95 % of the variance among each
    latent's nearest neighbours, averaged over images, with a bootstrap interval.

    Parameters
    ----------
    views : mapping of str to iterable over levels of torch.Tensor of shape (n, C, H, W)
        The latent, and a sample of the posterior where there is one, of the compared images.
    halves : torch.Tensor of shape (k, n // 2)
        Random halves of the images; the first one and its complement show how far "two-nn"
        depends on the number of images.
    settings : AnalysisSettings
        Neighbours and seed.

    Returns
    -------
    xarray.Dataset
        `intrinsic_dimension` and `intrinsic_dimension_ci`, `intrinsic_dimension_half` (TwoNN,
        mean over two disjoint halves), and `intrinsic_points`: latents that differ from all
        others, which are those that TwoNN rests on. NaN where there is no estimate; the attribute
        `omitted` says why.
    """
    found = [[_estimate(level, halves[0], settings) for level in view] for view in views.values()]
    values = np.stack([[one.values for one in view] for view in found])
    variables = xr.Dataset(
        {
            "intrinsic_dimension": (("view", "noise", "estimator"), values[..., 0]),
            "intrinsic_dimension_ci": (("view", "noise", "estimator", "bound"), values[..., 1:]),
            "intrinsic_dimension_half": (
                ("view", "noise"),
                np.array([[one.half for one in view] for view in found]),
            ),
            "intrinsic_points": (
                ("view", "noise"),
                np.array([[one.points for one in view] for view in found]),
            ),
        },
        coords={"view": list(views), "estimator": list(ESTIMATORS), "bound": ["low", "high"]},
    )
    troubles = {
        view: [one.trouble for one in levels] for view, levels in zip(views, found, strict=True)
    }
    return with_omissions(variables, _omissions(troubles))


def _estimate(latents: Tensor, half: Tensor, settings: AnalysisSettings) -> _Estimate:
    """Estimate the dimension of one set of latents (n, ...)."""
    distances = point_distances(latents)
    local = _local_pca(distances, settings)
    points = int(
        (distances + torch.diag(torch.full((len(distances),), torch.inf))).amin(1).gt(0).sum()
    )
    try:
        found = two_nn_dimension(distances, metric="precomputed")
    except ValueError as error:
        return _Estimate(np.array([_NOTHING, local]), np.nan, points, str(error))
    return _Estimate(np.array([found[:3], local]), _at_half(distances, half), points, "")


def _local_pca(distances: Tensor, settings: AnalysisSettings) -> tuple[float, float, float]:
    neighbours = min(settings.neighbours, len(distances) - 1)
    each = local_pca_dimension(distances, neighbours=neighbours, metric="precomputed").each
    mean, low, high = bootstrap_mean(each.numpy(), seed=settings.seed)
    return float(mean), float(low), float(high)


def _at_half(distances: Tensor, half: Tensor) -> float:
    """Give the mean TwoNN dimension of one half and of the others."""
    rest = torch.ones(len(distances), dtype=torch.bool)
    rest[half] = False
    try:
        found = [
            two_nn_dimension(distances[some][:, some], metric="precomputed").dimension
            for some in (half, rest)
        ]
    except ValueError:  # a half may hold too few distinct latents where the whole does not
        return np.nan
    return float(np.mean(found))


def _omissions(troubles: dict[str, list[str]]) -> list[Omission]:
    """Say once per view and reason where TwoNN has no estimate."""
    found = []
    for view, levels in troubles.items():
        for reason in dict.fromkeys(filter(None, levels)):
            count = levels.count(reason)
            where = "" if count == len(levels) else f" at {count} of {len(levels)} noise levels"
            what = "the sampled latents" if view == "sample" else "the latents"
            found.append(Omission(f"TwoNN dimension of {what}{where}", reason))
    return found
