"""What all runs of the adversarial autoencoders say together, beside what was reported.

Marks: [Q] quoted from the paper by another paper; [U] recalled, unconfirmed.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from aae_variants import VARIANTS
from matplotlib.figure import Figure
from study_tables import Facts, is_sound, markdown_table, over_seeds, say, say_where_from

from latentgeo.figures import save_figure

#: Parzen log-likelihood of others on MNIST, 10,000 samples, nats; [Q].
OTHERS = {
    "DBN": "138 ± 2",
    "stacked CAE": "121 ± 1.6",
    "deep GSN": "214 ± 1.1",
    "GAN": "225 ± 2",
    "GMMN + AE": "282 ± 2",
}
#: What each measure is called, and how a run's entry gives it.
MEASURES: dict[str, tuple[str, Callable[[Facts], float]]] = {
    "classification_error": (
        "error, %",
        lambda run: 100 * run["classification"]["error"]["mean"],
    ),
    "clustering_error": (
        "error by the paper's rule, %",
        lambda run: 100 * run["clustering"]["error"],
    ),
    "matched_error": (
        "error, one cluster per class, %",
        lambda run: 100 * run["clustering"]["matched_error"],
    ),
    "heads_in_use": ("heads in use", lambda run: run["clustering"]["heads_in_use"]),
    "nats": ("log-likelihood, nats", lambda run: run["likelihood"]["nats"]["mean"]),
    "mmd_squared": ("MMD² × 1000", lambda run: 1000 * run["prior"]["mmd_squared"]),
    "psnr_db": ("PSNR, dB", lambda run: run["validation_psnr_db"]),
}


def gather(runs: Mapping[str, Sequence[Facts]]) -> Facts:
    """Give each variant's measures over its seeds, errors in per cent."""
    return {name: _gather_variant(found) for name, found in runs.items()}


def _gather_variant(seeds: Sequence[Facts]) -> Facts:
    found = {}
    for measure, (_, value) in MEASURES.items():
        try:
            found[measure] = over_seeds(value(seed) for seed in seeds)
        except KeyError:  # this variant is not for that
            continue
    return found | {
        "chosen_seed": _choose(seeds),
        "code": seeds[0]["prior"]["code"],
        "p_values": [seed["prior"]["p_value"] for seed in seeds],
        "bandwidths_at_end": [
            seed["likelihood"]["bandwidth_at_end"] for seed in seeds if "likelihood" in seed
        ],
        "sound": is_sound(seeds),
        "trouble": [seed["trouble"] for seed in seeds],
    }


def _choose(seeds: Sequence[Facts]) -> int | None:
    """Give the seed that errs least on validation images."""
    if "validation_error" not in seeds[0]:  # this variant is not for that
        return None
    return int(np.argmin([seed["validation_error"] for seed in seeds]))


def to_markdown(found: Facts, facts: Facts) -> str:
    """Write the tables."""
    return "\n".join(
        [
            f"# Adversarial autoencoders, scale {facts['scale']}",
            "",
            _setting(facts),
            "",
            _reading(facts),
            "",
            "## With labels",
            "",
            *_errors(found, ["classification_error"]),
            "",
            "## Without labels",
            "",
            "By the paper's rule, as it is recalled [U], the validation image that belongs to a "
            "cluster most surely names it; several clusters may have one name. One cluster per "
            "class is the best matching (Hungarian), so the others count as wrong.",
            "",
            *_errors(found, ["clustering_error", "matched_error", "heads_in_use"]),
            "",
            "## Likelihood of test images",
            "",
            *_likelihoods(found, facts),
            "",
            "## Codes and their prior",
            "",
            "The code of test images against draws of the prior: squared maximum mean discrepancy "
            "(inverse multiquadratic kernel at the prior's scale, unbiased, so that it may be "
            "negative), and the p-value of the permutation test for each seed: small where the "
            "two differ.",
            "",
            *_priors(found),
            "",
            *_troubles(found),
            *_figures(),
        ]
    )


def _setting(facts: Facts) -> str:
    return (
        f"{facts['data']}; nets and discriminators of {_widths(facts['hidden'])} units, "
        f"{facts['epochs']} epochs in batches of {facts['batch_size']}, learning rate "
        f"{facts['learning_rate']:g} ({facts['schedule']}), discriminators "
        f"{facts['discriminator_rate']:g}, their weight {facts['adversarial_weight']:g}, weight of "
        f"labels {facts['classification_weight']:g}, noise of {facts['input_noise']:g} on what the "
        f"encoder sees; {say_where_from(facts)}"
    )


def _widths(hidden: Sequence[int]) -> str:
    return " and ".join(str(width) for width in hidden)


