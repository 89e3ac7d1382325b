"""What several seeds say together, and how it stands beside the paper's statements.

Marks: [P] the paper's own abstract or captions; [S] a secondary summary, second-hand. The
paper's method section could not be read.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from latentgeo.figures import save_figure

Seeds = list[dict[str, Any]]
# Okabe and Ito, then greys and Tol's, for they have no more.
COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"),
    *("#56B4E9", "#000000", "#888888", "#882255", "#999933"),
)
PAPER_NOISE = "0.1"


def gather(summaries: Seeds) -> dict[str, Any]:
    """Turn one summary per seed into one entry per model, each number as a list over seeds."""
    return {
        name: _gather_model([summary["models"][name] for summary in summaries])
        for name in summaries[0]["models"]
    }


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
    """Give the most frequent rank triple and its share of the images."""
    triple = max(strata, key=lambda key: strata[key])
    return [triple, strata[triple] / sum(strata.values())]


def _pooled(seeds: Seeds) -> dict[str, dict[str, list[int]]]:
    """Give the range of each rank on clean and noisy images, pooled over seeds, per level."""
    return {level: _ranges(seed[level] for seed in seeds) for level in ("0", PAPER_NOISE)}


def _ranges(levels: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for level in levels:
        for mode, counts in level.items():
            found.setdefault(mode, []).extend(int(rank) for rank in counts)
    return {mode: [min(ranks), max(ranks)] for mode, ranks in found.items()}


def compare_with_paper(models: Mapping[str, Any]) -> list[dict[str, str]]:
    """Set the paper's statements beside ours; whether they agree is computed, not judged."""
    return [
        _rank_row(models, "cae"),
        _rank_row(models, "dae"),
        _vae_rank_row(models),
        _stratified_row(models),
        _psnr_row(models),
        _angle_row(models),
    ]


def _rank_row(models: Mapping[str, Any], name: str) -> dict[str, str]:
    ranges = models[name]["views"]["mean"]["rank_ranges"]
    vary = {rule: _varies(levels) for rule, levels in ranges.items()}
    return {
        "statement": f"{name.upper()} ranks vary: S1 5 to 7, S2 6 to 7, S3 29 to 48, pooled",
        "mark": "[S]",
        "ours": "; ".join(f"{rule}: {_say_ranges(levels)}" for rule, levels in ranges.items()),
        "agrees": _agreement(vary),
        "decides": "the rank rule",
    }


def _vae_rank_row(models: Mapping[str, Any]) -> dict[str, str]:
    said, full = [], {}
    for view, found in models["vae"]["views"].items():
        for rule, levels in found["rank_ranges"].items():
            said.append(f"{view}, {rule}: {_say_ranges(levels)}")
            full[f"{view}, {rule}"] = all(
                levels[level][mode] == [rank, rank]
                for level in levels
                for mode, rank in (("S1", 7), ("S2", 7), ("S3", 48))
            )
    return {
        "statement": "VAE ranks are always (7, 7, 48)",
        "mark": "[S]",
        "ours": "; ".join(said),
        "agrees": _agreement(full),
        "decides": "posterior mean or sample, and the rank rule",
    }


def _stratified_row(models: Mapping[str, Any]) -> dict[str, str]:
    counts = {
        f"{name}, {view}": found["strata"]["0"]
        for name in ("cae", "dae", "vae")
        for view, found in models[name]["views"].items()
    }
    agrees = {
        key: (min(strata) > 1) if not key.startswith("vae") else (max(strata) == 1)
        for key, strata in counts.items()
    }
    said = "; ".join(f"{key}: {_span(strata)}" for key, strata in counts.items())
    return {
        "statement": "CAE and DAE latents form a stratified manifold, VAE latents one smooth one",
        "mark": "[P]",
        "ours": f"rank triples on clean images (spectrum rule): {said}",
        "agrees": _agreement(agrees),
        "decides": "posterior mean or sample, and the rank rule",
    }


