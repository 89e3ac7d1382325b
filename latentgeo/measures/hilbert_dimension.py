"""How many dimensions the latents take in the kernel's space."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.geometry import dimension_by_size, gram_dimension
from latentgeo.measures.embedding import CENTRINGS, Embedding
from latentgeo.measures.encoding import Encoding
from latentgeo.measures.latents import SHARES
from latentgeo.measures.measure import FigureRow, Measure, Metric, Statement, by_level, on_both
from latentgeo.metrics import jackknife_interval
from latentgeo.results import (
    Column,
    ModelResult,
    Omission,
    Readout,
    Table,
    table_of,
    with_omissions,
)
from latentgeo.settings import AnalysisSettings

_SUBSAMPLES = 5
DIMENSION = Readout(
    "hilbert_dimension",
    "hilbert_dimension",
    "hilbert_dimension_ci",
    at={"part": "product", "centring": "centred", "share": 0.95},
)
_NO_KERNEL = Omission(
    "the pseudo-log kernel",
    "it compares covariances of unfoldings; dimension and angles of a vector use the numbers "
    "themselves (a linear kernel)",
)


def compute(encoding: Encoding) -> xr.Dataset:
    """Compute the dimensions of the embedded latents at every level."""
    found = dimension_variables(
        encoding.embeddings, encoding.samples, encoding.halves, encoding.settings
    )
    return with_omissions(found, [] if encoding.tensors else [_NO_KERNEL])


def dimension_variables(
    embeddings: Sequence[Embedding], samples: int, halves: Tensor, settings: AnalysisSettings
) -> xr.Dataset:
    """Count the dimensions that hold 90, 95 and 99 % of the energy of the embedded latents.

    Parameters
    ----------
    embeddings : sequence over views of Embedding
        From `embed`.
    samples : int
        Number of all images.
    halves : torch.Tensor of shape (k, m // 2)
        Halves of the compared images behind the intervals (`draw_halves`).
    settings : AnalysisSettings
        Sample sizes of the curve.

    Returns
    -------
    xarray.Dataset
        `hilbert_dimension`, `hilbert_dimension_by_size` and their intervals. The interval is
        cut to what is possible: from 1 to one less than the number of images. Where not all
        images are compared, the curve ends with the dimension of all.
    """
    parts = embeddings[0].parts
    dimension = torch.stack([view.dimension for view in embeddings])
    products = torch.stack([view.grams.within for view in embeddings])
    whole = dimension[:, :, parts.index("product"), :, CENTRINGS.index("centred")]
    halved = _dimensions_of_subsets(products, halves).movedim(-2, -1)
    low, high = jackknife_interval(whole.numpy(), halved.numpy())
    interval = np.stack([low, high], axis=-1).clip(1, max(samples - 1, 1))
    compared = products.shape[-1]
    sizes = sorted({max(2, round(compared * fraction)) for fraction in settings.size_fractions})
    mean, band = _by_size(products, sizes, settings)
    if compared < samples:
        last = whole.double().numpy()[:, :, None]
        sizes = [*sizes, samples]
        mean = np.concatenate([mean, last], axis=2)
        band = np.concatenate([band, np.stack([last, last], axis=-1)], axis=2)
    return xr.Dataset(
        {
            "hilbert_dimension": (
                ("view", "noise", "part", "share", "centring"),
                dimension.numpy(),
            ),
            "hilbert_dimension_ci": (("view", "noise", "share", "bound"), interval),
            "hilbert_dimension_by_size": (("view", "noise", "size", "share"), mean),
            "hilbert_dimension_by_size_ci": (("view", "noise", "size", "share", "bound"), band),
        },
        coords={
            "part": list(parts),
            "share": list(SHARES),
            "centring": list(CENTRINGS),
            "size": sizes,
            "bound": ["low", "high"],
        },
    )


def _dimensions_of_subsets(gram: Tensor, subsets: Tensor) -> Tensor:
    """Return centred dimensions (..., k, share) of subsets (k, m) of Gram matrices (..., n, n)."""
    # One subset at a time: all of them together would need k times the memory.
    return torch.stack(
        [
            gram_dimension(gram[..., subset[:, None], subset], SHARES, centred=True)
            for subset in subsets
        ],
        dim=-2,
    )


def _by_size(
    products: Tensor, sizes: list[int], settings: AnalysisSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Follow the dimension over growing samples: mean, and 95 % band over subsamples."""
    curves = [
        [
            dimension_by_size(gram, sizes, SHARES, resamples=_SUBSAMPLES, seed=settings.seed)
            for gram in view
        ]
        for view in products
    ]
    mean = np.stack([np.stack([curve.mean for curve in view]) for view in curves])
    ends = [[np.stack([curve.low, curve.high], axis=-1) for curve in view] for view in curves]
    return mean, np.stack([np.stack(view) for view in ends])


def _entry(view: ModelResult) -> dict[str, Any]:
    shares = view.data["share"].values
    return {
        "hilbert_dimension": by_level(
            view,
            lambda level: {f"{share:.2f}": _json(view, level, float(share)) for share in shares},
        )
    }


def _json(view: ModelResult, level: float, share: float) -> dict[str, Any]:
    found = view.estimate(DIMENSION, level, share=share).to_json()
    return {**found, "value": int(found["value"])}


def _sentences(model: ModelResult) -> list[str]:
    view = model.views[0]
    noisiest = view.levels[-1]
    clean, last = (_with_unit(view, level) for level in (0.0, noisiest))
    ceiling = view.data.sizes["sample"] - 1
    return [
        f"95 % of the embedding's variance lies in {clean} dimensions on clean images and "
        f"{last} at noise {noisiest:g} (at most {ceiling} with so many images)."
    ]


def _with_unit(view: ModelResult, level: float) -> str:
    found = view.estimate(DIMENSION, level)
    return f"{found.value:g} [{found.low:.0f}, {found.high:.0f}]"


def _points(model: ModelResult, noisy: str) -> list[str]:
    return [_point(view, noisy) for view in model.views]


def _point(view: ModelResult, noisy: str) -> str:
    text = f"Hilbert dimension of the {view.what} (95 % of the variance): "
    text += f"{view.estimate(DIMENSION).text(0)} clean"
    if view.noisy is not None:
        text += f", {view.estimate(DIMENSION, view.noisy).text(0)} at {noisy}"
    return f"{text}; at most {view.data.sizes['sample'] - 1} with so many images."


def _glance(noisy: str) -> Sequence[Column]:
    return on_both("Dimension", noisy, lambda view, level: view.estimate(DIMENSION, level).text(0))


def _at_share(share: float) -> Column:
    return Column(
        f"Dimension, {100 * share:.0f} %",
        lambda view, level: view.estimate(DIMENSION, level, share=share).text(0),
    )


def _card(view: ModelResult, level: float) -> list[Metric]:
    found = view.estimate(DIMENSION, level)
    return [Metric("hilbert_dimension_95", "Hilbert dimension", found, 0)]


def _tables(models: Sequence[ModelResult], noisy: str) -> list[Table]:
    """Return the table of whether the dimension still grows with the number of images."""
    columns = (
        Column("Model", lambda view: view.label),
        Column("Dimension at fewer images", lambda view: _at_size(view, _half(view))),
        Column("At all images", lambda view: _at_size(view, -1)),
        Column("Highest possible", lambda view: str(int(view.data["size"].values[-1]) - 1)),
        Column(
            "Uncentred",
            lambda view: f"{view.estimate(DIMENSION, centring='uncentred').value:.0f}",
        ),
    )
    return [
        table_of(
            "Does the dimension depend on the number of images?",
            columns,
            [(view,) for model in models for view in model.views],
            "95 % of the variance, clean images. A dimension that still climbs measures the sample "
            "as much as the model.",
            section="controls",
        )
    ]


def _half(view: ModelResult) -> int:
    """Return the index of the largest subset of up to half the images."""
    sizes = view.data["size"].values
    return max((at for at, size in enumerate(sizes) if size <= sizes[-1] / 2), default=0)


def _at_size(view: ModelResult, at: int) -> str:
    clean = view.at(0.0).sel(share=0.95, method="nearest")
    size = int(clean["size"].values[at])
    return f"{float(clean['hilbert_dimension_by_size'].values[at]):.0f} (at {size} images)"


def _rules(model: ModelResult) -> dict[str, Any]:
    return {f"kernel of {model.attrs['latent_kind']}s": model.attrs["kernel"]}


def _card_notes(model: ModelResult) -> list[str]:
    return [
        f"Hilbert dimension: holds 95 % of the variance under the {model.attrs['kernel']} kernel; "
        f"at most {model.data.sizes['sample'] - 1} with so many images."
    ]


MEASURE = Measure(
    "hilbert_dimension",
    compute,
    Statement(
        "neither",
        "delete-half jackknife over images, about the value at this number of images",
        "one eigenproblem of the smaller of n and the kernel's features a level",
        ("image order", "mirroring"),
    ),
    readouts=(DIMENSION,),
    view_entry=_entry,
    sentences=_sentences,
    points=_points,
    glance=_glance,
    glance_note="Dimension: 95 % of the variance, in the pseudo-log kernel for tensors and of "
    "the vectors themselves (a linear kernel) for vectors.",
    by_level=tuple(_at_share(share) for share in SHARES),
    tables=_tables,
    card=_card,
    card_notes=_card_notes,
    rules=_rules,
    figures=(
        FigureRow(
            "noise_curves",
            "latentgeo.figures.noise_curves:NoiseCurvesDisplay",
            "Hilbert dimension and PSNR against the noise",
            "Left: dimension of the Hilbert embedding that holds 95 % of the variance, band: 95 % "
            "interval (delete-half jackknife over images). Right: mean PSNR against the clean "
            "image, band: 95 % bootstrap interval over images; dotted: predicting the mean image. "
            "Counterpart of the paper's figure 4.",
            "A flat line means that noise does not change the quantity; a PSNR at the dotted line "
            "means that the model tells no more than the mean image.",
        ),
        FigureRow(
            "hilbert_dimension_by_size",
            "latentgeo.figures.saturation:HilbertDimensionBySizeDisplay",
            "Does the Hilbert dimension saturate?",
            "Hilbert dimension (95 % of the variance) against the number of images, mean and range "
            "over random subsets, clean and at {noisy}; dotted: the highest value possible.",
            "A curve that still climbs at its right end measures the sample size as much as the "
            "model; only a level curve is a dimension.",
        ),
    ),
    meanings={
        "Hilbert dimension": "Each latent is mapped to a Hilbert space by a kernel that keeps "
        "distances; the dimension is the fewest principal directions that hold 95 % of the "
        "variance of the images there. It can be no larger than the number of images less one. "
        "Neither high nor low is better. The pseudo-log distance jumps where the rank changes: "
        "latents "
        "on two strata stay apart however close they come, so a change of stratum alone moves "
        "dimension and angles."
    },
)
