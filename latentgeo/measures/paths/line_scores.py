"""The lines benchmark: how a model interpolates where the right answer is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from latentgeo.lazy import xr
from latentgeo.measures.measure import Measure, Statement, nothing
from latentgeo.measures.paths.model_paths import LinePaths
from latentgeo.measures.paths.realism import latent_text
from latentgeo.measures.paths.variables import along_steps, entry, readouts, text, with_interval
from latentgeo.metrics import LineScores, bootstrap_mean
from latentgeo.results import Column, Estimate, ModelResult, Table, table_of

BENCHMARK = ("mean_distance", "smoothness_paper", "smoothness_corrected", "shortest_arc_rate")
READOUTS = readouts(steps=["line_distance"], values=[*BENCHMARK, "smoothness_median"])


def compute(paths: LinePaths) -> xr.Dataset:
    """Score the decoded lines."""
    return paths.dataset(_scores(paths.scores, paths.seed))


def _scores(scores: LineScores, seed: int) -> dict[str, Any]:
    smoothness = scores.pair_smoothness
    undefined = np.isnan(smoothness)
    found = {
        name: (getattr(scores, name), scores.intervals[name])
        for name in ("mean_distance", "smoothness_median", "shortest_arc_rate")
    }
    found["smoothness_corrected"] = scores.smoothness, scores.intervals["smoothness"]
    if not undefined.all():
        # The paper's mode: undefined pairs add nothing to the sum and one to the count.
        mean = bootstrap_mean(np.where(undefined, 0.0, smoothness), seed=seed)
        found["smoothness_paper"] = float(mean.mean), (float(mean.low), float(mean.high))
    else:
        found["smoothness_paper"] = np.nan, (np.nan, np.nan)
    return {
        **{
            key: value
            for name, (number, ends) in found.items()
            for key, value in with_interval(name, number, ends).items()
        },
        "undefined": ((), scores.undefined),
        "smoothness": ("pair", smoothness),
        "shortest_arc": ("pair", scores.pair_shortest_arc),
        **along_steps("line_distance", scores.distance, seed),
        "line_angle": (("pair", "step"), scores.angle),
    }


def _terminal(model: ModelResult) -> str:
    scores = (f"{name.replace('_', ' ')} {float(model.data[name]):.4g}" for name in BENCHMARK)
    return f"{model.label}: {', '.join(scores)}"


def _distance(model: ModelResult) -> str:
    (distance,) = readouts(values=["mean_distance"])
    found = model.estimate(distance)
    return Estimate(1e3 * found.value, 1e3 * found.low, 1e3 * found.high).text(2)


def _cut_off(model: ModelResult) -> str:
    share = 100 * float(model.data["clamped_share"])
    return f"{int(model.data['clamped'])} ({share:.1f} %)"


_COLUMNS = (
    Column("Model", lambda model: model.label),
    Column("Latent", latent_text),
    Column("Mean distance, 1e-3", _distance),
    Column("Smoothness, paper's mode", lambda model: text(model, "smoothness_paper", 3)),
    Column("Smoothness, corrected", lambda model: text(model, "smoothness_corrected", 3)),
    Column("Smoothness, median", lambda model: text(model, "smoothness_median", 3)),
    Column("Shortest-arc rate", lambda model: text(model, "shortest_arc_rate", 2)),
    Column("Undefined pairs", lambda model: str(int(model.data["undefined"]))),
    Column("Clipped pixels", _cut_off),
)


def _tables(models: Sequence[ModelResult], between: str) -> list[Table]:
    return [
        table_of(
            "The lines benchmark",
            _COLUMNS,
            [(model,) for model in models],
            "Square brackets: 95 % bootstrap intervals over pairs. Lower is better, except for the "
            "shortest-arc rate. Stochastic models have two rows: paths between draws of the "
            "posterior, as the authors do, and between its means. Clipped pixels: decoder outputs "
            "outside [-1, 1].",
        )
    ]


MEASURE = Measure(
    "line_scores",
    compute,
    Statement(
        "lower is better",
        "bootstrap over pairs",
        "distances of all decoded lines to all reference lines",
    ),
    kinds=("lines",),
    readouts=READOUTS,
    entry=entry(READOUTS),
    sentences=nothing,
    tables=_tables,
    terminal=_terminal,
    meanings={
        "Mean distance": "Cosine distance of decoded images to the nearest of the reference lines, "
        "on [-1, 1], mean over the path. Lower is better.",
        "Smoothness": "Largest step of the angle as a share of the total change, in excess of a "
        "uniform rotation. 0 is best; there is no upper bound. It is undefined where both "
        "endpoints decode to the same line: the paper's mode counts such a pair as 0, which "
        "favours a decoder that collapses; the corrected one leaves it out. Neither tells whether "
        "the line takes the shorter rotation, so the share of pairs that do is given beside them.",
    },
)
