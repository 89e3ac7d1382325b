"""What the pairs of runs answer: intervals, a page, figures.

A pair has the same nets, first weights and order of data, and differs in the critic alone, so what
counts is the difference within pairs. It is called better or worse only where its interval is on
one side of 0, and without reserve only where the intervals of both sides do not touch either.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from acai_questions_measures import Measures, Seen
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch.nn.functional import pad

from latentgeo.figures import save_figure
from latentgeo.metrics import MeanInterval, interpolate, interval_over_seeds
from latentgeo.models import Autoencoder, sample

Facts = dict[str, Any]

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
        with its seeds and Student's interval at 95 %, and what they say. Runs that have not
        learned answer nothing.
    """
    asked = QUESTIONS[question]
    measures = {name: _compare(runs, name, how.better) for name, how in asked.measures.items()}
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


def _compare(runs: Mapping[str, Sequence[Measures]], name: str, better: str) -> Facts:
    sides = {variant: np.array([run[name] for run in runs[variant]]) for variant in VARIANTS}
    difference = sides["with"] - sides["without"]
    intervals = {variant: interval_over_seeds(values) for variant, values in sides.items()}
    paired = interval_over_seeds(difference)
    return {
        **{variant: _plain(sides[variant], intervals[variant]) for variant in VARIANTS},
        "difference": _plain(difference, paired),
        "verdict": _verdict(paired, intervals, better),
    }


def _verdict(paired: MeanInterval, sides: Mapping[str, MeanInterval], better: str) -> str:
    """Say what an interval of differences says."""
    if np.isnan(paired.low):
        return "one seed, no interval"
    if paired.low <= 0 <= paired.high:
        return "no difference seen"
    word = _word(float(paired.mean), better)
    one, other = sides.values()
    apart = one.high < other.low or other.high < one.low
    return word if apart else f"{word} within pairs"


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


def to_markdown(answers: Mapping[str, Facts], facts: Facts) -> str:
    """Write the study as a page."""
    machine, features = facts["machine"], facts["features"]
    lines = [
        f"# Two open questions of ACAI: {facts['data']}, scale {facts['scale']}",
        "",
        "Runs of a pair have the same nets, first weights and order of data, and differ in the",
        f"critic alone (weight {facts['critic_weight']}, its step size that of the autoencoder). "
        "Numbers are the mean over",
        "seeds with Student's 95 % interval; the difference is with minus without the critic, seed "
        "by seed.",
        "*Better* and *worse* are said where the interval of the difference leaves out 0: *within "
        "pairs*",
        "where the intervals of both sides still touch. One in twenty would do so by chance; the "
        "deciding",
        "measure was named before any run.",
        "",
        f"- Images: VAE (Bernoulli, weight 1) on the ACAI net of depth {facts['depth']}, latent "
        f"{facts['latent_channels']}x4x4, {facts['epochs']} epochs of batch {facts['batch_size']} "
        f"on {facts['train_samples'] or 'all'} training images, {facts['seeds']} seeds.",
        f"- FD is `{features['name']}` (a classifier of the data, {features['accuracy']:.2%} of "
        f"the test images right; not Inception): {facts['test_images']} images against as many "
        "test images, half as many mid-points. Nearest real: among "
        f"{facts['real_images']} training images, in the same features.",
        f"- Vectors: autoencoder {facts['vector_hidden']} with latent {facts['vector_latent']}, "
        f"{facts['vector_epochs']} epochs on nine tenths of 1,437 vectors, {facts['vector_seeds']} "
        "seeds. Nearest real: among 180 test vectors that are no ends, Euclidean.",
        "- With a critic the weights of the last epoch are kept, without one those of the epoch "
        "with the lowest validation loss.",
        f"- Machine: {machine['cores']} cores, {machine['architecture']}, {machine['system']}; "
        f"torch {facts['versions']['torch']}. Training {facts['training_seconds']} s in all runs; "
        f"the last command {facts['seconds_of_this_command']} s.",
    ]
    for name, answer in answers.items():
        lines += ["", *_section(name, answer)]
    return "\n".join([*lines, ""])


def _section(name: str, answer: Facts) -> list[str]:
    measures = QUESTIONS[name].measures
    difference = answer["measures"][answer["deciding"]]["difference"]
    return [
        f"## {answer['question']}",
        "",
        f"**{answer['answer'].capitalize()}** on the deciding measure, "
        f"{measures[answer['deciding']].label}: the difference is {_say(difference)} over "
        f"{len(difference['seeds'])} seeds. Better than the mean image: {_say_learned(answer)}.",
        "",
        "| measure | better | without | with | difference | verdict | "
        f"{' | '.join(answer['controls'])} |",
        f"|---|---|---|---|---|---|{'---|' * len(answer['controls'])}",
        *(_row(measure, how, answer) for measure, how in measures.items()),
        "",
        f"![every pair, measure by measure]({name}.png)",
        f"![what the runs of seed 0 make]({name}_examples.png)",
    ]


def _say_learned(answer: Facts) -> str:
    return ", ".join(
        f"{sum(side)} of {len(side)} runs {variant}" for variant, side in answer["learned"].items()
    )


def _row(name: str, how: Measure, answer: Facts) -> str:
    found = answer["measures"][name]
    controls = (control.get(name) for control in answer["controls"].values())
    cells = [
        how.label,
        how.better,
        *(_say(found[side]) for side in (*VARIANTS, "difference")),
        found["verdict"],
        *("" if value is None else f"{value:.4g}" for value in controls),
    ]
    return f"| {' | '.join(cells)} |"


def _say(side: Facts) -> str:
    if side["interval_95"] is None:
        return f"{side['mean']:.4g}"
    low, high = side["interval_95"]
    return f"{side['mean']:.4g} [{low:.4g}, {high:.4g}]"


def draw_measures(question: str, answer: Facts, stem: Path) -> None:
    """Draw every pair as a line from without to with, one panel for each measure."""
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
    models: Mapping[str, Autoencoder], seen: Seen, stem: Path, *, sampled: bool
) -> None:
    """Draw paths between test data, and samples if they are asked for, side by side."""
    kinds = [_samples, _paths] if sampled else [_paths]
    figure = Figure(figsize=(7.2, 2.9 * len(kinds)), layout="constrained")
    panels = figure.subplots(len(kinds), len(models), squeeze=False)
    for row, kind in zip(panels, kinds, strict=True):
        for ax, (variant, model) in zip(row, models.items(), strict=True):
            title, images = kind(model, seen)
            ax.imshow(_sheet(images), cmap="gray_r", vmin=0, vmax=1)
            ax.set_title(f"{title}, {variant} critic")
            ax.set_axis_off()
    save_figure(figure, stem)


def _samples(model: Autoencoder, seen: Seen) -> tuple[str, torch.Tensor]:
    return "samples", sample(model, 60, seed=0).unflatten(0, (6, 10))


def _paths(model: Autoencoder, seen: Seen) -> tuple[str, torch.Tensor]:
    """Give six rows: a test image, the path of eight steps, and the other test image."""
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
