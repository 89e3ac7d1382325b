"""Has the model learned at all? PSNR against noise, and against the mean image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from latentgeo.lazy import xr
from latentgeo.measures.encoding import Encoding
from latentgeo.measures.measure import (
    Measure,
    Metric,
    Standing,
    Statement,
    Tile,
    by_level,
    nothing,
    on_both,
)
from latentgeo.metrics import bootstrap_mean, judge_learned, psnr
from latentgeo.results import Column, ModelResult, Omission, Readout, Table, plain, table_of
from latentgeo.results.words import NONE, number

# Images at a time, and bytes of them: what is made of each takes several times as much.
_BATCH, _BYTES = 4096, 2**25
PSNR = Readout("psnr", "psnr_mean", "psnr_ci", unit="dB")
GAIN = Readout("psnr_gain", "psnr_gain", "psnr_gain_ci", unit="dB")
BASELINE = Readout("psnr_mean_image", "psnr_baseline_mean", unit="dB")


class Quality(NamedTuple):
    """PSNR variables, and whether the model has learned."""

    variables: xr.Dataset
    learned: bool


class ImageArray(Protocol):
    """An array of images (n, C, H, W), or what gives slices of it."""

    def __len__(self) -> int: ...
    def __getitem__(self, images: slice, /) -> NDArray[np.float32]: ...


def mean_image_psnr(images: ImageArray) -> NDArray[np.floating]:
    """Return the PSNR in dB of the images' own mean as a reconstruction of each: (n,).

    Parameters
    ----------
    images : numpy.ndarray of shape (n, C, H, W), or what gives slices of it
        In [0, 1], float32. Read some at a time, twice.
    """
    batches = _batches(images)
    mean = _weighted_mean(images[some] for some in batches)
    decibels = []
    for some in batches:
        batch = images[some]
        repeated = np.broadcast_to(mean, batch.shape).copy()
        decibels.append(psnr(repeated, batch, data_range=1.0))
    return np.concatenate(decibels)


def _weighted_mean(batches: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the mean image of batches that may differ in size."""
    total, count = np.zeros(()), 0
    for batch in batches:
        total = total + batch.mean(axis=0) * np.float64(len(batch))
        count += len(batch)
    return (total / count).astype(np.float32)


