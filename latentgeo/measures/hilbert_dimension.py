"""How many dimensions the latents take in the kernel's space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentgeo.geometry import Settling, dimension_settling, mode_names
from latentgeo.lazy import xr
from latentgeo.measures.embedding import CENTRINGS, Embedding
from latentgeo.measures.encoding import Encoding
from latentgeo.measures.latents import SHARES, SMALL, kernel_used, mode_traces
from latentgeo.measures.measure import (
    FigureRow,
    Measure,
    Metric,
    Statement,
    Tile,
    by_level,
    on_both,
    on_each,
)
from latentgeo.metrics import bootstrap_mean
from latentgeo.results import (
    Column,
    ModelResult,
    Omission,
    Readout,
    Table,
    plain,
    table_of,
    with_omissions,
)
from latentgeo.results.words import NONE, number, with_interval

_GROUPS = 20
_DOMINATES = 0.5
_SIZES = ("At a quarter of the images", "At half", "At all")
DIMENSION = Readout(
    "hilbert_dimension",
    "hilbert_dimension",
    "hilbert_dimension_ci",
    of="at this n",
    settled="hilbert_dimension_settled",
    bounded="\N{GREATER-THAN OR EQUAL TO} ",
    at={"part": "product", "centring": "centred", "share": 0.95},
)
SCALE = Readout("latent_scale", "covariance_trace", "covariance_trace_ci", at={"mode": -1})
_NO_KERNEL = Omission(
    "kernels of covariances",
    "they compare covariances of unfoldings; for vector latents, dimension and angles use a "
    "linear kernel",
)


def compute(encoding: Encoding) -> xr.Dataset:
    """Compute the dimensions of the embedded latents at every level, and what the kernel sees."""
    found = dimension_variables(encoding.embeddings, encoding.samples, encoding.settings.seed)
    if not encoding.tensors:
        return with_omissions(found, [_NO_KERNEL])
    if kernel_used(encoding.readers["mean"].shape, encoding.settings) == "linear":
        return found
    return found.merge(_scales(encoding))


def dimension_variables(embeddings: Sequence[Embedding], samples: int, seed: int) -> xr.Dataset:
    """Count the dimensions that hold 90, 95 and 99 % of the energy of the embedded latents.

    Parameters
    ----------
    embeddings : sequence over views of Embedding
        From `embed`.
    samples : int
        Number of all images.
    seed : int
        Draws the subsamples.

    Returns
    -------
    xarray.Dataset
        `hilbert_dimension`; `hilbert_dimension_ci`, what samples of this size have on average, cut
        to what is possible; `hilbert_dimension_by_size`, between integers, at a quarter and half of
        the compared images and at all images; `hilbert_dimension_settled`, the word on it;
        `hilbert_dimension_population` with its interval, NaN where it has not settled; and
        `small_eigenvalue_share`.
    """
    parts = embeddings[0].parts
    dimension = torch.stack([view.dimension for view in embeddings])
    followed = [
        [_follow(gram, at_all, samples, seed) for gram, at_all in _levels(view)]
        for view in embeddings
    ]

    def of_each(*names: str) -> Any:
        values = [
            [[[getattr(one, name) for name in names] for one in level] for level in view]
            for view in followed
        ]
        return np.array(values)

    most = max(samples - 1, 1)
    ends = np.ceil(of_each("low", "high").clip(0, most))
    words = of_each("word")[..., 0].astype(object)
    by_share = ("view", "noise", "share")
    return xr.Dataset(
        {
            "hilbert_dimension": (
                ("view", "noise", "part", "share", "centring"),
                dimension.numpy(),
            ),
            "hilbert_dimension_ci": ((*by_share, "bound"), ends),
            "hilbert_dimension_settled": (by_share, words),
            "hilbert_dimension_by_size": (
                (*by_share, "size"),
                of_each("values")[..., 0, :],
            ),
            "hilbert_dimension_population": (by_share, of_each("extrapolated")[..., 0]),
            "hilbert_dimension_population_ci": (
                (*by_share, "bound"),
                of_each("population_low", "population_high"),
            ),
            "small_eigenvalue_share": (
                ("view", "noise", "part"),
                torch.stack([view.small for view in embeddings]).numpy(),
            ),
        },
        coords={
            "part": list(parts),
            "share": list(SHARES),
            "centring": list(CENTRINGS),
            "size": list(followed[0][0][0].sizes),
            "bound": ["low", "high"],
        },
    )


def _levels(view: Embedding) -> list[tuple[Tensor, Tensor]]:
    return list(zip(view.grams.within, view.interpolated, strict=True))


def _follow(gram: Tensor, at_all: Tensor, samples: int, seed: int) -> list[Settling]:
    """Follow the dimension at each share, from some of the compared images to all images."""
    whole = samples, at_all.tolist()
    groups = min(_GROUPS, len(gram))
    return dimension_settling(gram, SHARES, whole=whole, groups=groups, seed=seed)


def _scales(encoding: Encoding) -> xr.Dataset:
    """Compute the traces that covariances are divided by, over the compared images."""
    traces = [
        [list(mode_traces(latents).values()) for latents in encoding.levels_of(reader)]
        for reader in encoding.few.values()
    ]
    modes = list(mode_names(len(encoding.readers["mean"].shape)))
    values = torch.stack([torch.stack([torch.stack(level) for level in view]) for view in traces])
    found = bootstrap_mean(values.numpy(), seed=encoding.settings.seed)
    return xr.Dataset(
        {
            "covariance_trace": (("view", "noise", "mode"), found.mean),
            "covariance_trace_ci": (
                ("view", "noise", "mode", "bound"),
                np.stack([found.low, found.high], axis=-1),
            ),
        },
        coords={"mode": modes, "bound": ["low", "high"]},
    )


def _entry(view: ModelResult) -> dict[str, Any]:
    shares = view.data["share"].values
    found: dict[str, Any] = {
        "hilbert_dimension": by_level(
            view,
            lambda level: {f"{share:.2f}": _json(view, level, float(share)) for share in shares},
        )
    }
    if np.isfinite(view.data["small_eigenvalue_share"]).any():
        found["small_eigenvalue_share"] = by_level(view, lambda level: _small_by_part(view, level))
    if SCALE.value in view.data:
        found["latent_scale"] = by_level(
            view,
            lambda level: {
                mode: view.estimate(SCALE, level, mode=mode).to_json() for mode in view.modes
            },
        )
    return found


_FOLLOWED = [
    "hilbert_dimension_by_size",
    "hilbert_dimension_population",
    "hilbert_dimension_population_ci",
]


def _json(view: ModelResult, level: float, share: float) -> dict[str, Any]:
    found = view.estimate(DIMENSION, level, share=share)
    there = view.at(level)[_FOLLOWED].sel(share=share, method="nearest")
    sizes, values = there["size"].values, there["hilbert_dimension_by_size"].values
    return {
        **found.to_json(),
        "value": int(found.value),
        "ci95_of": found.of,
        "by_images": {str(size): plain(value) for size, value in zip(sizes, values, strict=True)},
        "of_the_population": {
            "value": plain(there["hilbert_dimension_population"]),
            "ci95": plain(there["hilbert_dimension_population_ci"]),
        },
    }


def _small_by_part(view: ModelResult, level: float) -> dict[str, Any]:
    values = view.at(level)["small_eigenvalue_share"]
    return {str(part): plain(values.sel(part=part)) for part in values["part"].values}


def _sentences(model: ModelResult) -> list[str]:
    view = model.views[0]
    noisiest = view.levels[-1]
    clean, last = (view.estimate(DIMENSION, level).text(0) for level in (0.0, noisiest))
    ceiling = view.data.sizes["sample"] - 1
    return [
        f"95 % of the embedding's variance ({view.attrs['kernel']} kernel) lies in {clean} "
        f"dimensions on clean images and {last} at noise {noisiest:g} (upper bound n − 1 = "
        f"{ceiling}; intervals at this n).",
        *_noise_floor(view),
    ]


def _noise_floor(view: ModelResult) -> list[str]:
    """Warn where the kernel compares mostly what lies next to the noise floor."""
    share = _small(view, 0.0)
    if not share > _DOMINATES:
        return []
    return [
        f"Under this kernel {100 * share:.0f} % of the variance comes from eigenvalues under "
        f"{SMALL:g} of the largest: dimension and angles mostly compare directions next to the "
        "noise floor."
    ]


def _small(view: ModelResult, level: float) -> float:
    return float(view.at(level)["small_eigenvalue_share"].sel(part="product"))


def _points(model: ModelResult, noisy: str) -> list[str]:
    return [_point(view, noisy) for view in model.views]


def _point(view: ModelResult, noisy: str) -> str:
    text = f"Hilbert dimension of the {view.what} (95 % of the variance): "
    text += f"{view.estimate(DIMENSION).text(0)} clean"
    if view.noisy is not None:
        text += f", {view.estimate(DIMENSION, view.noisy).text(0)} at {noisy}"
    return f"{text}; upper bound n − 1 = {view.data.sizes['sample'] - 1}."


def _glance(noisy: str) -> Sequence[Column]:
    return [on_both("Dimension", lambda view, level: view.estimate(DIMENSION, level).text(0))]


def _tiles(model: ModelResult, models: Sequence[ModelResult]) -> Sequence[Tile]:
    found = model.views[0].estimate(DIMENSION)
    most = f"upper bound n − 1 = {model.data.sizes['sample'] - 1}"
    if found.settled not in ("", "settled"):
        return [Tile("Dimension", "not settled", f"{found.text(0)}, {most}", "open")]
    interval = found.text(0).partition(" ")[2]
    return [Tile("Dimension", number(found.value, 0), interval or most, estimate=found)]


def _at_share(share: float) -> Column:
    return Column(
        f"Dimension, {100 * share:.0f} %",
        lambda view, level: view.estimate(DIMENSION, level, share=share).text(0),
    )


def _card(view: ModelResult, level: float) -> list[Metric]:
    found = view.estimate(DIMENSION, level)
    return [Metric("hilbert_dimension_95", "Hilbert dimension", found, 0)]


def _tables(models: Sequence[ModelResult], noisy: str) -> list[Table]:
    """Return the tables of whether the dimension has settled, and of what the kernel compares."""
    views = [view for model in models for view in model.views]
    settled = table_of(
        "Does the dimension depend on the number of images?",
        (
            Column("Model", lambda view: view.label),
            *(Column(head, _at_size(at)) for at, head in enumerate(_SIZES)),
            Column("Verdict", lambda view: view.estimate(DIMENSION).settled or NONE),
            Column("Population value", _population),
            Column("Upper bound", lambda view: str(view.data.sizes["sample"] - 1)),
            Column(
                "Uncentred",
                lambda view: f"{view.estimate(DIMENSION, centring='uncentred').value:.0f}",
            ),
        ),
        [(view,) for view in views],
        "95 % of the variance, clean images, interpolated between integers; settled: from half of "
        "the compared images to all images it changed by less than 5 %. A dimension that has not "
        "settled reflects the sample as much as the model, and no population value is given.",
        section="controls",
    )
    compared = [view for view in views if SCALE.value in view.data]
    return [settled, *([_kernel_table(compared, noisy)] if compared else [])]


def _kernel_table(views: Sequence[ModelResult], noisy: str) -> Table:
    return table_of(
        "What the kernel compares",
        (
            Column("Model", lambda view: view.label),
            Column("Kernel", lambda view: view.attrs["kernel"]),
            *on_each("Next to the noise floor", noisy, _small_text),
            *on_each(
                "Trace of the channels", noisy, lambda view, at: view.estimate(SCALE, at).text(3)
            ),
        ),
        [(view,) for view in views],
        "Next to the noise floor: share of the variance of the kernel's features that comes from "
        f"eigenvalues under {SMALL:g} of the largest; above one half, dimension and angles mostly "
        "compare these. Covariances are divided by their trace, the scale of the latents, before "
        "they are compared: its mean over images, with a bootstrap interval.",
        section="controls",
    )


def _small_text(view: ModelResult, level: float) -> str:
    share = _small(view, level)
    return NONE if np.isnan(share) else f"{round(100 * share)} %"


def _population(view: ModelResult) -> str:
    there = view.at(0.0).sel(share=0.95, method="nearest")
    if "hilbert_dimension_population" not in there:  # an older analysis
        return NONE
    ends = there["hilbert_dimension_population_ci"].values.tolist()
    return with_interval(float(there["hilbert_dimension_population"]), ends)


def _at_size(at: int) -> Any:
    def text(view: ModelResult) -> str:
        clean = view.at(0.0).sel(share=0.95, method="nearest").isel(size=at)
        return f"{float(clean['hilbert_dimension_by_size']):.1f} ({int(clean['size'])} images)"

    return text


def _rules(model: ModelResult) -> dict[str, Any]:
    return {f"kernel of {model.attrs['latent_kind']}s": model.attrs["kernel"]}


def _card_notes(model: ModelResult) -> list[str]:
    return [
        f"Hilbert dimension: holds 95 % of the variance under the {model.attrs['kernel']} kernel; "
        f"upper bound n − 1 = {model.data.sizes['sample'] - 1}."
    ]


MEASURE = Measure(
    "hilbert_dimension",
    compute,
    Statement(
        "neither",
        "of the mean over samples of this n (delete-a-group jackknife), and of the population "
        "where the number has settled",
        "one eigendecomposition per level, of the smaller of n and the number of kernel features",
        ("image order", "reflection"),
    ),
    readouts=(DIMENSION, SCALE),
    view_entry=_entry,
    sentences=_sentences,
    points=_points,
    heading="Hilbert dimension",
    tiles=_tiles,
    glance=_glance,
    glance_note="Dimension: 95 % of the variance in the kernel's space, with its interval at this "
    "n; \N{GREATER-THAN OR EQUAL TO} and no interval where it has not settled.",
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
            "interval at this n (jackknife over images) where it has settled. Right: mean PSNR "
            "against the clean image, band: 95 % bootstrap interval over images; dotted: "
            "predicting the mean image.",
            "A flat line means that noise does not affect the quantity; a PSNR at the dotted line "
            "means that the reconstruction is no better than the mean image.",
        ),
        FigureRow(
            "hilbert_dimension_by_size",
            "latentgeo.figures.saturation:HilbertDimensionBySizeDisplay",
            "Has the Hilbert dimension settled?",
            "Hilbert dimension (95 % of the variance) at a quarter and half of the compared "
            "images, mean over random subsets, and at all, between integers; clean and at {noisy}; "
            "an open end has not settled; dotted: upper bound n − 1.",
            "A curve still rising at its right end reflects the sample size as much as the model; "
            "only a flat curve gives a dimension.",
        ),
    ),
    meanings={
        "Hilbert dimension": "A kernel maps each latent to a Hilbert space; the dimension is the "
        "smallest number of principal directions that hold 95 % of the variance over images "
        "there. It is at most the number of images minus one. "
        "Neither high nor low is better. Where it still rises with the number of images, it is a "
        "lower bound. Covariances are first divided by their trace, so that the scale of the "
        "latent, which a decoder can undo, does not matter."
    },
)
