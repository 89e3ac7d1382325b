"""What all runs of the downstream study say together, beside the paper's as it is recalled.

Mark: [U] recalled, unconfirmed: it was not read in the paper.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from study_tables import Facts, markdown_table, over_seeds, say, say_where_from

from latentgeo.figures import save_figure

MEASURES = {
    "probe_beside": "probe beside training, %",
    "probe_frozen": "probe on the frozen encoder, %",
    "clustering": "clustering, %",
}
#: Accuracies in per cent on MNIST, by the latents' numbers; [U].
RECALLED = {
    "32": {
        "probe_beside": (94.90, 96.45, 96.00, 96.56, 70.74, 97.50, 98.25),
        "clustering": (77.56, 82.67, 82.59, 75.74, 79.19, 82.39, 94.38),
    },
    "256": {
        "probe_beside": (93.94, 94.50, 98.51, 98.74, 90.03, 97.25, 99.00),
        "clustering": (53.70, 61.35, 70.89, 83.44, 81.00, 96.80, 96.17),
    },
}
_COLOURS = {"32": "#0072B2", "256": "#D55E00"}


def gather(runs: Mapping[str, Sequence[Facts]]) -> Facts:
    """Give each model's measures over its seeds, accuracies in per cent."""
    return {name: _gather_model(found) for name, found in runs.items()}


def _gather_model(seeds: Sequence[Facts]) -> Facts:
    restarts = 100 * np.array([seed["clustering_each"] for seed in seeds])
    return {
        **{measure: _over_seeds(seeds, measure) for measure in MEASURES},
        "clustering_restarts": {
            "lowest": restarts.min(axis=1).tolist(),
            "median": np.median(restarts, axis=1).tolist(),
            "highest": restarts.max(axis=1).tolist(),
        },
        "validation_psnr_db": [seed["validation_psnr_db"] for seed in seeds],
        "learned": [seed["learned"] for seed in seeds],
        "trouble": [seed["trouble"] for seed in seeds],
        "probe_frozen_converged": [seed["probe_frozen_converged"] for seed in seeds],
        "dropped_directions": [seed["dropped_directions"] for seed in seeds],
    }


def _over_seeds(seeds: Sequence[Facts], measure: str) -> Facts:
    return {
        **over_seeds(100 * seed[measure]["mean"] for seed in seeds),
        "over_images_95": [
            [100 * seed[measure]["low"], 100 * seed[measure]["high"]] for seed in seeds
        ],
    }


def to_markdown(latents: Facts, facts: Facts) -> str:
    """Write the tables, and what can be claimed from them."""
    lines = [f"# Probes and clusters, scale {facts['scale']}", "", _setting(facts), ""]
    for numbers, models in latents.items():
        lines += [f"## Latents of {numbers} numbers", "", *_table(models, numbers), ""]
    return "\n".join([*lines, *_reading(facts), "", *_claims(latents), ""])


def _setting(facts: Facts) -> str:
    trained = f"{facts['train_samples']:,}" if facts["train_samples"] else "all training"
    fitted = f"{facts['fitted']:,}" if facts["fitted"] else "all"
    return (
        f"{facts['data']}; depth {facts['depth']}, learning rate {facts['learning_rate']:g}, "
        f"{facts['epochs']} epochs of {trained} images in batches of {facts['batch_size']}, probe "
        f"beside training at {facts['probe_rate']:g}, VQ-VAE with {facts['codebook_size']:,} "
        f"vectors; frozen probe and k-means ({facts['restarts']} restarts) fitted to latents of "
        f"{fitted} training images. {say_where_from(facts)}"
    )


def _reading(facts: Facts) -> list[str]:
    scale = (
        "Ours is of the same scale."
        if facts["scale"] == "paper"
        else "Ours is of another scale, so the figures are not to be compared."
    )
    return [
        "Accuracy on the test images, higher is better: mean over seeds and, in brackets, its 95 % "
        "interval over seeds (Student's t). Clusters are matched with classes on the very images "
        "that are counted; the restart is chosen by its inertia on training images, and the "
        "restarts' column has the median over seeds of their lowest, median and highest accuracy. "
        "PSNR is that of the validation images. A model with a dagger has not learned, or ended in "
        "trouble (as the discriminator that wins), at a seed or more.",
        "",
        "[U]: the paper's, recalled, unconfirmed: MNIST, after 2^24 images through a net of depth "
        f"16, the probe beside training at 1e-4, 1000 restarts. {scale}",
    ]


