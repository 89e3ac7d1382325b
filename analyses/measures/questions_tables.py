"""What the pairs of runs answer: intervals, a page, figures.

A pair has the same nets, first weights and order of data, and differs in the critic alone, so what
counts is the difference within pairs: a paired t test decides, of the deciding measure alone, and
with Holm's correction of all the others.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from study import Facts
from study.judge import LEVEL
from torch.nn.functional import pad

from latentgeo.figures import save_figure
from latentgeo.metrics import (
    MeanInterval,
    holm,
    interpolate,
    interval_over_seeds,
    seed_difference,
)
from latentgeo.models import Autoencoder, sample
from measures.questions import Measures, Seen

VARIANTS = ("without", "with")
_COLOURS = ("#888888", "#0072B2")
_DIRECTIONS = {"lower": -1, "higher": 1}


@dataclass(frozen=True)
class Measure:
    """How a number reads.

    Attributes
    ----------
    label : str
        With its unit.
    better : str
        "lower", "higher", or what is good beyond a direction.
    """

    label: str
    better: str


@dataclass(frozen=True)
class Question:
    """What is asked, what decides it, and what else is measured.

    Attributes
    ----------
    title : str
        The question.
    deciding : str
        The measure that answers it, named before any run.
    measures : dict of str to Measure
        In the order of the table.
    """

    title: str
    deciding: str
    measures: dict[str, Measure]


QUESTIONS = {
    "samples": Question(
        "Does ACAI's critic give a VAE better random samples?",
        "fd_samples",
        {
            "fd_samples": Measure("FD of samples", "lower"),
            "fd_reconstructions": Measure("FD of reconstructions", "lower"),
            "fd_midpoints": Measure("FD of mid-points", "lower"),
            "nearest_samples": Measure("samples to nearest real", "lower"),
            "nearest_midpoints": Measure("mid-points to nearest real", "lower"),
            "sharpness_samples": Measure("sharpness of samples / real", "1 as real"),
            "sharpness_midpoints": Measure("sharpness mid / ends", "1 as ends"),
            "cycle_midpoints": Measure("cycle error at mid-points", "lower"),
            "psnr_db": Measure("PSNR (dB)", "higher"),
            "kl_nats": Measure("KL to the prior (nats)", "none"),
        },
    ),
    "vectors": Question(
        "Does it help on data that are no images (8x8 digits as vectors)?",
        "nearest_midpoints",
        {
            "nearest_midpoints": Measure("mid-points to nearest real", "lower"),
            "cycle_midpoints": Measure("cycle error at mid-points", "lower"),
            "psnr_db": Measure("PSNR (dB)", "higher"),
            "probe": Measure("linear probe, accuracy", "higher"),
            "clusters": Measure("k-means, matched accuracy", "higher"),
        },
    ),
}


def answer(
    question: str, runs: Mapping[str, Sequence[Facts]], controls: Mapping[str, Measures]
) -> Facts:
    """Answer a question from what was measured of its runs, and what they say of themselves."""
    found = {side: [run["measures"] for run in seeds] for side, seeds in runs.items()}
    learned = {side: [run["learned"] for run in seeds] for side, seeds in runs.items()}
    return gather(question, found, controls, learned)


def gather(
    question: str,
    runs: Mapping[str, Sequence[Measures]],
    controls: Mapping[str, Measures],
    learned: Mapping[str, Sequence[bool]],
) -> Facts:
    """Set both sides of a question against each other.

    Parameters
    ----------
    question : str
        A name in `QUESTIONS`.
    runs : mapping
        For each variant what was measured, one entry for each seed.
    controls : mapping
        What was measured of what is no model.
    learned : mapping
        For each variant whether each run does better than the mean image.

    Returns
    -------
    dict
        JSON-ready: for each measure both sides and their difference (with minus without), each
        with its seeds and Student's interval at 95 %, the p-value, the difference that so many
        pairs find in 80 % of cases, and what they say. Runs that have not learned answer nothing.
    """
    asked = QUESTIONS[question]
    measures = {name: _compare(runs, name) for name in asked.measures}
    corrected = _corrected(measures, asked.deciding)
    for name, found in measures.items():
        found["p_value"] = corrected[name]
        found["verdict"] = _verdict(found, asked.measures[name].better)
    all_learned = all(all(side) for side in learned.values())
    answer = measures[asked.deciding]["verdict"] if all_learned else "not all runs have learned"
    return {
        "question": asked.title,
        "deciding": asked.deciding,
        "answer": answer,
        "learned": {variant: list(side) for variant, side in learned.items()},
        "measures": measures,
        "controls": {name: dict(found) for name, found in controls.items()},
    }


def _compare(runs: Mapping[str, Sequence[Measures]], name: str) -> Facts:
    sides = {variant: np.array([run[name] for run in runs[variant]]) for variant in VARIANTS}
    values = {**sides, "difference": sides["with"] - sides["without"]}
    found = {of: _plain(each, interval_over_seeds(each)) for of, each in values.items()}
    tested = None
    if found["difference"]["interval_95"]:
        tested = seed_difference(sides["with"], sides["without"], paired=True)
    return {
        **found,
        "p_value": tested and tested.p_value,
        "detectable": tested and tested.detectable,
    }


def _corrected(measures: Facts, deciding: str) -> dict[str, float | None]:
    """Return the p-values, those that decide nothing corrected for one another."""
    others = [name for name in measures if name != deciding]
    p_values = holm([_nan_if_none(measures[name]["p_value"]) for name in others])
    found = dict(zip(others, map(float, p_values), strict=True))
    return {
        deciding: measures[deciding]["p_value"],
        **{name: None if math.isnan(p) else p for name, p in found.items()},
    }


def _nan_if_none(value: float | None) -> float:
    return math.nan if value is None else value


def _verdict(found: Facts, better: str) -> str:
    """Return what a paired test says."""
    difference = found["difference"]
    if difference["interval_95"] is None:
        return "one seed, not tested"
    if found["p_value"] is not None and found["p_value"] < LEVEL:
        return _word(float(difference["mean"]), better)
    return f"no difference seen ({len(difference['seeds'])} pairs find {found['detectable']:.2g})"


def _word(difference: float, better: str) -> str:
    if better not in _DIRECTIONS:
        return "higher" if difference > 0 else "lower"
    return "better" if difference * _DIRECTIONS[better] > 0 else "worse"


def _plain(seeds: Any, interval: MeanInterval) -> Facts:
    low, high = float(interval.low), float(interval.high)
    return {
        "seeds": seeds.tolist(),
        "mean": float(interval.mean),
        "interval_95": None if math.isnan(low) else [low, high],
    }


def show(found: Facts) -> Facts:
    """Return how the measures of each question read."""
    return {"asked": QUESTIONS}


def draw(found: Facts, folder: Path) -> None:
    """Draw every pair as a line from without to with, one panel for each measure."""
    for question, answer in found["questions"].items():
        _draw_measures(question, answer, folder / question)


def _draw_measures(question: str, answer: Facts, stem: Path) -> None:
    measures = QUESTIONS[question].measures
    columns = 5
    rows = math.ceil(len(measures) / columns)
    figure = Figure(figsize=(2.2 * columns, 2.2 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, (name, how) in zip(panels, measures.items(), strict=False):
        _draw_pairs(ax, answer["measures"][name])
        note = f"({how.better} is better)" if how.better in _DIRECTIONS else ""
        ax.set_title(f"{how.label}\n{note}", fontsize=8)
    save_figure(figure, stem)


def _draw_pairs(ax: Axes, found: Facts) -> None:
    sides = np.array([found[variant]["seeds"] for variant in VARIANTS])
    ax.plot([0, 1], sides, color="#bbbbbb", lw=0.8)
    for place, (values, colour) in enumerate(zip(sides, _COLOURS, strict=True)):
        ax.plot(np.full(len(values), place), values, "o", color=colour, ms=3.5)
    ax.set_xticks([0, 1], ["without\ncritic", "with\ncritic"])
    ax.set_xlim(-0.4, 1.4)
    ax.set_xlabel(found["verdict"], fontsize=7)


@torch.no_grad()
def draw_examples(
    question: str, models: Mapping[str, Autoencoder], seen: Seen, folder: Path
) -> None:
    """Draw paths between test data, and samples where a question is about them, side by side."""
    kinds = [_samples, _paths] if question == "samples" else [_paths]
    figure = Figure(figsize=(7.2, 2.9 * len(kinds)), layout="constrained")
    panels = figure.subplots(len(kinds), len(models), squeeze=False)
    for row, kind in zip(panels, kinds, strict=True):
        for ax, (variant, model) in zip(row, models.items(), strict=True):
            title, images = kind(model, seen)
            ax.imshow(_sheet(images), cmap="gray_r", vmin=0, vmax=1)
            ax.set_title(f"{title}, {variant} critic")
            ax.set_axis_off()
    save_figure(figure, folder / f"{question}_examples")


def _samples(model: Autoencoder, seen: Seen) -> tuple[str, torch.Tensor]:
    return "samples", sample(model, 60, seed=0).unflatten(0, (6, 10))


def _paths(model: Autoencoder, seen: Seen) -> tuple[str, torch.Tensor]:
    """Return six rows: a test image, the path of eight steps, and the other test image."""
    start, end = seen.start[:6], seen.end[:6]
    path = interpolate(model.encode(start), model.encode(end), 8)
    decoded = model.decode(path.flatten(0, 1)).unflatten(0, (6, 8))
    return "paths between test data", torch.cat([start[:, None], decoded, end[:, None]], 1)


def _sheet(images: torch.Tensor) -> Any:
    """Lay images (rows, columns, 1, H, W) out as one; vectors of 64 are drawn as they were seen."""
    grid = images.flatten(2)
    side = math.isqrt(grid.shape[-1])
    squares = pad(grid.unflatten(-1, (side, side)), (1, 1, 1, 1), value=0.2)
    return squares.permute(0, 2, 1, 3).flatten(2).flatten(0, 1).numpy()
