"""What the decoder does to the latent space near the data: its pull-back metric."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from latentgeo import processes
from latentgeo.errors import reason_of
from latentgeo.geometry import PullbackStatistics, pullback_statistics
from latentgeo.latents import choose_images
from latentgeo.lazy import xr
from latentgeo.measures.encoding import Encoding
from latentgeo.measures.measure import FigureRow, Measure, Statement, nothing
from latentgeo.measures.ranks import stratification
from latentgeo.models import Autoencoder, device_of
from latentgeo.results import (
    Estimate,
    ModelResult,
    Omission,
    Readout,
    Table,
    level_key,
    plain,
    with_omissions,
)
from latentgeo.results.words import NONE
from latentgeo.settings import AnalysisSettings

_NAME = "the decoder's pull-back metric"
CONDITION = Readout(
    "decoder_condition",
    "pullback_condition_median",
    "pullback_condition_ci",
    levels="pullback_noise",
)
VOLUME = Readout(
    "decoder_log_volume",
    "pullback_log_volume_median",
    "pullback_log_volume_ci",
    unit="nat",
    levels="pullback_noise",
)
_ALL_UP_TO = 64  # numbers of a latent up to which every direction is measured
_POINTS = 512  # latents that the principal directions rest on, at most
_WORK = 4e10  # floating-point operations of all passes through the decoder, about
_LEAST_IMAGES, _LEAST_DIRECTIONS = 6, 8  # with fewer images a median has no interval


class _Extent(NamedTuple):
    """How many images and directions a decoder of this size is measured at."""

    images: int
    directions: int


class _Directions(NamedTuple):
    """Orthonormal columns (D, k), and what they are in words."""

    basis: Tensor
    description: str


def compute(encoding: Encoding) -> xr.Dataset:
    """Measure how the decoder stretches the latent space."""
    if encoding.model is None:
        return _nothing("there are latents only, and no model that decodes them")
    return decoder_geometry(encoding.model, encoding.latents, encoding.settings)


def decoder_geometry(
    model: Autoencoder, latents: xr.Dataset, settings: AnalysisSettings | None = None
) -> xr.Dataset:
    r"""Measure how the decoder stretches the latent space at the latents of a few images.

    The metric :math:`J^\top J` of the decoder's Jacobian is taken at the clean level and at the
    last one. A latent of up to 64 numbers is measured along every direction, a larger one along
    those in which the clean latents vary most. Where one pass through the decoder is costly,
    there are fewer images (down to 6), then fewer directions (down to 8).

    Parameters
    ----------
    model : Autoencoder
        In eval mode.
    latents : xarray.Dataset
        Its latents, from `latentgeo.encode`.
    settings : AnalysisSettings, optional
        Number of images and of directions, and the seed that chooses the images.

    Returns
    -------
    xarray.Dataset
        Over (pullback_noise, pullback_sample): `pullback_singular_value` (…, direction),
        descending, how far the image moves in Euclidean norm for a unit step of the latent;
        `pullback_condition`, (largest/smallest)², 1 where the decoder is an isometry up to scale
        and infinite where it does not see a direction; `pullback_log_volume`, the logarithm of
        √det. `pullback_condition_median` and `pullback_log_volume_median` over images, and their
        `_ci`, exact 95 % intervals of a median from order statistics (NaN below 6 images).
        The attribute of `pullback_condition` says which directions. Where nothing can be measured
        the data set is empty and its attribute `omitted` says why.
    """
    chosen = settings or AnalysisSettings()
    if not model.decodes:
        return _nothing("this model has no decoder")
    samples = latents.sizes["sample"]
    some = choose_images(samples, _POINTS, chosen.seed)
    clean = torch.from_numpy(latents["mean"].isel(noise=0, sample=some).values)
    levels = sorted({0, latents.sizes["noise"] - 1})
    try:
        extent = _extent(model, clean[:1], samples, len(levels), chosen)
        directions = _directions(clean, extent.directions)
        if not directions.basis.shape[1]:
            return _nothing(
                "all clean latents are identical, so there is no direction to differentiate along"
            )
        images = choose_images(samples, extent.images, chosen.seed)
        chosen_latents = latents["mean"].isel(sample=images)
        found = processes.do_all(
            [
                partial(_statistics, model, chosen_latents.isel(noise=level), directions)
                for level in levels
            ]
        )
    except (RuntimeError, NotImplementedError) as error:
        return _nothing(
            f"the decoder cannot be differentiated forward ({reason_of(error).rstrip('.')})"
        )
    return _variables(found, latents.isel(noise=levels, sample=images), directions.description)


def _nothing(reason: str) -> xr.Dataset:
    return with_omissions(xr.Dataset(), [Omission(_NAME, reason)])


def _extent(
    model: Autoencoder, latent: Tensor, samples: int, levels: int, settings: AnalysisSettings
) -> _Extent:
    """Keep the work in bounds, by its count and not by the clock: the same on every machine."""
    size = latent.numel()
    images = min(settings.pullback_images, samples)
    directions = size if size <= _ALL_UP_TO else min(settings.pullback_directions, size)
    passes = int(_WORK / levels / max(_operations(model, latent), 1))
    images = min(images, max(_LEAST_IMAGES, passes // directions))
    return _Extent(images, min(directions, max(_LEAST_DIRECTIONS, passes // images)))


@torch.no_grad()
def _operations(model: Autoencoder, latent: Tensor) -> int:
    """Count the floating-point operations of decoding one latent."""
    with FlopCounterMode(display=False) as counter:
        model.decode(latent.to(device_of(model)))
    return int(counter.get_total_flops())


def _directions(clean: Tensor, wanted: int) -> _Directions:
    """Return every direction of a latent, or the principal ones where they are more than wanted."""
    flat = clean.flatten(1).double()
    size = flat.shape[1]
    if size <= wanted:
        return _Directions(torch.eye(size).double(), f"all {size} directions of the latent")
    basis = _principal(flat - flat.mean(0), wanted)
    return _Directions(
        basis, f"the {basis.shape[1]} directions (of {size}) in which clean latents vary most"
    )


def _principal(centred: Tensor, wanted: int) -> Tensor:
    """Return the leading principal directions (D, k) by the Gram matrix, the smaller one."""
    energies, vectors = torch.linalg.eigh(centred @ centred.mT)
    kept = energies.flip(0) > len(centred) * torch.finfo(torch.float32).eps ** 2 * energies[-1]
    leading = vectors.flip(1)[:, kept][:, :wanted]
    basis: Tensor = torch.linalg.qr(centred.mT @ leading).Q
    return basis


@torch.no_grad()
def _statistics(
    model: Autoencoder, latents: xr.DataArray, directions: _Directions
) -> PullbackStatistics:
    values = torch.from_numpy(latents.values).to(device_of(model))
    found = pullback_statistics(model.decode, values, directions=directions.basis)
    return PullbackStatistics(*(value.cpu() for value in found))


def _variables(
    found: list[PullbackStatistics], latents: xr.Dataset, description: str
) -> xr.Dataset:
    values, condition, volume = (torch.stack(parts).numpy() for parts in zip(*found, strict=True))
    axes = ("pullback_noise", "pullback_sample")
    measured = xr.Dataset(
        {
            "pullback_singular_value": ((*axes, "direction"), values),
            "pullback_condition": (axes, condition, {"directions": description}),
            "pullback_log_volume": (axes, volume),
        },
        coords={
            "pullback_noise": latents["noise"].values,
            "pullback_sample": latents["sample"].values,
        },
    )
    return measured.assign(
        {**_median("pullback_condition", condition), **_median("pullback_log_volume", volume)}
    )


def _median(
    name: str, values: NDArray[np.float64]
) -> dict[str, tuple[tuple[str, ...], NDArray[np.float64]]]:
    """Return the median over images (..., n) and its exact interval from order statistics."""
    from scipy.stats import binom  # slow to import

    ordered = np.sort(values, axis=-1)
    count = ordered.shape[-1]
    # The k-th smallest and the k-th largest enclose the median with the binomial's probability.
    outside = int(binom.ppf(0.025, count, 0.5))
    ends = np.full((*ordered.shape[:-1], 2), np.nan)
    if outside > 0:
        ends = ordered[..., [outside - 1, count - outside]]
    return {
        f"{name}_median": (("pullback_noise",), _middle(ordered)),
        f"{name}_ci": (("pullback_noise", "bound"), ends),
    }


def _middle(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median; between two infinities it is infinite, which numpy's would not say."""
    low, high = ordered[..., (ordered.shape[-1] - 1) // 2], ordered[..., ordered.shape[-1] // 2]
    middle: NDArray[np.float64] = np.where(low == high, low, (low + high) / 2)
    return middle


def _measured(models: Sequence[ModelResult]) -> list[ModelResult]:
    return [model for model in models if CONDITION.value in model.data]


def _levels(model: ModelResult) -> list[float]:
    return [float(level) for level in model.data["pullback_noise"].values]


def _entry(model: ModelResult) -> dict[str, Any]:
    if not _measured([model]):
        return {}
    condition = model.data["pullback_condition"]

    def at(index: int, level: float) -> dict[str, Any]:
        return {
            "condition": _json(model.estimate(CONDITION, level)),
            "log_volume": _json(model.estimate(VOLUME, level)),
            "images_with_an_unseen_direction": int(
                np.isinf(condition.isel(pullback_noise=index)).sum()
            ),
        }

    return {
        "decoder_metric": {
            "directions": condition.attrs["directions"],
            "images": int(model.data.sizes["pullback_sample"]),
            "by_noise": {
                level_key(level): at(index, level) for index, level in enumerate(_levels(model))
            },
        }
    }


def _json(median: Estimate) -> dict[str, Any]:
    return {"median": plain(median.value), "ci95": median.to_json()["ci95"]}


def _points(model: ModelResult, noisy: str) -> list[str]:
    """Return how evenly the decoder stretches, and whether the strata let expect it."""
    if not _measured([model]):
        return []
    clean = model.estimate(CONDITION)
    text = f"The decoder's condition number at clean latents is {clean.text()}"
    last = _levels(model)[-1]
    if last > 0:
        text += f", {model.estimate(CONDITION, last).text()} at noise {last:g}"
    along = model.data["pullback_condition"].attrs["directions"]
    seen = (
        "every latent direction changes the image"
        if np.isfinite(clean.value)
        else "some latent direction leaves the image unchanged"
    )
    inferred = stratification(model)
    beside = f"; inferred from the ranks of the latents: {inferred}" if inferred else ""
    return [f"{text}, along {along}. Smoothness measured on the decoder: {seen}{beside}."]


def _tables(models: Sequence[ModelResult], noisy: str) -> list[Table]:
    measured = _measured(models)
    if not measured:
        return []
    names = ["clean", *(f"noise {level:g}" for level in _levels(measured[0])[1:])]
    return [
        Table(
            "The decoder's metric beside the strata",
            (
                "Model",
                *(f"Condition number, {name}" for name in names),
                *(f"Log-volume, {name}" for name in names),
                "Strata, clean",
                "Directions measured",
            ),
            tuple(_row(model) for model in measured),
            "Medians over images with exact 95 % intervals. Condition number: lower is more even, "
            "1 is an isometry up to scale. Log-volume: logarithm of the volume element along "
            "these directions, in nats; it depends on the scale of the latent, so compare noise "
            "levels, not models. Strata are inferred from the spectra of the latents, the metric "
            "is measured on the decoder: the two can disagree.",
            section="measured",
        )
    ]


def _row(model: ModelResult) -> tuple[str, ...]:
    medians = [
        model.estimate(readout, level).text()
        for readout in (CONDITION, VOLUME)
        for level in _levels(model)
    ]
    along = str(model.data["pullback_condition"].attrs["directions"])
    at = f"{along}, at {model.data.sizes['pullback_sample']} images"
    return (model.label, *medians, stratification(model) or NONE, at)


MEASURE = Measure(
    "decoder_metric",
    compute,
    Statement(
        "lower is better",
        "order statistics of the median over a few images",
        "one forward-mode derivative of the decoder per image and direction, capped in total",
    ),
    heading="Smoothness of the decoder",
    units={"pullback_log_volume": "nat"},
    readouts=(CONDITION, VOLUME),
    entry=_entry,
    sentences=nothing,
    points=_points,
    tables=_tables,
    figures=(
        FigureRow(
            "decoder_metric",
            "latentgeo.figures.decoder_metric:DecoderMetricDisplay",
            "What the decoder does to the latent space",
            "Pull-back metric of each model with a decoder, at the latents of a few images (dots), "
            "clean and at the highest level; circle and bar: median and its exact 95 % interval. "
            "Left: condition number, how unevenly the decoder stretches latent directions. Right: "
            "logarithm of the volume element, divided by the number of directions.",
            "Left panel: near 1 all latent directions change the image equally, far to the right "
            "some hardly change it. A volume that differs between clean and noisy latents means "
            "that the decoder is curved; its zero depends on the scale of the latent, so do not "
            "compare models by it.",
        ),
    ),
    meanings={
        "Condition number and log-volume of the decoder": "The decoder's Jacobian J gives the "
        "latent space the metric JᵀJ: how far the image moves for a step of the latent. The "
        "condition number is the largest stretch over the smallest, squared: 1 is an isometry up "
        "to scale, lower is more even, infinite means that some direction leaves the image "
        "unchanged. "
        "The log-volume is the logarithm of √det JᵀJ; where it changes from place to place the "
        "decoder is curved. Ranks only suggest smoothness; this measures it."
    },
)