def _psnr_row(models: Mapping[str, Any]) -> dict[str, str]:
    drops = {
        name: np.subtract(models[name]["psnr_db"]["0"], models[name]["psnr_db"]["0.5"])
        for name in ("cae", "dae", "vae")
    }
    said = "; ".join(
        f"{name}: {_span(models[name]['psnr_db']['0'])} dB clean, "
        f"{_span(models[name]['psnr_db']['0.5'])} dB at 0.5"
        for name in drops
    )
    agrees = {
        "the VAE is flat (within 1 dB)": bool(drops["vae"].max() < 1),
        "CAE and DAE drop (by more than 1 dB)": bool(
            min(drops["cae"].min(), drops["dae"].min()) > 1
        ),
        "the VAE drops least": bool(
            drops["vae"].max() < min(drops["cae"].min(), drops["dae"].min())
        ),
    }
    return {
        "statement": "PSNR of the VAE is flat at about 25 dB over the noise; CAE and DAE drop",
        "mark": "[S]",
        "ours": said,
        "agrees": _agreement(agrees),
        "decides": "how far the noise goes, and training (a DAE sees noise up to 0.3)",
    }


def _angle_row(models: Mapping[str, Any]) -> dict[str, str]:
    said, agrees = [], {}
    for name in ("cae", "dae", "vae"):
        for view, found in models[name]["views"].items():
            angles = found["mean_angle_deg"]
            null = found["mean_angle_null_deg"]["disjoint clean sets"]
            said.append(
                f"{name}, {view}: {_span(angles['0.01'])}° at 0.01, "
                f"{_span(angles['0.1'])}° at 0.1, {_span(angles['0.5'])}° at 0.5 "
                f"(disjoint clean halves: {_span(null)}°)"
            )
            rises = all(a < b for a, b in zip(angles["0.01"], angles["0.5"], strict=True))
            agrees[f"{name}, {view}"] = max(angles["0.5"]) < 1 if name == "vae" else rises
    return {
        "statement": "Mean principal angle rises with noise for CAE and DAE, remains zero for VAE",
        "mark": "[S]",
        "ours": "; ".join(said),
        "agrees": _agreement(agrees),
        "decides": "kernel and subspace dimension, of which the paper's are unknown",
    }


def _varies(levels: Mapping[str, Mapping[str, list[int]]]) -> bool:
    return any(low < high for level in levels.values() for low, high in level.values())


def _say_ranges(levels: Mapping[str, Mapping[str, list[int]]]) -> str:
    """Write the ranges of the three ranks, pooled over the levels."""
    parts = []
    for mode in ("S1", "S2", "S3"):
        low = min(level[mode][0] for level in levels.values())
        high = max(level[mode][1] for level in levels.values())
        parts.append(f"{mode} {low}" if low == high else f"{mode} {low} to {high}")
    return ", ".join(parts)


def _agreement(parts: Mapping[str, bool]) -> str:
    if all(parts.values()):
        return "yes"
    if not any(parts.values()):
        return "no"
    return "partly: " + "; ".join(f"{name}: {'yes' if ok else 'no'}" for name, ok in parts.items())


def _span(values: list[float]) -> str:
    """Write the mean over seeds with the range."""
    if len({f"{value:.4g}" for value in values}) == 1:
        return f"{values[0]:.4g}"
    return f"{np.mean(values):.4g} [{min(values):.4g}, {max(values):.4g}]"


