"""What all runs of the lines study say together, beside the paper's table as it is recalled.

Mark: [U] recalled, unconfirmed: it was not read in the paper.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from study_tables import Facts, markdown_table, over_seeds, say_where_from

from latentgeo.figures import save_figure
from latentgeo.metrics import bootstrap_mean

#: Mean distance in thousandths and smoothness, each with its standard deviation over runs; [U].
RECALLED = {
    "baseline": ((6.88, 0.21), (0.44, 0.04)),
    "dropout": ((2.85, 0.54), (0.74, 0.02)),
    "denoising": ((4.21, 0.32), (0.66, 0.02)),
    "vae": ((1.21, 0.17), (0.49, 0.13)),
    "aae": ((3.26, 0.19), (0.14, 0.02)),
    "vq-vae": ((5.41, 0.49), (0.77, 0.02)),
    "acai": ((0.24, 0.01), (0.10, 0.01)),
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
        """Give one evaluation, from its values of each pair."""
        return cls(*(each[None] for each in values))

    def up_to(self, epochs: int) -> "Evaluations":
        """Give the first evaluations."""
        return Evaluations(*(each[:epochs] for each in self))

    def and_then(self, other: "Evaluations") -> "Evaluations":
        """Put later evaluations behind."""
        return Evaluations(*map(np.concatenate, zip(self, other, strict=True)))

    def figures(self) -> dict[str, NDArray[np.float64]]:
        """Give each measure after each epoch."""
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


def gather(
    runs: Mapping[str, Sequence[Evaluations]], facts: Mapping[str, Sequence[Facts]], last: int
) -> Facts:
    """Give each model's measures over its seeds, and what its runs said of themselves.

    A run's figure is the median of its last evaluations, as in the paper.
    """
    return {
        name: _gather_model(found, last) | _gather_facts(facts[name])
        for name, found in runs.items()
    }


def _gather_facts(runs: Sequence[Facts]) -> Facts:
    names = ("learned", "trouble", "validation_psnr_db", "seconds")
    return {name: [run[name] for run in runs] for name in names}


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
    """Give a bootstrap interval over pairs of the mean over seeds, where pairs have a mean."""
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


def to_markdown(models: Facts, facts: Facts) -> str:
    """Write the tables, and what can be claimed from them."""
    return "\n".join(
        [
            f"# The lines benchmark, scale {facts['scale']}",
            "",
            _setting(facts),
            "",
            *_table(models),
            "",
            "Mean over seeds ± standard deviation over seeds; in brackets the 95 % interval over "
            "seeds (Student's t). Lower is better, except for the shortest-arc rate. The paper's "
            "mode counts pairs of undefined smoothness as 0.",
            "",
            "## Did they learn?",
            "",
            *_learned_table(models),
            "",
            "Learned: the validation PSNR is at least 1 dB above that of the mean image. A decoder "
            "that gives every line the same image has no smoothness, and a mean distance that says "
            "nothing of interpolation.",
            "",
            "## 95 % intervals over pairs",
            "",
            *_pairs_table(models),
            "",
            "Bootstrap over pairs of the mean over seeds.",
            "",
            "## Beside the paper",
            "",
            *_recalled_table(models),
            "",
            "[U]: recalled, unconfirmed, with the standard deviation over the paper's runs, after "
            "2^24 lines through a net of depth 16. "
            + (
                "Ours is of the same scale."
                if facts["scale"] == "paper"
                else "Ours is of another scale, so the figures are not to be compared; the order "
                "may be."
            ),
            "",
            "## ACAI against each rival",
            "",
            *_claims(models),
            "",
        ]
    )


def _setting(facts: Facts) -> str:
    lines = f"{facts['epochs']} × {facts['train_samples'] or 65_536:,} fresh lines"
    return (
        f"Depth {facts['depth']}, codebook of {facts['codebook_size']:,}, learning rate "
        f"{facts['learning_rate']:g}, batches of {facts['batch_size']}, {lines}, "
        f"{facts['pairs']} pairs; a run's figure is the median of its last "
        f"{facts['last_evaluations']} evaluations. {say_where_from(facts)}"
    )


def _table(models: Facts) -> list[str]:
    rows = [
        [name, *(_say(found[measure]) for measure in MEASURES)] for name, found in models.items()
    ]
    return markdown_table(["model", *MEASURES.values()], rows)


def _say(found: Facts) -> str:
    mean, interval = f"{found['mean']:.3g}", found["over_seeds_95"]
    if interval is None:
        return mean
    return f"{mean} ± {found['deviation']:.2g} [{interval[0]:.3g}, {interval[1]:.3g}]"


def _learned_table(models: Facts) -> list[str]:
    rows = [
        [
            name,
            f"{sum(found['learned'])} of {len(found['learned'])}",
            ", ".join(f"{value:.1f}" for value in found["validation_psnr_db"]),
            _trouble(found["trouble"]),
        ]
        for name, found in models.items()
    ]
    return markdown_table(["model", "runs that learned", "PSNR, dB", "trouble"], rows)


def _trouble(runs: list[list[str]]) -> str:
    """Give how many runs ended in trouble, and what the first of them said."""
    said = [run for run in runs if run]
    return f"{len(said)} of {len(runs)}, as in: {'; '.join(said[0])}" if said else "–"


def _pairs_table(models: Facts) -> list[str]:
    measures = [
        measure
        for measure in MEASURES
        if any(found[measure]["over_pairs_95"] for found in models.values())
    ]
    rows = [
        [name, *(_span(found[measure]["over_pairs_95"]) for measure in measures)]
        for name, found in models.items()
    ]
    return markdown_table(["model", *(MEASURES[measure] for measure in measures)], rows)


def _span(interval: list[float] | None) -> str:
    return "–" if interval is None else f"{interval[0]:.3g} to {interval[1]:.3g}"


def _recalled_table(models: Facts) -> list[str]:
    rows = []
    for name, found in models.items():
        (distance, distance_spread), (smoothness, smoothness_spread) = RECALLED[name]
        rows.append(
            [
                name,
                f"{found['mean_distance']['mean']:.3g}",
                f"{distance} ± {distance_spread} [U]",
                str(_place(models, name, "mean_distance")),
                f"{found['smoothness']['mean']:.3g}",
                f"{smoothness} ± {smoothness_spread} [U]",
                str(_place(models, name, "smoothness")),
            ]
        )
    heads = ["model", "distance, 1e-3", "paper", "place", "smoothness", "paper", "place"]
    return markdown_table(heads, rows)


def _place(models: Facts, name: str, measure: str) -> str:
    """Give our place in the order by means, and that of the recalled table."""
    column = 0 if measure == "mean_distance" else 1
    ours = sorted(models, key=lambda key: _last_if_nan(models[key][measure]["mean"]))
    theirs = sorted(RECALLED, key=lambda key: RECALLED[key][column][0])
    return f"{ours.index(name) + 1} (recalled: {theirs.index(name) + 1})"


def _last_if_nan(value: float) -> float:
    return math.inf if math.isnan(value) else value


def _claims(models: Facts) -> list[str]:
    return [
        f"- {MEASURES[measure]}, {name}: {_verdict(models['acai'][measure], found[measure])}"
        f"{_unlearned(found)}"
        for measure in _DECIDING
        for name, found in models.items()
        if name != "acai"
    ]


def _unlearned(found: Facts) -> str:
    missing = len(found["learned"]) - sum(found["learned"])
    return f"; {missing} of its {len(found['learned'])} runs have not learned" if missing else ""


def _verdict(ours: Facts, theirs: Facts) -> str:
    """Claim an order only where neither the intervals over seeds nor those over pairs touch."""
    kinds = [(ours[kind], theirs[kind]) for kind in ("over_seeds_95", "over_pairs_95")]
    if all(a and b and a[1] < b[0] for a, b in kinds):
        return "ACAI is ahead (neither kind of interval touches)"
    if all(a and b and a[0] > b[1] for a, b in kinds):
        return "ACAI is behind (neither kind of interval touches)"
    return "not separated (intervals over seeds or over pairs touch)"


def draw(models: Facts, folder: Path) -> None:
    """Draw both measures against the lines seen, each run thin and the mean over seeds thick."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots(1, 2)
    for ax, measure in zip(axes, _DECIDING, strict=True):
        for (name, found), colour in zip(models.items(), _COLOURS, strict=True):
            course = np.array(found[measure]["course"])
            seen = np.arange(1, course.shape[1] + 1)
            ax.plot(seen, course.T, color=colour, linewidth=0.6, alpha=0.6)
            ax.plot(seen, course.mean(axis=0), color=colour, linewidth=2, label=name)
        ax.set(xlabel="lines seen, in units of 65,536", ylabel=MEASURES[measure], yscale="log")
        ax.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    save_figure(figure, folder / "lines")