def _batches(images: ImageArray) -> list[slice]:
    size = max(1, min(_BATCH, _BYTES // images[slice(1)].nbytes))
    return [slice(start, start + size) for start in range(0, len(images), size)]


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
    return Quality(variables, learned)


def compute(encoding: Encoding) -> xr.Dataset:
    """Compute PSNR against noise, and judge by it whether the model has learned."""
    found = measure_quality(encoding.held["psnr"], encoding.baseline, seed=encoding.settings.seed)
    return found.variables.assign_attrs(learned=int(found.learned))


def evidence(model: ModelResult) -> str:
    """Return what a model's reconstructions reach beside the mean image."""
    gain = model.estimate(GAIN)
    return (
        f"its reconstructions reach {model.estimate(PSNR).value:.1f} dB, the mean image "
        f"{model.estimate(BASELINE).value:.1f} dB: a gain of {gain.value:.1f} dB "
        f"[{gain.low:.1f}, {gain.high:.1f}] per image"
    )


def _decodes(model: ModelResult) -> bool:
    return PSNR.value in model.data


def _entry(model: ModelResult) -> dict[str, Any]:
    if not _decodes(model):
        return {"psnr_db": None, "psnr_mean_image_db": None}
    has_baseline = BASELINE.value in model.data
    return {
        "psnr_db": by_level(model, lambda level: _json(model, level)),
        "psnr_mean_image_db": plain(model.estimate(BASELINE).value) if has_baseline else None,
    }


def _json(model: ModelResult, level: float) -> dict[str, Any]:
    found = model.estimate(PSNR, level).to_json()
    return {"mean": found["value"], "ci95": found["ci95"]}


def _points(model: ModelResult, noisy: str) -> list[str]:
    if not _decodes(model):
        return []
    text = f"PSNR: {model.estimate(PSNR).text()} dB on clean images"
    if model.noisy is not None:
        text += f", {model.estimate(PSNR, model.noisy).text()} dB at {noisy}"
    return [f"{text}; the mean image reaches {number(model.estimate(BASELINE).value)} dB."]


def _psnr(view: ModelResult, level: float) -> str:
    # What is decoded is the mean: a sample of the posterior has no PSNR of its own.
    return view.estimate(PSNR, level).text() if _decodes(view) and view.view != "sample" else NONE


def _glance(noisy: str) -> Sequence[Column]:
    return [on_both("PSNR (dB)", _psnr)]


def best_gain(models: Sequence[ModelResult]) -> tuple[str, float]:
    """Return the model with the largest gain over the mean image, and the gain in dB.

    Parameters
    ----------
    models : sequence of ModelResult
        The models of a report; those without a decoder have no gain.

    Returns
    -------
    tuple of str and float
        An empty name and NaN where no model has one.
    """
    gains = {one.label: one.estimate(GAIN).value for one in models if GAIN.value in one.data}
    finite = {label: gain for label, gain in gains.items() if np.isfinite(gain)}
    return max(finite.items(), key=lambda item: item[1], default=("", np.nan))


def learning(model: ModelResult, models: Sequence[ModelResult]) -> str:
    """Return whether a model has learned and how well: beside the mean image, and the best model.

    Parameters
    ----------
    model : ModelResult
        Which one.
    models : sequence of ModelResult
        All models that it stands beside.

    Returns
    -------
    str
        As "learned: 9.1 dB above the mean image, 3.2 dB below vae".
    """
    if model.learned is None or GAIN.value not in model.data:
        return f"{_LEARNED[model.learned]}: no decoder" if model.learned is None else "learned"
    gain = model.estimate(GAIN).value
    side = "above" if gain >= 0 else "below"
    text = f"{_LEARNED[model.learned]}: {number(abs(gain))} dB {side} the mean image"
    label, best = best_gain(models)
    if label == model.label or not np.isfinite(best - gain) or len(models) == 1:
        return f"{text}, the best here" if label == model.label and len(models) > 1 else text
    return f"{text}, {number(best - gain)} dB less than {label}"


_LEARNED = {True: "learned", False: "not learned", None: "unknown"}
_NEAR = 0.75  # of the best gain


def _tiles(model: ModelResult, models: Sequence[ModelResult]) -> Sequence[Tile]:
    if model.learned is None or GAIN.value not in model.data:
        return [Tile("Learned", _LEARNED[model.learned], "no decoder", compared=False)]
    gain, (label, best) = model.estimate(GAIN), best_gain(models)
    of_best = float(np.clip(gain.value / best, 0, 1)) if best > 0 else np.nan
    behind = f"{number(best - gain.value)} dB behind {label}"
    beside = "over the mean image" if label == model.label or np.isnan(of_best) else behind
    signed = f"{'+' * bool(gain.value >= 0)}{number(gain.value)} dB"
    standing: Standing = "good" if of_best >= _NEAR else "weak"
    if model.learned is False:
        signed, beside, standing = _LEARNED[False], f"{signed} over the mean image", "bad"
    own = model.estimate(PSNR)
    mark = f"mean image {number(model.estimate(BASELINE).value)}"
    return [
        Tile("Learned", signed, beside, standing, of_best, compared=False),
        Tile("PSNR", f"{number(own.value)} dB", mark, estimate=own),
    ]


def _tables(models: Sequence[ModelResult], noisy: str) -> list[Table]:
    decoding = [model for model in models if GAIN.value in model.data]
    columns = (
        Column("Model", lambda model: model.label),
        Column("PSNR, clean", lambda model: model.estimate(PSNR).text()),
        Column("PSNR of the mean image", lambda model: number(model.estimate(BASELINE).value)),
        Column("Gain over the mean image", lambda model: model.estimate(GAIN).text()),
        Column("Gap to the best model", lambda model: _behind(model, models)),
        Column("Learned", lambda model: {True: "yes", False: "no"}.get(model.learned, "unknown")),
    )
    note = "In dB. Square brackets: 95 % bootstrap intervals over images."
    return [table_of("Has it learned, and how well?", columns, [(one,) for one in decoding], note)]


def _behind(model: ModelResult, models: Sequence[ModelResult]) -> str:
    label, best = best_gain(models)
    return NONE if label == model.label else number(best - model.estimate(GAIN).value)


def _card(view: ModelResult, level: float) -> list[Metric]:
    return [Metric("psnr", "PSNR (dB)", view.estimate(PSNR, level))] if _decodes(view) else []


def _card_notes(model: ModelResult) -> list[str]:
    text = "PSNR: decoded latent against the clean image, peak 1."
    if BASELINE.value not in model.data:
        return [text]
    return [f"{text} The mean image reaches {model.estimate(BASELINE).value:.1f} dB."]


MEASURE = Measure(
    "psnr",
    compute,
    Statement(
        "higher is better",
        "bootstrap over images",
        "linear in n and in the size of an image",
        ("image order",),
    ),
    needs=("decoder",),
    absences={
        "decoder": Omission(
            "PSNR, reconstructions and whether the model has learned",
            "this model has no decoder, so nothing is reconstructed",
        )
    },
    units={"psnr": "dB"},
    readouts=(PSNR, GAIN, BASELINE),
    entry=_entry,
    sentences=nothing,  # the verdict begins with them
    points=_points,
    heading="Reconstruction quality",
    tiles=_tiles,
    glance=_glance,
    glance_note="PSNR: of the decoded posterior mean, or of the decoded latent.",
    by_level=(Column("PSNR (dB)", _psnr),),
    tables=_tables,
    card=_card,
    card_notes=_card_notes,
    shown_unlearned=True,
    meanings={
        "PSNR": "Peak signal-to-noise ratio of the reconstruction against the clean image, per "
        "image, then averaged, in dB with peak 1; higher is better. The baseline to beat is to "
        "predict the mean image for every input. Without a decoder there is no PSNR, and whether "
        "the model has learned cannot be judged."
    },
)
