"""Results along interpolation paths, as a section of a report or a page of their own."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10
from pathlib import Path

import numpy as np
import xarray as xr

from latentgeo.analysis import Omission, omissions_of
from latentgeo.figures import found_path_figures
from latentgeo.report._words import NONE, estimate, listed
from latentgeo.report.pictures import Picture, picture_of
from latentgeo.report.tables import Table

_Models = Mapping[str, xr.Dataset]


@dataclass(frozen=True)
class PathSection:
    """What a report says of paths.

    Parameters
    ----------
    anchor : str
        Its name inside a page.
    title, lead : str
        Heading and first paragraph.
    facts : mapping of str to str
        What was done.
    answer : sequence of str
        Whether paths cross strata and images break there, a sentence per model.
    tables : sequence of Table
        Numbers.
    pictures : sequence of Picture
        Figures.
    omitted : mapping of Omission to str
        What was left out, and for which models.
    meaning : mapping of str to str
        What each number is.
    provenance : str
        JSON.
    """

    anchor: str
    title: str
    lead: str
    facts: Mapping[str, str]
    answer: Sequence[str]
    tables: Sequence[Table]
    pictures: Sequence[Picture]
    omitted: Mapping[Omission, str]
    meaning: Mapping[str, str]
    provenance: str


_LEADS = {
    "interpolation": (
        "Interpolation between images",
        "Paths between the latents of pairs of test images, decoded step by step: whether what "
        "lies between looks real, and whether paths cross from one stratum to another where it "
        "does not.",
    ),
    "lines": (
        "The lines benchmark",
        "Paths between the latents of pairs of lines. The right images between are known: lines "
        "that turn evenly from one angle to the other (Berthelot, Raffel, Roy and Goodfellow, "
        "ICLR 2019).",
    ),
}
_MEANINGS = {
    "sharpness": (
        "Sharpness",
        "Variance of the image's Laplacian. Compare it with that of real images: lower is blur, "
        "higher is noise.",
    ),
    "nearest": (
        "Distance to the nearest real image",
        "Euclidean distance in the space that is named above, so it depends on how many real "
        "images there are, and between pixels a blurred one is near to many. Lower is nearer.",
    ),
    "cycle": (
        "Cycle consistency",
        "How far encoding a decoded latent leads away from it, relative to the distance of the "
        "path's ends. 0 is best.",
    ),
    "length": (
        "Length and geodesic",
        "How far the image moves in pixel space along the path. The geodesic is the shortest path "
        "that was found between the same ends (a local minimum); 1 - geodesic/line is the share "
        "that it saves, 0 where the line is as short.",
    ),
    "condition": (
        "Condition number along the path",
        "How unevenly the decoder stretches directions there, as in the metric JᵀJ; 1 is even.",
    ),
    "rank_s1": (
        "Crossings",
        "How often the triple of ranks changes along a path: each time it crosses into another "
        "stratum. It depends on the rank rule, so two rules stand beside each other. Latents "
        "without exact zeros have full rank nearly everywhere; then there is nothing to cross.",
    ),
    "effective_rank": (
        "Effective rank",
        "Exponential of the entropy of the singular values, mean of the three modes: a rank "
        "without a threshold (Roy and Vetterli 2007).",
    ),
    "association": (
        "Spearman's correlation over pairs",
        "From -1 to 1: whether pairs with more of the one have more of the other. An interval "
        "that holds 0 shows nothing. Far pairs may have more of everything, so each row stands "
        "there once more given the distance of the ends: the partial correlation, among pairs "
        "that are as far apart. A correlation is no cause.",
    ),
    "line_distance": (
        "Mean distance",
        "Cosine distance of decoded images to the nearest of the reference lines, on [-1, 1], mean "
        "over the path. Lower is better.",
    ),
    "smoothness": (
        "Smoothness",
        "Largest step of the angle as a share of the whole change, beyond that of an even turn. 0 "
        "is best, it has no upper bound. It is undefined where both ends decode to the same line: "
        "the paper's mode counts such a pair as 0, which flatters a decoder that collapses; the "
        "corrected one leaves it out. Neither sees whether the line turns the short way, so the "
        "share that does stands beside them.",
    ),
}


def section_of_paths(tree: xr.DataTree, figures_folder: Path) -> PathSection:
    """Make the section.

    Parameters
    ----------
    tree : xarray.DataTree
        From `latentgeo.interpolation.interpolate_images` or `score_lines`.
    figures_folder : pathlib.Path
        Where its figures lie; those that are there are embedded.

    Returns
    -------
    PathSection
    """
    kind = str(tree.attrs["kind"])
    models = {label: child.to_dataset() for label, child in tree.children.items()}
    title, lead = _LEADS[kind]
    present = {name for data in models.values() for name in map(str, data.data_vars)}
    return PathSection(
        kind,
        title,
        lead,
        _facts(tree, models),
        [_answer(label, data) for label, data in models.items()],
        _tables(kind, models),
        [picture_of(file) for file in found_path_figures(tree, figures_folder)],
        _omitted(models),
        dict(words for name, words in _MEANINGS.items() if name in present),
        json.dumps(
            {
                **json.loads(tree.attrs["provenance"]),
                "models": {label: _identity(data) for label, data in models.items()},
            },
            indent=2,
            ensure_ascii=False,
        ),
    )


def _identity(data: xr.Dataset) -> dict[str, object]:
    kept = ("recipe", "backbone", "weights_sha256")
    opened = json.loads(data.attrs.get("opened", "{}"))
    return {
        **{name: str(data.attrs[name]) for name in kept},
        **({"opened": opened} if opened else {}),
    }


def _facts(tree: xr.DataTree, models: _Models) -> dict[str, str]:
    attrs = tree.attrs
    facts = {
        "Data": f"{attrs['data']} ({attrs['split']})",
        "Pairs": str(attrs["pairs"]),
        "Steps": f"{attrs['steps']}, both reconstructed ends included",
        "Path": str(attrs["path"]),
    }
    if "classes_differ_mean" in tree:
        root = tree.to_dataset()
        share = estimate(root["classes_differ_mean"], root["classes_differ_ci"], 2)
        facts["Pairs of different classes"] = f"share {share}"
    if "real_data" in attrs:
        counts = sorted({int(data.attrs["real_images"]) for data in models.values()})
        said = " to ".join(map(str, counts))
        facts["Compared with"] = f"{said} images of {attrs['real_data']}, in {attrs['space']}"
    if "references" in attrs:
        facts["Compared with"] = f"{attrs['references']} lines, drawn as in {attrs['style']!r}"
    facts["Seed"] = str(attrs["seed"])
    return facts


def _answer(label: str, data: xr.Dataset) -> str:
    """Say whether the paths of a model cross strata, and what happens there."""
    if "crossings" not in data:
        return f"{label}: latents are vectors, which have no ranks; there are no strata to cross."
    crossing = int((data["crossings"] > 0).sum())
    text = (
        f"{label}: {crossing} of {data.sizes['pair']} paths cross strata (spectrum rule), "
        f"{estimate(data['crossings_mean'], data['crossings_ci'], 2)} crossings per path"
    )
    if "step_at_crossings_mean" in data and np.isfinite(data["step_at_crossings_mean"]):
        change = 100 * data["step_at_crossings_mean"]
        ends = 100 * data["step_at_crossings_ci"]
        text += (
            f"; where a path crosses, the image moves {estimate(change, ends, 0)} % further than "
            "elsewhere on it"
        )
    return f"{text}. {_clear(data)}"


def _clear(data: xr.Dataset) -> str:
    """Name the correlations with ranks whose interval leaves out zero."""
    found, undefined, defined = [], 0, 0
    for cause in map(str, data["cause"].values):
        if not cause.endswith(", given the distance of the ends"):
            continue
        for effect in map(str, data["effect"].values):
            one = data.sel(cause=cause, effect=effect)
            low, high = (float(end) for end in one["association_ci"])
            missing = bool(np.isnan(one["association"]))
            undefined, defined = undefined + missing, defined + (not missing)
            if low > 0 or high < 0:
                rho = estimate(one["association"], one["association_ci"], 2)
                found.append(f"{cause.partition(', given')[0]} with {effect} {rho}")
    asked = (
        f"Among paths whose ends are as far apart, {defined} correlations of ranks with what "
        "becomes of images are defined"
    )
    if undefined:
        asked += f" ({undefined} more are not: all pairs are alike)"
    if not found:
        return f"{asked}; none has an interval beyond 0."
    have = "has" if len(found) == 1 else "have"
    return (
        f"{asked}; {len(found)} {have} an interval beyond 0: {'; '.join(found)}. Of so many, one "
        "in twenty does so by chance."
    )


def _tables(kind: str, models: _Models) -> list[Table]:
    first = _lines(models) if kind == "lines" else _realism(models)
    between = f"between {'lines' if kind == 'lines' else 'images'}"
    several = [
        first,
        _strata(models, between),
        _decoder(models),
        *(_associations(label, data, between) for label, data in models.items()),
    ]
    return [table.without_empty() for table in several if table.rows]


def _realism(models: _Models) -> Table:
    rows = [
        (
            label,
            _latent(data),
            *(_ends_and_inside(data, "sharpness", _digits(data))),
            _interval(data, "real_sharpness", _digits(data)),
            *(_ends_and_inside(data, "nearest", 2)),
            *(_ends_and_inside(data, "cycle", 3)),
            f"{100 * float(data['clamped_share']):.1f} %",
        )
        for label, data in models.items()
    ]
    return Table(
        "How real the images between are",
        (
            *("Model", "Latent", "Sharpness, ends", "Sharpness between", "Sharpness, real images"),
            *("Nearest real image, ends", "Nearest real image between"),
            *("Cycle, ends", "Cycle between", "Pixels cut off"),
        ),
        tuple(rows),
        "Square brackets: 95 % bootstrap intervals over pairs. Ends: reconstructions; between: "
        "mean over the steps between. Pixels cut off: those made beyond black and white.",
    )


def _digits(data: xr.Dataset) -> int:
    """Say how many digits sharpness needs, which is in squared units of any size."""
    real = float(data["real_sharpness"])
    return max(2, 2 - floor(log10(real))) if real > 0 else 2


def _ends_and_inside(data: xr.Dataset, name: str, digits: int) -> tuple[str, str]:
    first, last = (
        estimate(data[f"{name}_mean"][at], data[f"{name}_ci"].isel(step=at), digits)
        for at in (0, -1)
    )
    inside = estimate(data[f"{name}_inside"], data[f"{name}_inside_ci"], digits)
    return f"{first} and {last}", inside


def _lines(models: _Models) -> Table:
    return Table(
        "The lines benchmark",
        (
            *("Model", "Latent", "Mean distance, 1e-3", "Smoothness, paper's mode"),
            *("Smoothness, corrected", "Smoothness, median", "Shortest-arc rate"),
            *("Undefined pairs", "Pixels cut off"),
        ),
        tuple(
            (
                label,
                _latent(data),
                estimate(1e3 * data["mean_distance"], 1e3 * data["mean_distance_ci"], 2),
                _interval(data, "smoothness_paper", 3),
                _interval(data, "smoothness_corrected", 3),
                _interval(data, "smoothness_median", 3),
                _interval(data, "shortest_arc_rate", 2),
                str(int(data["undefined"])),
                f"{int(data['clamped'])} ({100 * float(data['clamped_share']):.1f} %)",
            )
            for label, data in models.items()
        ),
        "Square brackets: 95 % bootstrap intervals over pairs. Lower is better, except for the "
        "shortest-arc rate. Stochastic models have two rows: paths between draws of the posterior, "
        "as the authors do, and between its means. Pixels cut off: what the decoder made outside "
        "[-1, 1].",
    )


def _strata(models: _Models, between: str) -> Table:
    return Table(
        f"Ranks along the paths {between}",
        (
            *("Model", "Paths that cross", "Crossings per path", "Crossings, float32-covariance"),
            *("Ranks, ends", "Ranks between", "Effective rank, ends", "Effective rank between"),
        ),
        tuple(
            (
                label,
                f"{int((data['crossings'] > 0).sum())} of {data.sizes['pair']}",
                estimate(data["crossings_mean"], data["crossings_ci"], 2),
                _interval(data, "crossings_float32_covariance", 2, "_mean"),
                _ranks(data, [0, -1]),
                _ranks(data, slice(1, -1)),
                *_ends_and_inside(data, "effective_rank", 2),
            )
            for label, data in models.items()
            if "crossings" in data
        ),
        "Ranks S1, S2, S3: ranges over pairs and steps, under the spectrum rule.",
    )


def _ranks(data: xr.Dataset, steps: list[int] | slice) -> str:
    ranks = data["rank"].isel(rule=0, step=steps).transpose(..., "mode").values.reshape(-1, 3)
    spans = zip(ranks.min(axis=0), ranks.max(axis=0), strict=True)
    return ", ".join(f"{low}" if low == high else f"{low}\N{EN DASH}{high}" for low, high in spans)


def _decoder(models: _Models) -> Table:
    return Table(
        "The paths as the decoder sees them",
        (
            *("Model", "Length", "1 \N{MINUS SIGN} geodesic/line", "Geodesics found"),
            *("Condition number, start", "middle", "end", "Measured along"),
        ),
        tuple(
            (
                label,
                _interval(data, "length", 2, "_mean"),
                _interval(data, "geodesic_excess", 3, "_mean"),
                _converged(data),
                *_conditions(data),
            )
            for label, data in models.items()
            if "length_mean" in data
        ),
        "Length in pixel space, mean over pairs. Geodesics and medians of the condition number "
        "rest on few pairs; a median has an interval only where those are enough. Geodesics that "
        "have not converged save at least what is given.",
    )


def _converged(data: xr.Dataset) -> str:
    if "geodesic_converged" not in data:
        return NONE
    converged = data["geodesic_converged"].values
    return f"{len(converged)}, {int(converged.sum())} converged"


def _conditions(data: xr.Dataset) -> tuple[str, ...]:
    if "condition_median" not in data:
        return (NONE,) * 4
    medians = (_condition(data.sel(place=place)) for place in data["place"].values)
    return (*medians, str(data["condition"].attrs["directions"]))


def _condition(data: xr.Dataset) -> str:
    """Say a condition number, which may be of any size, in three digits."""
    median, (low, high) = float(data["condition_median"]), data["condition_ci"].values
    between = f" [{low:.3g}, {high:.3g}]" if np.isfinite([low, high]).all() else ""
    return f"{median:.3g}{between}" if np.isfinite(median) else "\N{INFINITY}"


def _associations(label: str, data: xr.Dataset, between: str) -> Table:
    rows = [
        (str(cause), *(_rho(data, cause, effect) for effect in data["effect"].values))
        for cause in data["cause"].values
    ]
    return Table(
        f"What goes together on the paths {between}: {label}",
        ("Of each path", *(str(effect) for effect in data["effect"].values)),
        tuple(row for row in rows if set(row[1:]) != {NONE}),
        "Spearman's correlation over pairs, with its 95 % bootstrap interval over them; in round "
        "brackets the number of pairs where it is not all of them. Left out: what is the same for "
        "all pairs.",
    )


def _rho(data: xr.Dataset, cause: str, effect: str) -> str:
    one = data.sel(cause=cause, effect=effect)
    if np.isnan(one["association"]):
        return NONE
    count = int(one["association_pairs"])
    some = f" ({count})" if count != data.sizes["pair"] else ""
    return estimate(one["association"], one["association_ci"], 2) + some


def _interval(data: xr.Dataset, name: str, digits: int, suffix: str = "") -> str:
    if f"{name}{suffix}" not in data:
        return NONE
    return estimate(data[f"{name}{suffix}"], data[f"{name}_ci"], digits)


def _latent(data: xr.Dataset) -> str:
    channels, rows, columns = (int(side) for side in data.attrs["latent_shape"])
    return f"vector of {channels}" if rows == columns == 1 else f"{channels}×{rows}×{columns}"


def _omitted(models: _Models) -> dict[Omission, str]:
    found: dict[Omission, list[str]] = {}
    for label, data in models.items():
        for omission in omissions_of(data):
            found.setdefault(omission, []).append(label)
    return {omission: listed(labels) for omission, labels in found.items()}