def to_markdown(
    models: Mapping[str, Any], comparison: list[dict[str, str]], facts: Mapping[str, Any]
) -> str:
    """Write the study as a page."""
    machine = facts["machine"]
    samples = facts["train_samples"] or "all"
    lines = [
        f"# Latent characterization: {facts['data']}, scale {facts['scale']}",
        "",
        "An independent re-implementation from the abstract and the captions of arXiv 2412.04755.",
        "[P] is the paper's own abstract or captions, [S] a secondary summary, second-hand.",
        f"Trained here: widths {tuple(facts['widths'])}, epochs {facts['epochs']}, on {samples} "
        f"training images, {facts['seeds']} seeds; analysed: {facts['samples']} test images per "
        f"seed at noise {', '.join(f'{level:g}' for level in facts['noise'])}.",
        f"Machine: {machine['cores']} cores, {machine['architecture']}, {machine['system']}; "
        f"torch {facts['versions']['torch']}. Wall time: training {facts['training_seconds']} s in "
        f"all, the last command {facts['seconds_of_this_command']} s (runs and analyses that were "
        "already there are not in that).",
        "Numbers are the mean over seeds [smallest, largest].",
        "",
        "## The paper's statements beside ours",
        "",
        "| the paper | mark | ours | agrees | what decides it |",
        "|---|---|---|---|---|",
        *(
            f"| {row['statement']} | {row['mark']} | {row['ours']} | {row['agrees']} "
            f"| {row['decides']} |"
            for row in comparison
        ),
        "",
        "## All models",
        "",
        "| model, view | learned | largest stratum, clean | strata clean, at 0.1 "
        "| dimension (95 %) clean, at 0.1, at 0.5 | mean angle at 0.1 | null "
        "| PSNR clean, at 0.1, at 0.5 (dB) | dead channels |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_row(name, view, model) for name, model in models.items() for view in model["views"]),
        "",
        "![dimension, PSNR and angles over the seeds](overview.png)",
        "",
    ]
    return "\n".join(lines)


def _row(name: str, view: str, model: Mapping[str, Any]) -> str:
    found = model["views"][view]
    largest = ", ".join(
        f"({triple}) {share:.0%}" for triple, share in found["largest_stratum"]["0"]
    )
    dimension, psnr = found["hilbert_dimension_95"], model["psnr_db"]
    cells = [
        f"{name}, {view}",
        "yes" if all(model["learned"]) else f"{sum(model['learned'])} of {len(model['learned'])}",
        largest,
        f"{_span(found['strata']['0'])}, {_span(found['strata']['0.1'])}",
        ", ".join(_span(dimension[level]) for level in ("0", "0.1", "0.5")),
        _span(found["mean_angle_deg"]["0.1"]) + "°",
        _span(found["mean_angle_null_deg"]["disjoint clean sets"]) + "°",
        ", ".join(_span(psnr[level]) for level in ("0", "0.1", "0.5")),
        _span(found["dead_channels"]["0"]),
    ]
    return f"| {' | '.join(cells)} |"


def draw_over_seeds(models: Mapping[str, Any], out: Path) -> None:
    """Draw dimension, PSNR and mean angle against noise: mean over seeds, with their range."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    axes = figure.subplots(1, 3)
    titles = ("Hilbert dimension (95 %)", "PSNR (dB)", "mean principal angle (°)")
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title)
        ax.set_xlabel("noise σ (equally spaced)")
    for (name, model), colour in zip(models.items(), COLOURS[: len(models)], strict=True):
        _curve(axes[1], model["psnr_db"], name, colour, "-")
        for view, found in model["views"].items():
            style = "-" if view == "mean" else "--"
            label = name if view == "mean" else f"{name}, {view}"
            _curve(axes[0], found["hilbert_dimension_95"], label, colour, style)
            _curve(axes[2], found["mean_angle_deg"], label, colour, style)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(len(labels), 7), frameon=False
    )
    save_figure(figure, out / "overview")


def _curve(ax: Any, values: Mapping[str, list[float]], label: str, colour: str, style: str) -> None:
    seeds = np.array(list(values.values()), dtype=float)
    places = np.arange(len(seeds))
    ax.plot(places, seeds.mean(axis=1), style, color=colour, label=label)
    ax.fill_between(places, seeds.min(axis=1), seeds.max(axis=1), color=colour, alpha=0.2, lw=0)
    ax.set_xticks(places, list(values), fontsize=8)