def _reading(facts: Facts) -> str:
    scale = (
        "Ours is of about the same scale."
        if facts["scale"] == "paper"
        else "Ours is of another scale, so the figures are not to be compared."
    )
    return (
        "Test images; mean over seeds and, in brackets, its 95 % interval over seeds (Student's "
        "t). No label of a test image decides anything. A dagger: at a seed or more the run has "
        "not learned or ended in trouble. Reported: the paper's on MNIST, with two hidden layers "
        f"of 1000 units; [Q] quoted by another paper, [U] recalled, unconfirmed. {scale}"
    )


def _errors(found: Facts, measures: Sequence[str]) -> list[str]:
    first = measures[0]
    said = [MEASURES[each][0] for each in measures]
    heads = ["variant", "", *said, "seed chosen on validation: error, %", "reported, %"]
    rows = [
        [
            _name(name, entry),
            VARIANTS[name].summary,
            *(say(entry[each]) for each in measures),
            f"{entry[first]['seeds'][entry['chosen_seed']]:.2f}",
            str(VARIANTS[name].reported or "–"),
        ]
        for name, entry in found.items()
        if first in entry
    ]
    return markdown_table(heads, rows)


def _likelihoods(found: Facts, facts: Facts) -> list[str]:
    known = facts["training_images_as_samples"]
    rows = [
        [
            _name(name, entry),
            VARIANTS[name].summary,
            say(entry["nats"], 1),
            str(VARIANTS[name].reported or "–"),
        ]
        for name, entry in found.items()
        if "nats" in entry
    ]
    ceiling = known["nats"]
    interval = f"{ceiling['mean']:.1f} [{ceiling['low']:.1f}, {ceiling['high']:.1f}]"
    rows.append(["training images", "in the place of samples; interval over images", interval, "–"])
    others = ", ".join(f"{name} {figure}" for name, figure in OTHERS.items())
    ends = any(any(entry["bandwidths_at_end"]) for entry in found.values())
    return [
        f"Parzen windows on {known['samples']:,} samples, their width chosen on validation images; "
        "higher is better.",
        *(["At a run or more the width is the smallest or largest that was tried."] * ends),
        "",
        *markdown_table(["variant", "", "log-likelihood, nats", "reported"], rows),
        "",
        f"Others, as reported, nats, [Q]: {others}.",
    ]


def _priors(found: Facts) -> list[str]:
    rows = [
        [
            _name(name, entry),
            VARIANTS[name].summary,
            entry["code"],
            say(entry["mmd_squared"]),
            ", ".join(f"{value:.3f}" for value in entry["p_values"]),
            say(entry["psnr_db"], 1),
        ]
        for name, entry in found.items()
    ]
    heads = ["variant", "", "code", MEASURES["mmd_squared"][0], "p", "PSNR (validation), dB"]
    return markdown_table(heads, rows)


def _troubles(found: Facts) -> list[str]:
    said = [
        f"- {name}, seed {seed}: {line}"
        for name, entry in found.items()
        for seed, lines in enumerate(entry["trouble"])
        for line in lines
    ]
    return ["## Trouble", "", *said, ""] if said else []


def _figures() -> list[str]:
    return [
        "## Figures",
        "",
        "Of seed 0, named by the variant: `-codes` (the plane beside the prior), `-styles` (a "
        "style in each row, a class in each column), `-heads` (cluster heads and members), "
        "`-samples`.",
        "",
        "![errors beside the reported](errors.png)",
        "",
    ]


def _name(name: str, entry: Facts) -> str:
    return name + ("" if entry["sound"] else " †")


def draw(found: Facts, folder: Path) -> None:
    """Draw the errors: mean and interval over seeds, each seed, and what was reported."""
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    ax = figure.subplots()
    shown = {
        name: entry.get("classification_error") or entry.get("clustering_error")
        for name, entry in found.items()
    }
    errors = {name: error for name, error in shown.items() if error}
    for place, (name, error) in enumerate(errors.items()):
        _draw_row(ax, place, error, VARIANTS[name].reported)
    ax.set_yticks(range(len(errors)), list(errors))
    ax.invert_yaxis()
    ax.set(xlabel="error on test images, %", xscale="log")
    handles, labels = ax.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    ax.legend(once.values(), once.keys(), frameon=False, fontsize=8)
    save_figure(figure, folder / "errors")


def _draw_row(ax: Any, place: int, error: Facts, reported: Any) -> None:
    low, high = error["over_seeds_95"] or (error["mean"], error["mean"])
    reach = np.abs(np.array([[low], [high]]) - error["mean"])
    ax.errorbar(error["mean"], place, xerr=reach, fmt="o", color="#0072B2", label="ours")
    ax.plot(error["seeds"], np.full(len(error["seeds"]), place), "|", color="#0072B2", markersize=9)
    if reported is not None:
        figure = float(reported.figure.split(" ±")[0])
        ax.plot(figure, place, "x", color="#D55E00", label="reported ([Q] or [U])")
