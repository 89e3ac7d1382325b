"""Scores of lines: what a run leaves after each epoch, and what all runs say together.

Mark: [U] recalled, unconfirmed: it was not read in the paper.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from study import Facts, Reported, Request, Run, compare, over_seeds
from study.gather import each
from study.read import facts_of_run

from latentgeo.figures import save_figure
from latentgeo.files import write_atomically
from latentgeo.metrics import bootstrap_mean

#: Mean distance in thousandths and smoothness, each with its standard deviation over runs.
RECALLED = {
    "baseline": (Reported("6.88 ± 0.21", "[U]"), Reported("0.44 ± 0.04", "[U]")),
    "dropout": (Reported("2.85 ± 0.54", "[U]"), Reported("0.74 ± 0.02", "[U]")),
    "denoising": (Reported("4.21 ± 0.32", "[U]"), Reported("0.66 ± 0.02", "[U]")),
    "vae": (Reported("1.21 ± 0.17", "[U]"), Reported("0.49 ± 0.13", "[U]")),
    "aae": (Reported("3.26 ± 0.19", "[U]"), Reported("0.14 ± 0.02", "[U]")),
    "vq-vae": (Reported("5.41 ± 0.49", "[U]"), Reported("0.77 ± 0.02", "[U]")),
    "acai": (Reported("0.24 ± 0.01", "[U]"), Reported("0.1 ± 0.01", "[U]")),
}
MEASURES = {
    "mean_distance": "mean distance, 1e-3",
    "smoothness": "smoothness, paper's mode",
    "smoothness_corrected": "smoothness, corrected",
    "smoothness_median": "smoothness, median",
    "shortest_arc_rate": "shortest-arc rate",
    "undefined": "undefined pairs",
}
_DECIDING = ("mean_distance", "smoothness_corrected")
_VERDICTS = {-1: "ACAI is ahead", 1: "ACAI is behind", 0: "not told apart"}
SCORES = "lines.npz"
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#999999", "#D55E00")


class Evaluations(NamedTuple):
    """Scores of one run, after each epoch.

    Attributes
    ----------
    distance : numpy.ndarray of shape (epochs, pairs)
        Mean along each path of the cosine distance to the nearest line.
    smoothness : numpy.ndarray of shape (epochs, pairs)
        NaN where undefined.
    shortest : numpy.ndarray of shape (epochs, pairs)
        Whether a path turns the short way; NaN where undefined.
    """

    distance: NDArray[np.float64]
    smoothness: NDArray[np.float64]
    shortest: NDArray[np.float64]

    @classmethod
    def of(cls, *values: NDArray[np.float64]) -> "Evaluations":
        """Return one evaluation, from its values of each pair."""
        return cls(*(value[None] for value in values))

    def up_to(self, epochs: int) -> "Evaluations":
        """Return the first evaluations."""
        return Evaluations(*(value[:epochs] for value in self))

    def and_then(self, other: "Evaluations") -> "Evaluations":
        """Append later evaluations."""
        return Evaluations(*map(np.concatenate, zip(self, other, strict=True)))

    def figures(self) -> dict[str, NDArray[np.float64]]:
        """Return each measure after each epoch."""
        count = (~np.isnan(self.smoothness)).sum(axis=1)
        total = np.nansum(self.smoothness, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            shortest = np.nansum(self.shortest, axis=1) / count
            corrected = total / count
        return {
            "mean_distance": 1e3 * self.distance.mean(axis=1),
            "smoothness": np.where(count, total / self.smoothness.shape[1], np.nan),
            "smoothness_corrected": corrected,
            "smoothness_median": np.array([_median(row) for row in self.smoothness]),
            "shortest_arc_rate": shortest,
            "undefined": (self.smoothness.shape[1] - count).astype(float),
        }


def write_scores(folder: Path, scores: Evaluations) -> None:
    """Write the scores of a run."""

    def write(path: Path) -> None:
        with path.open("wb") as file:  # of a name, numpy would make another
            np.savez(file, **scores._asdict())

    write_atomically(folder / SCORES, write)


def read_scores(folder: Path) -> Evaluations:
    """Read the scores of a run."""
    with np.load(folder / SCORES) as saved:
        return Evaluations(**saved)


def gather_runs(request: Request, runs: Sequence[Run]) -> Facts:
    """Gather the scores of a study's runs."""
    folders = {name: [run.folder for run in runs if run.name == name] for name in RECALLED}
    scores = {name: [read_scores(folder) for folder in found] for name, found in folders.items()}
    facts = {name: [facts_of_run(folder) for folder in found] for name, found in folders.items()}
    return {"models": gather(scores, facts, request.scale.last_evaluations)}


