"""What several seeds of analyses show together: numbers, tables, orders, and a figure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from claims.paper import span
from matplotlib.figure import Figure
from models.characterization import CONTROL_OF
from study import Facts, by_line, compare, in_words, over_seeds
from study.render import format_mean

from latentgeo.figures import save_figure

Seeds = Sequence[Mapping[str, Any]]
# Okabe and Ito, then greys and Tol's, for they have no more.
COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"),
    *("#56B4E9", "#000000", "#888888", "#882255", "#999933"),
)
NOISE = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
PAPER_NOISE = "0.1"
REFERENCE = "cae"
#: What is ordered: a title, how a model's view gives a number for each seed, and its digits.
_VIEWED: dict[str, tuple[Callable[[Facts], Sequence[float]], int]] = {
    "rank triples on clean images": (lambda view: view["strata"]["0"], 1),
    "Hilbert dimension (95 %) of clean images": (lambda view: view["hilbert_dimension_95"]["0"], 1),
    "mean angle between clean and noise 0.1, degrees": (
        lambda view: view["mean_angle_deg"]["0.1"],
        1,
    ),
    "the same over that of disjoint clean sets": (
        lambda view: _ratio(
            view["mean_angle_deg"]["0.1"], view["mean_angle_null_deg"]["disjoint clean sets"]
        ),
        2,
    ),
}
#: The same of what a model has whatever the view.
_WHOLE: dict[str, tuple[Callable[[Facts], Sequence[float]], int]] = {
    "PSNR of clean images, dB": (lambda model: model["psnr_db"]["0"], 1),
    "PSNR lost at noise 0.5, dB": (
        lambda model: [
            clean - noisy
            for clean, noisy in zip(model["psnr_db"]["0"], model["psnr_db"]["0.5"], strict=True)
        ],
        1,
    ),
}


def gather(summaries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one entry per model from one summary per seed, each number as a list over seeds.

    Parameters
    ----------
    summaries : list of dict
        Model to its part of a summary (docs/summary.md).
    """
    return {name: _gather_model([models[name] for models in summaries]) for name in summaries[0]}


def _gather_model(seeds: Seeds) -> dict[str, Any]:
    views = {"mean": seeds}
    if all("sampled" in seed for seed in seeds):
        views["sample"] = [seed["sampled"] for seed in seeds]
    return {
        "learned": [seed["learned"] for seed in seeds],
        "latent_shape": seeds[0]["latent_shape"],
        "psnr_db": _over_levels(seeds, "psnr_db", lambda level: level["mean"]),
        "ranks_with_jitter": {
            PAPER_NOISE: _ranges(seed["ranks_with_jitter"][PAPER_NOISE] for seed in seeds)
        },
        "views": {view: _gather_view(found) for view, found in views.items()},
    }


def _gather_view(seeds: Seeds) -> dict[str, Any]:
    rule = "float32-covariance"
    null = [seed["principal_angles_null_deg"] for seed in seeds]
    return {
        "dead_channels": _over_levels(seeds, "dead_channels", lambda count: count),
        "strata": _over_levels(seeds, "strata", len),
        "largest_stratum": _over_levels(seeds, "strata", _largest),
        "rank_ranges": {
            "spectrum": _pooled([seed["ranks"] for seed in seeds]),
            rule: _pooled([seed["ranks_by_other_rules"][rule] for seed in seeds]),
        },
        "hilbert_dimension_95": _over_levels(
            seeds, "hilbert_dimension", lambda level: level["0.95"]["value"]
        ),
        "mean_angle_deg": _over_levels(
            null, "mean_angle_of_a_clean_half_to_itself_noisy", lambda level: level["mean"]
        ),
        "mean_angle_null_deg": {
            name: [found["mean_angle_between"][name]["mean"] for found in null]
            for name in null[0]["mean_angle_between"]
        },
    }


def _over_levels(seeds: Seeds, key: str, value: Callable[[Any], Any]) -> dict[str, list[Any]]:
    return {level: [value(seed[key][level]) for seed in seeds] for level in seeds[0][key]}


