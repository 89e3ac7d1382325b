"""t-SNE maps of the embedded points under noise."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentgeo import processes
from latentgeo.latents import choose_images
from latentgeo.lazy import xr
from latentgeo.measures.embedding import gram_over_levels
from latentgeo.measures.encoding import Encoding
from latentgeo.measures.measure import FigureRow, Measure, Statement
from latentgeo.results import ModelResult
from latentgeo.settings import AnalysisSettings

_PERPLEXITY = 30.0
_STEPS = 500  # of digits, twice as many lower the divergence by 1 to 4 % at twice the time


def map_levels(levels: int, wanted: int) -> list[int]:
    """Return which levels a map shows: the clean one, the highest, and some between them."""
    return sorted({round(place) for place in np.linspace(0, levels - 1, min(wanted, levels))})


def compute(encoding: Encoding) -> xr.Dataset:
    """Compute the t-SNE maps of some of the compared latents at a few levels."""
    settings, reader = encoding.settings, encoding.few["mean"]
    if not settings.tsne_seeds:
        return xr.Dataset()
    levels = map_levels(reader.levels, settings.tsne_levels)
    shown = choose_images(reader.samples, settings.tsne_images, settings.seed)
    grams = encoding.embeddings[0].grams.of(torch.from_numpy(shown))
    gram = gram_over_levels(reader.take(shown), grams, levels, encoding.source_dtype, settings)
    noise = [float(encoding.latents["noise"].values[level]) for level in levels]
    return tsne_variables(gram, noise, encoding.compared[shown], encoding.samples, settings)


def tsne_variables(
    gram: Tensor,
    noise: Sequence[float],
    shown: NDArray[np.int64],
    samples: int,
    settings: AnalysisSettings,
) -> xr.Dataset:
    """Compute t-SNE maps of the kernel distance, one per seed.

    Parameters
    ----------
    gram : torch.Tensor of shape (levels * m, levels * m)
        Product kernel over the latents that are shown, of the chosen levels, level by level.
    noise : sequence of float
        The chosen levels.
    shown : numpy.ndarray of shape (m,)
        Positions of the images that the maps show.
    samples : int
        Number of all images.
    settings : AnalysisSettings
        Seeds of the maps.

    Returns
    -------
    xarray.Dataset
        `tsne`, in arbitrary units and NaN for images that are not shown, and `tsne_divergence`
        (lower is a better map). Empty where there are too few points for a map.
    """
    points = len(gram)
    if points < 4 or not settings.tsne_seeds:
        return xr.Dataset()
    distances = _distances(gram)
    maps = processes.do_all([partial(_map, distances, seed) for seed in settings.tsne_seeds])
    places = np.full((len(maps), len(noise), samples, 2), np.nan)
    places[:, :, shown] = np.stack([found for found, _ in maps]).reshape(
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
    from sklearn.manifold import TSNE  # slow to import

    tsne = TSNE(
        metric="precomputed",
        init="random",
        perplexity=min(_PERPLEXITY, (len(distances) - 1) / 3),
        max_iter=_STEPS,
        random_state=seed,
    )
    return tsne.fit_transform(distances), float(tsne.kl_divergence_)


def _rules(model: ModelResult) -> dict[str, Any]:
    if "tsne" not in model.data:
        return {}
    return {
        "seeds of the t-SNE maps": model.data["tsne_seed"].values.tolist(),
        "noise in the t-SNE maps": model.data["tsne_noise"].values.tolist(),
    }


MEASURE = Measure(
    "tsne",
    compute,
    Statement(
        "neither",
        "none: maps of several seeds are shown side by side",
        "one t-SNE per seed, of at most `tsne_images` images at a few levels",
    ),
    heading="Maps",
    rules=_rules,
    presentation=("tsne_seeds", "tsne_images", "tsne_levels"),
    figures=(
        FigureRow(
            "tsne",
            "latentgeo.figures.tsne:TsneDisplay",
            "t-SNE of the points",
            "t-SNE on the product distance of a subset of the images: the same map coloured "
            "by noise level (left) and by class (right, all levels together), for several seeds; "
            "KL is the divergence that t-SNE minimised. Colours repeat after ten classes.",
            "Trust only what all seeds show; distances between clusters and their sizes carry no "
            "meaning in t-SNE.",
        ),
    ),
)
