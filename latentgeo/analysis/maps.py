"""t-SNE maps of the embedded points under noise."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from torch import Tensor

from latentgeo import processes
from latentgeo.analysis.settings import AnalysisSettings

_PERPLEXITY = 30.0


def map_levels(levels: int, wanted: int) -> list[int]:
    """Choose which levels a map shows: the clean one, the highest, and some between them."""
    return sorted({round(place) for place in np.linspace(0, levels - 1, min(wanted, levels))})


def tsne_variables(
    gram: Tensor,
    noise: Sequence[float],
    compared: NDArray[np.int64],
    samples: int,
    settings: AnalysisSettings,
) -> xr.Dataset:
    """Draw t-SNE maps of the kernel distance, one per seed.

    Parameters
    ----------
    gram : torch.Tensor of shape (levels * m, levels * m)
        Product kernel over the compared latents of the chosen levels, level by level.
    noise : sequence of float
        The chosen levels.
    compared : numpy.ndarray of shape (m,)
        Positions of the compared images.
    samples : int
        Number of all images.
    settings : AnalysisSettings
        Seeds of the maps.

    Returns
    -------
    xarray.Dataset
        `tsne`, in arbitrary units and NaN for images that are not compared, and `tsne_divergence`
        (lower is a better map). Empty where there are too few points for a map.
    """
    points = len(gram)
    if points < 4 or not settings.tsne_seeds:
        return xr.Dataset()
    distances = _distances(gram)
    maps = processes.do_all([partial(_map, distances, seed) for seed in settings.tsne_seeds])
    places = np.full((len(maps), len(noise), samples, 2), np.nan)
    places[:, :, compared] = np.stack([found for found, _ in maps]).reshape(
        len(maps), len(noise), -1, 2
    )
    return xr.Dataset(
        {
            "tsne": (("tsne_seed", "tsne_noise", "sample", "axis"), places),
            "tsne_divergence": ("tsne_seed", np.array([divergence for _, divergence in maps])),
        },
        coords={"tsne_seed": list(settings.tsne_seeds), "tsne_noise": list(noise)},
    )


def _distances(gram: Tensor) -> NDArray[np.float64]:
    squares = gram.diagonal()
    squared = squares[:, None] + squares[None, :] - 2 * gram
    return squared.clamp_min(0).fill_diagonal_(0).sqrt().numpy()


def _map(distances: NDArray[np.float64], seed: int) -> tuple[NDArray[np.float64], float]:
    tsne = TSNE(
        metric="precomputed",
        init="random",
        perplexity=min(_PERPLEXITY, (len(distances) - 1) / 3),
        random_state=seed,
    )
    return tsne.fit_transform(distances), float(tsne.kl_divergence_)