def _largest(strata: Mapping[str, int]) -> list[Any]:
    """Return the most frequent rank triple and its share of the images."""
    triple = max(strata, key=lambda key: strata[key])
    return [triple, strata[triple] / sum(strata.values())]


def _pooled(seeds: Seeds) -> dict[str, dict[str, list[int]]]:
    """Return the range of each rank on clean and noisy images, pooled over seeds, per level."""
    return {level: _ranges(seed[level] for seed in seeds) for level in ("0", PAPER_NOISE)}


def _ranges(levels: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for level in levels:
        for mode, counts in level.items():
            found.setdefault(mode, []).extend(int(rank) for rank in counts)
    return {mode: [min(ranks), max(ranks)] for mode, ranks in found.items()}


def show(found: Facts) -> Facts:
    """Return the order of all models, where they were asked for, and how seeds are shown."""
    return {"span": span, "orders": orders(found["models"]) if "diagnostics" in found else None}


def orders(models: Mapping[str, Any]) -> list[str]:
    """Return each measure with the models in ascending order, and which differ from a CAE.

    Parameters
    ----------
    models : mapping
        What `gather` gave.

    Returns
    -------
    list of str
        Lines of a page; means with their 95 % intervals over seeds.
    """
    views = {
        name if view == "mean" else f"{name} ({view})": found
        for name, model in models.items()
        for view, found in model["views"].items()
    }
    numbers = {
        (title, name): over_seeds(values(entry))
        for entries, measures in ((views, _VIEWED), (models, _WHOLE))
        for title, (values, _) in measures.items()
        for name, entry in entries.items()
    }
    there = {name: CONTROL_OF.get(name) for _, name in numbers}
    controls = {
        name: control if control in models else REFERENCE for name, control in there.items()
    }
    pairs = {
        (title, controls[name], name): (found, numbers[title, controls[name]])
        for (title, name), found in numbers.items()
        if name != controls[name]
    }
    apart = by_line(compare(pairs))
    lines = []
    for title, (_, digits) in {**_VIEWED, **_WHOLE}.items():
        found = {name: entry for (of, name), entry in numbers.items() if of == title}
        lines.append(f"- **{title}**: {_ordered(found, digits)}")
        for control in dict.fromkeys(controls.values()):
            beside = apart.get((title, control), {})
            text = in_words(beside, {-1: "lower:", 1: "higher:"}, digits) or "none"
            lines.append(f"  - Told apart from {control}: {text}.")
    return lines


def _ordered(found: Mapping[str, Facts], digits: int) -> str:
    ascending = sorted(found, key=lambda name: float(found[name]["mean"]))
    return ", ".join(f"{name} {format_mean(found[name], digits)}" for name in ascending) + "."


def _ratio(numbers: Sequence[float], others: Sequence[float]) -> list[float]:
    return [number / other for number, other in zip(numbers, others, strict=True)]


def draw(found: Facts, folder: Path) -> None:
    """Draw dimension, PSNR and mean angle against noise: mean over seeds, with their range."""
    models = found["models"]
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    axes = figure.subplots(1, 3)
    titles = ("Hilbert dimension (95 %)", "PSNR (dB)", "mean principal angle (°)")
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title)
        ax.set_xlabel("noise σ (equally spaced)")
    for (name, model), colour in zip(models.items(), COLOURS[: len(models)], strict=True):
        _curve(axes[1], model["psnr_db"], name, colour, "-")
        for view, seen in model["views"].items():
            style = "-" if view == "mean" else "--"
            label = name if view == "mean" else f"{name}, {view}"
            _curve(axes[0], seen["hilbert_dimension_95"], label, colour, style)
            _curve(axes[2], seen["mean_angle_deg"], label, colour, style)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(len(labels), 7), frameon=False
    )
    save_figure(figure, folder / "overview")


def _curve(ax: Any, values: Mapping[str, list[float]], label: str, colour: str, style: str) -> None:
    seeds = np.array(list(values.values()), dtype=float)
    places = np.arange(len(seeds))
    ax.plot(places, seeds.mean(axis=1), style, color=colour, label=label)
    ax.fill_between(places, seeds.min(axis=1), seeds.max(axis=1), color=colour, alpha=0.2, lw=0)
    ax.set_xticks(places, list(values), fontsize=8)
