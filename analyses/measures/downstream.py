"""What latents are good for: probes and clusters, and what all runs say together.

Mark: [U] recalled, unconfirmed: it was not read in the paper.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from study import Facts, Run, by_line, compare, in_words, over_seeds
from study.figures import draw_reported, draw_rows, name_rows
from study.gather import each, in_per_cent, plain

from latentgeo.datasets import ImageDataset
from latentgeo.figures import save_figure
from latentgeo.metrics import (
    clustering_accuracy,
    linear_probe,
    matched_clustering_error,
    whitened_kmeans,
)
from latentgeo.models import Autoencoder, device_of
from latentgeo.training import probe_accuracy

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


_BATCH = 64  # larger ones leave the caches, and take twice the time
_WORDS = {1: "ahead of", -1: "behind", 0: "not told apart from"}


def measure(run: Run, known: ImageDataset, test: ImageDataset) -> Facts:
    """Measure the latents of a run.

    Parameters
    ----------
    run : Run
        Trained with a probe beside it.
    known, test : ImageDataset
        What probe and clusters are fitted to, and what is counted on.

    Returns
    -------
    dict
        JSON-ready.
    """
    model = run.trained()
    fit, seen = (_encode(model, images, run.seed) for images in (known, test))
    frozen = linear_probe(fit.probed, known.labels, seen.probed, test.labels, seed=0)
    found = whitened_kmeans(fit.drawn, seen.drawn, restarts=run.scale.restarts, seed=run.seed)
    return {
        "probe_beside": plain(probe_accuracy(run.folder, test, device=run.device)),
        "probe_frozen": plain(frozen.accuracy),
        "probe_frozen_converged": frozen.converged,
        "clustering": plain(clustering_accuracy(found.clusters, test.labels, seed=0)),
        "clustering_each": [
            1 - matched_clustering_error(clusters, test.labels) for clusters in found.each
        ],
        "dropped_directions": found.dropped,
    }


class _Codes(NamedTuple):
    """What the authors' probes and clusters read: (n, numbers) each."""

    probed: NDArray[np.float32]
    drawn: NDArray[np.float32]  # of the posterior, where there is one


@torch.no_grad()
def _encode(model: Autoencoder, images: ImageDataset, seed: int) -> _Codes:
    device = device_of(model)
    generator = torch.Generator(device).manual_seed(seed)
    probed, drawn = [], []
    for batch, _ in images.batches(_BATCH):
        posterior = model.posterior(batch.to(device))
        probed.append(model.probed(posterior).flatten(1).cpu())
        drawn.append(posterior.sample(generator).flatten(1).cpu())
    return _Codes(torch.cat(probed).numpy(), torch.cat(drawn).numpy())


def gather(runs: Mapping[str, Sequence[Facts]]) -> Facts:
    """Return each model's measures over its seeds, accuracies in per cent."""
    return {name: _gather_model(found) for name, found in runs.items()}


def _gather_model(seeds: Sequence[Facts]) -> Facts:
    restarts = 100 * np.array([seed["clustering_each"] for seed in seeds])
    return {
        **{name: over_seeds(in_per_cent(seed[name]) for seed in seeds) for name in MEASURES},
        "clustering_restarts": {
            "lowest": restarts.min(axis=1).tolist(),
            "median": np.median(restarts, axis=1).tolist(),
            "highest": restarts.max(axis=1).tolist(),
        },
        **each(seeds, "validation_psnr_db", "learned", "diagnostics"),
        **each(seeds, "probe_frozen_converged", "dropped_directions"),
    }


def show(found: Facts) -> Facts:
    """Return what can be claimed, and what is recalled of the paper."""
    return {"claims": claims(found["latents"]), "recalled": RECALLED}


def claims(latents: Facts) -> list[str]:
    """Return where ACAI stands beside each rival."""
    found = compare(
        {
            (numbers, measure, name): (models["acai"][measure], rival[measure])
            for numbers, models in latents.items()
            for measure in MEASURES
            for name, rival in models.items()
            if name != "acai"
        }
    )
    lines = []
    for (numbers, measure), beside in by_line(found).items():
        words = MEASURES[measure].removesuffix(", %")
        lines.append(f"- {numbers} numbers, {words}: {in_words(beside, _WORDS)}")
    return lines


def draw(found: Facts, folder: Path) -> None:
    """Draw every measure of every model: mean and interval over seeds, each seed, the paper's."""
    latents = found["latents"]
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    axes = figure.subplots(1, len(MEASURES), sharey=True)
    for ax, (measure, words) in zip(axes, MEASURES.items(), strict=True):
        for shift, (numbers, models) in zip((-0.15, 0.15), latents.items(), strict=True):
            label, colour = f"{numbers} numbers", _COLOURS[numbers]
            rows = {name: model[measure] for name, model in models.items()}
            draw_rows(ax, rows, label, colour, shift)
            if measure in RECALLED[numbers]:
                figures = dict(enumerate(RECALLED[numbers][measure]))
                draw_reported(ax, figures, f"paper's, {label} [U]", colour, shift)
        ax.set(xlabel=words)
    name_rows(axes[0], list(next(iter(latents.values()))))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    save_figure(figure, folder / "downstream")