def gather(
    runs: Mapping[str, Sequence[Evaluations]], facts: Mapping[str, Sequence[Facts]], last: int
) -> Facts:
    """Return each model's measures over its seeds, and facts of its runs.

    A run's figure is the median of its last evaluations, as in the paper.
    """
    names = ("learned", "diagnostics", "validation_psnr_db", "seconds")
    return {
        name: _gather_model(found, last) | each(facts[name], *names) for name, found in runs.items()
    }


def _gather_model(runs: Sequence[Evaluations], last: int) -> Facts:
    courses = [run.figures() for run in runs]
    return {
        measure: {
            **_over_seeds([float(np.median(course[measure][-last:])) for course in courses]),
            "over_pairs_95": _over_pairs(runs, measure, last),
            "course": [course[measure].tolist() for course in courses],
        }
        for measure in MEASURES
    }


def _over_seeds(values: list[float]) -> Facts:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return {**over_seeds(values), "deviation": deviation}


def _over_pairs(runs: Sequence[Evaluations], measure: str, last: int) -> list[float] | None:
    """Return a bootstrap interval over pairs of the mean over seeds, where pairs have a mean."""
    per_pair = {
        "mean_distance": lambda run: 1e3 * run.distance,
        "smoothness_corrected": lambda run: run.smoothness,
        "shortest_arc_rate": lambda run: run.shortest,
    }.get(measure)
    if per_pair is None:
        return None
    values = np.concatenate([per_pair(run)[-last:] for run in runs])
    seen = (~np.isnan(values)).sum(axis=0)
    means = np.nansum(values, axis=0)[seen > 0] / seen[seen > 0]
    if len(means) < 2:
        return None
    _, low, high = bootstrap_mean(means, seed=0)
    return [float(low), float(high)]


def _median(row: NDArray[np.float64]) -> float:
    defined = row[~np.isnan(row)]
    return float(np.median(defined)) if len(defined) else math.nan


def show(found: Facts) -> Facts:
    """Return our places and the recalled ones, and what can be claimed."""
    models = found["models"]
    columns = enumerate(("mean_distance", "smoothness"))
    places = {measure: places_of(models, measure, at) for at, measure in columns}
    known = {"labels": MEASURES, "recalled": RECALLED}
    return {**known, "places": places, "claims": claims(models)}


def places_of(models: Facts, measure: str, at: int) -> dict[str, tuple[int, int]]:
    """Return each model's place in the order by means, and that in the recalled table."""
    means = {key: found[measure]["mean"] for key, found in models.items()}
    # What is undefined comes last.
    ours = sorted(means, key=lambda key: (means[key] is None, means[key]))
    theirs = sorted(RECALLED, key=lambda key: RECALLED[key][at].value)
    return {name: (ours.index(name) + 1, theirs.index(name) + 1) for name in models}


def claims(models: Facts) -> list[str]:
    """Return how ACAI stands beside each rival."""
    found = compare(
        {
            (measure, name): (models["acai"][measure], rival[measure])
            for measure in _DECIDING
            for name, rival in models.items()
            if name != "acai"
        }
    )
    return [
        f"- {MEASURES[measure]}, {name}: {_VERDICTS[each.side]} ({each.text(3)})"
        f"{_unlearned(models[name])}"
        for (measure, name), each in found.items()
    ]


def _unlearned(found: Facts) -> str:
    missing = len(found["learned"]) - sum(found["learned"])
    return f"; {missing} of its {len(found['learned'])} runs have not learned" if missing else ""


def draw(found: Facts, folder: Path) -> None:
    """Draw both measures against the lines seen, each run thin and the mean over seeds thick."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots(1, 2)
    for ax, measure in zip(axes, _DECIDING, strict=True):
        for (name, model), colour in zip(found["models"].items(), _COLOURS, strict=True):
            course = np.array(model[measure]["course"], dtype=float)
            seen = np.arange(1, course.shape[1] + 1)
            ax.plot(seen, course.T, color=colour, linewidth=0.6, alpha=0.6)
            ax.plot(seen, course.mean(axis=0), color=colour, linewidth=2, label=name)
        ax.set(xlabel="lines seen, in units of 65,536", ylabel=MEASURES[measure], yscale="log")
        ax.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    save_figure(figure, folder / "lines")