def _table(models: Facts, numbers: str) -> list[str]:
    heads = [
        "model",
        "PSNR, dB",
        MEASURES["probe_beside"],
        "paper",
        MEASURES["probe_frozen"],
        MEASURES["clustering"],
        "paper",
        "restarts, %",
    ]
    rows = []
    for name, found in models.items():
        probe, clustering = (
            f"{_recalled(models, numbers, measure, name):.2f} [U]"
            for measure in ("probe_beside", "clustering")
        )
        rows.append(
            [
                name + ("" if _sound(found) else " †"),
                f"{np.mean(found['validation_psnr_db']):.1f}",
                say(found["probe_beside"]),
                probe,
                say(found["probe_frozen"]),
                say(found["clustering"]),
                clustering,
                _say_restarts(found["clustering_restarts"]),
            ]
        )
    return markdown_table(heads, rows)


def _sound(found: Facts) -> bool:
    return all(found["learned"]) and not any(found["trouble"])


def _recalled(models: Facts, numbers: str, measure: str, name: str) -> float:
    return RECALLED[numbers][measure][list(models).index(name)]


def _say_restarts(found: Facts) -> str:
    lowest, median, highest = (np.median(found[key]) for key in ("lowest", "median", "highest"))
    return f"{lowest:.1f}, {median:.1f}, {highest:.1f}"


def _claims(latents: Facts) -> list[str]:
    """Say where ACAI stands by itself: only where intervals over seeds do not touch."""
    lines = ["## ACAI against the others", ""]
    for numbers, models in latents.items():
        for measure, words in MEASURES.items():
            said = _verdicts(models, measure)
            lines.append(f"- {numbers} numbers, {words.removesuffix(', %')}: {said}")
    return lines


def _verdicts(models: Facts, measure: str) -> str:
    groups: dict[str, list[str]] = {"ahead of": [], "behind": [], "not told apart from": []}
    for name, found in models.items():
        if name != "acai":
            groups[_verdict(models["acai"][measure], found[measure])].append(name)
    return "; ".join(f"{verdict} {', '.join(names)}" for verdict, names in groups.items() if names)


def _verdict(ours: Facts, theirs: Facts) -> str:
    mine, other = ours["over_seeds_95"], theirs["over_seeds_95"]
    if mine is None or other is None:
        return "not told apart from"
    if mine[0] > other[1]:
        return "ahead of"
    return "behind" if mine[1] < other[0] else "not told apart from"


def draw(latents: Facts, folder: Path) -> None:
    """Draw every measure of every model: mean and interval over seeds, each seed, the paper's."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    axes = figure.subplots(1, len(MEASURES), sharey=True)
    for ax, (measure, words) in zip(axes, MEASURES.items(), strict=True):
        for shift, (numbers, models) in zip((-0.15, 0.15), latents.items(), strict=True):
            _draw_size(ax, models, numbers, measure, shift)
        ax.set(xlabel=words)
    names = list(next(iter(latents.values())))
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    save_figure(figure, folder / "downstream")


def _draw_size(ax: Any, models: Facts, numbers: str, measure: str, shift: float) -> None:
    colour, places = _COLOURS[numbers], np.arange(len(models)) + shift
    means = np.array([found[measure]["mean"] for found in models.values()])
    ends = np.array(
        [
            found[measure]["over_seeds_95"] or (mean, mean)
            for found, mean in zip(models.values(), means, strict=True)
        ]
    )
    ax.errorbar(
        means,
        places,
        xerr=np.abs(ends.T - means),
        fmt="o",
        color=colour,
        label=f"{numbers} numbers",
    )
    for place, found in zip(places, models.values(), strict=True):
        seeds = found[measure]["seeds"]
        ax.plot(seeds, np.full(len(seeds), place), "|", color=colour, markersize=9)
    recalled = RECALLED[numbers].get(measure)
    if recalled:
        label = f"paper's, {numbers} numbers [U]"
        ax.plot(recalled, places, "x", color=colour, alpha=0.6, label=label)
