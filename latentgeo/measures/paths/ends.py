"""Has the model learned at all? How well the images at the ends of paths come back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from latentgeo.lazy import xr
from latentgeo.measures.measure import Measure, Statement
from latentgeo.measures.paths.model_paths import ModelPaths
from latentgeo.measures.paths.variables import BOUNDS
from latentgeo.measures.quality import mean_image_psnr
from latentgeo.metrics import bootstrap_mean, judge_learned, psnr
from latentgeo.results import ModelResult, Readout, Table, plain
from latentgeo.results.words import number

PSNR = Readout("end_psnr", "end_psnr", "end_psnr_ci", over="images", unit="dB")
GAIN = Readout("end_psnr_gain", "end_psnr_gain", "end_psnr_gain_ci", over="images", unit="dB")
BASELINE = Readout("end_psnr_mean_image", "end_psnr_mean_image", unit="dB")


def compute(paths: ModelPaths) -> xr.Dataset:
    """Compute the PSNR of the reconstructed ends, and judge by it whether the model has learned."""
    decoded, real = paths.reconstructed
    decibels = psnr(decoded, real, data_range=1.0)
    baseline = mean_image_psnr(real)
    mean = bootstrap_mean(np.asarray(decibels), seed=paths.seed)
    learned, gain = judge_learned(decibels, baseline, seed=paths.seed)
    return xr.Dataset(
        {
            "end_psnr": ((), mean.mean),
            "end_psnr_ci": ("bound", np.stack([mean.low, mean.high])),
            "end_psnr_gain": ((), gain.mean),
            "end_psnr_gain_ci": ("bound", np.stack([gain.low, gain.high])),
            "end_psnr_mean_image": ((), baseline.mean()),
        },
        coords={"bound": BOUNDS},
        attrs={"learned": int(learned)},
    )


def _entry(model: ModelResult) -> dict[str, Any]:
    if PSNR.value not in model.data:  # results from before
        return {}
    return {
        "learned": model.learned,
        "end_psnr_db": model.estimate(PSNR).to_json(),
        "end_psnr_mean_image_db": plain(model.estimate(BASELINE).value),
    }


def _sentences(model: ModelResult) -> list[str]:
    if PSNR.value not in model.data:
        return []
    reached = (
        f"the endpoints of its paths are reconstructed at {number(model.estimate(PSNR).value)} "
        f"dB, the mean image reaches {number(model.estimate(BASELINE).value)} dB"
    )
    if model.doubt:
        return [
            f"this model has not learned: {reached}. Measures along its paths are not meaningful."
        ]
    return [f"this model has learned: {reached}."]


def _tables(models: Sequence[ModelResult], between: str) -> list[Table]:
    rows = tuple(
        (
            model.label,
            *(model.estimate(one).text() for one in (PSNR, BASELINE, GAIN)),
            "no" if model.doubt else "yes",
        )
        for model in models
        if PSNR.value in model.data
    )
    columns = ("Model", "PSNR of the endpoints", "PSNR of the mean image", "Gain", "Learned")
    note = "In dB. Square brackets: 95 % bootstrap intervals over the endpoint images."
    return (
        [Table(f"Reconstructed endpoints of the paths {between}", columns, rows, note)]
        if rows
        else []
    )


MEASURE = Measure(
    "path_ends",
    compute,
    Statement("higher is better", "bootstrap over images", "one comparison per endpoint"),
    kinds=("interpolation", "lines"),
    heading="Reconstruction of the endpoints",
    units={"end_psnr": "dB"},
    readouts=(PSNR, GAIN, BASELINE),
    entry=_entry,
    sentences=_sentences,
    tables=_tables,
    shown_unlearned=True,
    meanings={
        "PSNR of the endpoints": "How well the images at the endpoints of a path are "
        "reconstructed, beside the baseline of predicting the mean image. Paths of a model that "
        "does not beat this baseline are not meaningful."
    },
)
