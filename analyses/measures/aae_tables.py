"""What all runs of the adversarial autoencoders say together, beside what was reported."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter
from models.aae import AFTER_50_EPOCHS, REPRODUCED, VARIANTS
from study import Facts, Measure, Reported, Request, Run, gather, read_measures
from study.figures import draw_reported, draw_rows, name_rows
from study.gather import in_per_cent
from study.read import of_each_model, read_metric
from study.render import table

from latentgeo.figures import save_figure

#: Those epochs of a run that the table of errors in the course of training shows.
_EPOCHS = (1, 2, 5, 10, 20, 30, 40, 50, 75, 100, 150, 200)

MEASURES = {
    "classification_error": Measure(
        "error, %", lambda run: in_per_cent(run["classification"]["error"])
    ),
    "clustering_error": Measure(
        "error by the paper's rule, %", lambda run: in_per_cent(run["clustering"]["error"])
    ),
    "majority_error": Measure(
        "error, named by majority, %",
        lambda run: in_per_cent(run["clustering"]["majority_error"]),
    ),
    "matched_error": Measure(
        "error, one cluster per class, %", lambda run: 100 * run["clustering"]["matched_error"]
    ),
    "heads_in_use": Measure("heads in use", lambda run: run["clustering"]["heads_in_use"]),
    "nats": Measure("log-likelihood, nats", lambda run: run["likelihood"]["nats"], 1),
    "mmd_squared": Measure("MMD² × 1000", lambda run: 1000 * run["prior"]["mmd_squared"]),
    "psnr_db": Measure("PSNR (validation), dB", lambda run: run["validation_psnr_db"], 1),
}


LABELS = {name: measure.label for name, measure in MEASURES.items()}


def gather_runs(file: str, request: Request, runs: Sequence[Run]) -> Facts:
    """Gather what was measured of a study's runs, and their errors in the course of training."""
    found = gather_variants(read_measures(runs, file))
    courses = of_each_model(runs, lambda run: read_metric(run, "validation_classification_error"))
    return {
        "variants": found,
        "courses": {name: _course(seeds) for name, seeds in courses.items() if any(seeds)},
    }


def _course(seeds: Sequence[Sequence[float]]) -> dict[str, float]:
    """Return the mean error in per cent at some epochs."""
    errors = 100 * np.mean(seeds, axis=0)
    return {str(epoch): float(errors[epoch - 1]) for epoch in _EPOCHS if epoch <= len(errors)}


def gather_variants(runs: Mapping[str, Sequence[Facts]]) -> Facts:
    """Return each variant's measures over its seeds, errors in per cent."""
    found = gather(MEASURES, runs)
    return {name: {**found[name], **_of_seeds(seeds)} for name, seeds in runs.items()}


def _of_seeds(seeds: Sequence[Facts]) -> Facts:
    errors = [seed["validation_error"] for seed in seeds if "validation_error" in seed]
    known = [seed["likelihood"] for seed in seeds if "likelihood" in seed]
    confused = [seed.get("classification", {}).get("confused") for seed in seeds]
    return {
        # The seed that errs least on validation images.
        "chosen_seed": int(np.argmin(errors)) if errors else None,
        "code": seeds[0]["prior"]["code"],
        "p_values": [seed["prior"]["p_value"] for seed in seeds],
        "bandwidths_at_end": [likelihood["bandwidth_at_end"] for likelihood in known],
        **({"confused": confused} if all(confused) else {}),
    }


def show(found: Facts) -> Facts:
    """Return what was reported of each variant, and what it is."""
    variants = found["variants"].values()
    at_end = any(any(entry["bandwidths_at_end"]) for entry in variants)
    beside = {"reported after 50 epochs": AFTER_50_EPOCHS, "reproduced": REPRODUCED}
    return {
        **{"known": VARIANTS, "labels": LABELS, "at_end": at_end, "beside": beside},
        "courses": _tabulate(found.get("courses", {})),
        "confused": {
            name: format_confusions(seeds)
            for name, entry in found["variants"].items()
            if (seeds := entry.get("confused"))
        },
    }


def format_confusions(seeds: Iterable[Facts]) -> str:
    """Return the most frequent confusion of each seed in words."""
    return ", ".join("{class} for {taken_for} ({images} of {of})".format(**seed) for seed in seeds)


def _tabulate(courses: Mapping[str, Mapping[str, float]]) -> str:
    """Return the table of errors in the course of training; nothing where none are known."""
    if not courses:
        return ""
    epochs = list(next(iter(courses.values())))
    rows = [
        [name, *(f"{errors[epoch]:.2f}" for epoch in epochs)] for name, errors in courses.items()
    ]
    return table(["after epochs", *epochs], rows)


def draw(found: Facts, folder: Path) -> None:
    """Draw the errors: mean and interval, each seed, and what was reported."""
    given = {
        name: entry.get("classification_error") or entry.get("clustering_error")
        for name, entry in found["variants"].items()
    }
    errors = {name: error for name, error in given.items() if error}
    figure = Figure(figsize=(7.2, 1.2 + 0.3 * len(errors)), layout="constrained")
    ax = figure.subplots()
    draw_rows(ax, errors, "ours", "#0072B2")
    in_the_end = {name: variant.reported for name, variant in VARIANTS.items()}
    draw_reported(ax, _in_rows(errors, in_the_end), "reported ([Q] or [U])", "#D55E00")
    after = _in_rows(errors, AFTER_50_EPOCHS)
    draw_reported(ax, after, "reported after 50 epochs ([Q])", "#009E73")
    name_rows(ax, list(errors))
    ax.set_ylim(len(errors) - 0.5, -0.5)
    ax.set(xlabel="error on test images, %", xscale="log")
    ax.xaxis.set_major_formatter(LogFormatter())
    ax.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.5, 0.5)))
    ax.legend(frameon=False, fontsize=8, bbox_to_anchor=(1, 0.5), loc="center left")
    save_figure(figure, folder / "errors")


def _in_rows(rows: Iterable[str], reported: Mapping[str, Reported | None]) -> dict[int, float]:
    """Return what was reported by the place of its row."""
    found = {place: reported.get(name) for place, name in enumerate(rows)}
    return {place: each.value for place, each in found.items() if each is not None}
