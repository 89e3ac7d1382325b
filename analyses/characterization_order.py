"""What the study with all models shows: the order in which they stand, and their trouble."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from study_tables import Facts, compared, over_seeds, say

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


def say_orders(models: Mapping[str, Any]) -> list[str]:
    """Write each measure with the models in ascending order, and which are told apart from a CAE.

    Parameters
    ----------
    models : mapping
        What `characterization_tables.gather` gave.

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
    lines = [
        "## What it shows",
        "",
        "Models in ascending order, mean over seeds with its 95 % interval over seeds (Student's "
        f"t); told apart from {REFERENCE} where the two intervals do not touch. A latent is the "
        "posterior's mean unless a sample is named.",
        "",
    ]
    for entries, measures in ((views, _VIEWED), (models, _WHOLE)):
        for title, (values, digits) in measures.items():
            found = {name: over_seeds(values(entry)) for name, entry in entries.items()}
            lines.append(f"- **{title}**: {_ordered(found, digits)} {_apart(found)}")
    return lines


def say_troubles(troubles: Mapping[str, Sequence[Sequence[str]]]) -> list[str]:
    """Write what the runs said of themselves, a line for each model and seed."""
    said = [
        f"- {name}, seed {seed}: {line}"
        for name, seeds in troubles.items()
        for seed, lines in enumerate(seeds)
        for line in lines
    ]
    return ["## Trouble while training", "", *(said or ["None was found."])]


def _ordered(found: Mapping[str, Facts], digits: int) -> str:
    ascending = sorted(found, key=lambda name: float(found[name]["mean"]))
    return ", ".join(f"{name} {say(found[name], digits)}" for name in ascending) + "."


def _apart(found: Mapping[str, Facts]) -> str:
    verdicts = {name: compared(entry, found[REFERENCE]) for name, entry in found.items()}
    sides = {
        side: [name for name, verdict in verdicts.items() if verdict == f"{side} than"]
        for side in ("lower", "higher")
    }
    said = [f"{side}: {', '.join(names)}" for side, names in sides.items() if names]
    return f"Told apart from {REFERENCE}: {'; '.join(said) or 'none'}."


def _ratio(numbers: Sequence[float], others: Sequence[float]) -> list[float]:
    return [number / other for number, other in zip(numbers, others, strict=True)]
