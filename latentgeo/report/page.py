"""From an analysis to one HTML page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from jinja2 import Environment, PackageLoader, StrictUndefined

from latentgeo.analysis import Omission, omissions_of
from latentgeo.figures import FIGURES, found_figures, reading, undrawn
from latentgeo.files import write_text
from latentgeo.report import paper, tables
from latentgeo.report._words import estimate, listed, number, share, span, triple
from latentgeo.report.facts import MODES, Model, View, models_of
from latentgeo.report.paths import PathSection
from latentgeo.report.pictures import picture_of

_FEW = 3


@dataclass(frozen=True)
class Section:
    """One model in words.

    Parameters
    ----------
    model : Model
        The model.
    verdict : str
        What the analysis says of it.
    points : tuple of str
        Its numbers in sentences.
    """

    model: Model
    verdict: str
    points: tuple[str, ...]


def write_report(
    tree: xr.DataTree,
    summary: Mapping[str, Any],
    figures_folder: Path,
    path: Path,
    beside: Sequence[PathSection] = (),
) -> None:
    """Write an analysis as one HTML page that needs no other file and no network.

    Parameters
    ----------
    tree : xarray.DataTree
        The analysis.
    summary : mapping
        Its summary; the page shows it beside the provenance.
    figures_folder : pathlib.Path
        Where `latentgeo.figures.draw_figures` wrote the figures; those that are there are
        embedded.
    path : pathlib.Path
        Where the page goes; it is written atomically.
    beside : sequence of PathSection, default=()
        What was measured along paths between the latents of the same models.
    """
    context = _context(tree, summary, figures_folder)
    write_text(path, _template("report").render(**context, beside=beside))


def write_path_report(section: PathSection, models: Sequence[str], path: Path) -> None:
    """Write what was measured along paths as a page of its own.

    Parameters
    ----------
    section : PathSection
        What it shows.
    models : sequence of str
        Whose paths they are.
    path : pathlib.Path
        Where the page goes; it is written atomically.
    """
    named = listed(models) if len(models) <= _FEW else f"{len(models)} models"
    write_text(path, _template("path_page").render(section=section, models=named))


@cache
def _template(name: str) -> Any:
    """Load a page's template; a name that is missing in it is an error, not a gap."""
    environment = Environment(
        loader=PackageLoader("latentgeo.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(f"{name}.html.j2")


def _context(tree: xr.DataTree, summary: Mapping[str, Any], figures_folder: Path) -> dict[str, Any]:
    """Gather what the template sets."""
    models = models_of(tree)
    noisy = models[0].noisy
    name = "no noise" if noisy is None else reading.level_text(tree, noisy)
    views = [view for model in models if model.has_ranks for view in model.views]
    return {
        "title": _title(models),
        "facts": _analysed(tree, models),
        "unlearned": [model for model in models if model.learned is False],
        "sections": [Section(model, _verdict(model), _points(model, name)) for model in models],
        "glance": _glance(models, name, ranked=bool(views)),
        "by_level": tables.by_level(models),
        "pictures": [picture_of(file) for file in found_figures(tree, figures_folder)],
        "undrawn": _undrawn(tree),
        "strata": [tables.strata(view, name) for view in views],
        "two_rules": tables.two_rules(models, name) if views else None,
        "measured": _measured(models, name),
        "unit_details": _unit_details(models),
        "controls": _controls(models, name, ranked=bool(views)),
        "comparisons": paper.compare(models) if paper.concerns(models) else [],
        "marks": paper.MARKS,
        "omitted": _omitted(models),
        "identities": _identities(models),
        "provenance": _provenance(tree, models, summary),
    }


def _title(models: Sequence[Model]) -> str:
    """Name the models while they are few."""
    if len(models) > _FEW:
        return f"Latent spaces of {len(models)} models"
    return f"Latent space{'s' * (len(models) > 1)} of {listed([one.label for one in models])}"


def _glance(models: Sequence[Model], name: str, *, ranked: bool) -> list[tables.Table]:
    """Gather the tables that a hurried reader looks at."""
    strata = [tables.strata_at_a_glance(models, name)] if ranked else []
    return [table.without_empty() for table in (tables.at_a_glance(models, name), *strata)]


def _measured(models: Sequence[Model], name: str) -> list[tables.Table]:
    """Gather what was measured of the set of latents, of the decoder and of the units."""
    found = (
        tables.intrinsic(models, name),
        tables.decoder_metric(models),
        tables.units(models, name),
    )
    return [table.without_empty() for table in found if table.rows]


def _unit_details(models: Sequence[Model]) -> list[tables.Table]:
    """Gather the tables of units that only a curious reader opens."""
    counted = [model for model in models if model.has_units]
    if not counted:
        return []
    several = [tables.active_by_level(counted), *(tables.each_unit(model) for model in counted)]
    return [table.without_empty() for table in several]


def _analysed(tree: xr.DataTree, models: Sequence[Model]) -> dict[str, str]:
    """Say what was analysed."""
    levels = ", ".join(f"{level:g}" for level in models[0].levels)
    return {
        "Data": str(tree.attrs["data"]),
        "Images": str(tree.attrs["samples"]),
        reading.perturbation_label(tree): levels,
        "Seed": str(tree.attrs["seed"]),
        "Models": listed([model.label for model in models]),
    }


def _verdict(model: Model) -> str:
    return str(model.data.attrs["verdict"])


def _points(model: Model, noisy_name: str) -> tuple[str, ...]:
    """Say the numbers of a model, each with its interval; only PSNR where nothing was learned."""
    quality = (_psnr_point(model, noisy_name),) if model.decodes else ()
    if model.learned is False:
        return quality
    ranked = [_rank_point(view, noisy_name) for view in model.views if view.has_ranks]
    dimensions = [_dimension_point(view, noisy_name) for view in model.views]
    angles = [
        _angle_point(view, view.noisy, noisy_name) for view in model.views if view.noisy is not None
    ]
    measured = [
        *(_intrinsic_point(view, noisy_name) for view in model.views),
        *((_metric_point(model),) if "pullback_condition" in model.data else ()),
        *((_units_point(model),) if model.has_units else ()),
    ]
    return (*ranked, *dimensions, *filter(None, measured), *angles, *quality)


def _rank_point(view: View, noisy_name: str) -> str:
    """Say ranks and strata of one view."""
    clean = view.strata(0.0)
    most, count = next(iter(clean.items()))
    images = sum(clean.values())
    ranges = ", ".join(
        f"{mode} {span(one[index] for one in clean)}" for index, mode in enumerate(MODES)
    )
    text = f"Ranks of the {_what(view)} on clean images: {ranges}; "
    if len(clean) == 1:
        text += f"one stratum, {triple(most)}, for all {images} images."
    else:
        text += (
            f"{len(clean)} strata, the most frequent {triple(most)} with {share(count, images)}."
        )
    if view.noisy is None:
        return text
    return f"{text} At {noisy_name}, {share(view.kept(), images)} keep their rank triple."


def _dimension_point(view: View, noisy_name: str) -> str:
    """Say the Hilbert dimension of one view."""
    text = f"Hilbert dimension of the {_what(view)} (95 % of the variance): "
    text += f"{estimate(*view.dimension(0.0), 0)} clean"
    if view.noisy is not None:
        text += f", {estimate(*view.dimension(view.noisy), 0)} at {noisy_name}"
    return f"{text}; at most {view.data.sizes['sample'] - 1} with so many images."


def _intrinsic_point(view: View, noisy_name: str) -> str:
    """Say the intrinsic dimension of one view; nothing where there is no estimate."""
    if "intrinsic_dimension" not in view.data or np.isnan(view.intrinsic(0.0)[0]):
        return ""
    text = (
        f"Intrinsic dimension of the set of {_what(view)}s: {estimate(*view.intrinsic(0.0))} on "
        "clean images by their two nearest neighbours"
    )
    if view.noisy is not None:
        text += f", {estimate(*view.intrinsic(view.noisy))} at {noisy_name}"
    half = float(reading.at_noise(view.data, 0.0)["intrinsic_dimension_half"])
    return (
        f"{text}; {number(half)} at half the images. Few images make it too low, and noise that "
        "reaches the latents raises it."
    )


def _metric_point(model: Model) -> str:
    """Say how evenly the decoder stretches, and whether the strata let expect it."""
    data = model.data
    clean = data.isel(pullback_noise=0)
    text = (
        "The decoder's condition number at clean latents is "
        f"{estimate(clean['pullback_condition_median'], clean['pullback_condition_ci'])}"
    )
    if data.sizes["pullback_noise"] > 1:
        last = data.isel(pullback_noise=-1)
        text += (
            f", {estimate(last['pullback_condition_median'], last['pullback_condition_ci'])} at "
            f"noise {float(last['pullback_noise']):g}"
        )
    text += f", along {data['pullback_condition'].attrs['directions']}"
    return f"{text}. {_beside_strata(model, float(clean['pullback_condition_median']))}"


def _beside_strata(model: Model, condition: float) -> str:
    """Set what was measured on the decoder beside what the ranks let expect."""
    seen = (
        "no direction is lost on the way to the image"
        if np.isfinite(condition)
        else "a direction is lost on the way to the image"
    )
    if not model.stratification:
        return f"Smoothness measured on the decoder: {seen}."
    return (
        f"Smoothness measured on the decoder: {seen}; inferred from the ranks of the latents: "
        f"{model.stratification}."
    )


def _units_point(model: Model) -> str:
    """Say how many units carry anything."""
    clean = reading.at_noise(model.data, 0.0)
    text = (
        f"Active units: {estimate(clean['active_units'], clean['active_units_ci'], 0)} of "
        f"{model.data.sizes['unit']} on clean images"
    )
    count = int(clean["unit_collapsed"].sum())
    if "kl_total" not in clean:
        return f"{text}; {count or 'none'} never vary."
    total = estimate(clean["kl_total"], clean["kl_total_ci"])
    return (
        f"{text}; {count or 'none'} collapsed onto the prior. Divergence from the prior: {total} "
        "nats per image."
    )


def _angle_point(view: View, noisy: float, noisy_name: str) -> str:
    """Say the principal angle of one view, and what chance gives."""
    null = view.nulls().get("disjoint clean sets")
    text = (
        f"Mean principal angle of the {_what(view)} at {noisy_name}: "
        f"{estimate(*view.angle(noisy))} degrees on all images"
    )
    if null is None:
        return f"{text}.{_shared_directions(view, noisy)}"
    return (
        f"{text}; on halves {number(float(np.nanmean(view.half_angles(noisy))))}, against "
        f"{number(float(np.nanmean(null)))} between two disjoint clean halves: "
        f"{tables.against_null(view)}.{_shared_directions(view, noisy)}"
    )


def _shared_directions(view: View, noisy: float) -> str:
    """Warn where a short vector leaves the subspaces no room to differ."""
    if view.data.attrs["latent_kind"] != "vector":
        return ""
    numbers = int(view.data.attrs["latent_shape"][0])
    clean, moved = (int(view.dimension(level)[0]) for level in (0.0, noisy))
    shared = clean + moved - numbers
    if shared <= 0:
        return ""
    return (
        f" Of {numbers} numbers, subspaces of {clean} and {moved} dimensions share at least "
        f"{shared} directions whatever happens: so many angles are 0 by themselves."
    )


def _psnr_point(model: Model, noisy_name: str) -> str:
    """Say the PSNR of a model."""
    data = model.data
    clean = reading.at_noise(data, 0.0)
    text = f"PSNR: {estimate(clean['psnr_mean'], clean['psnr_ci'])} dB on clean images"
    if model.noisy is not None:
        noisy = reading.at_noise(data, model.noisy)
        text += f", {estimate(noisy['psnr_mean'], noisy['psnr_ci'])} dB at {noisy_name}"
    return f"{text}; the mean image has {number(float(data['psnr_baseline_mean']))} dB."


def _what(view: View) -> str:
    """Name what is ranked."""
    if view.name == "sample":
        return "sampled latent"
    return "posterior mean" if view.data.attrs["stochastic"] else "latent"


def _controls(models: Sequence[Model], name: str, *, ranked: bool) -> list[tables.Table]:
    """Gather the control tables that this analysis has data for."""
    about_ranks = [tables.sample_or_mean(models), tables.dead_channels(models, name)]
    about_all = [tables.saturation(models)]
    if models[0].noisy is not None:
        about_all.insert(0, tables.nulls(models, name))
    opened = tables.opened(models)
    chosen = [*([opened] if opened.rows else []), *(about_ranks if ranked else []), *about_all]
    return [table.without_empty() for table in chosen]


def _undrawn(tree: xr.DataTree) -> dict[str, str]:
    """Give the titles of the figures that could not be drawn, by the reason."""
    titles: dict[str, list[str]] = {}
    for name, reason in undrawn(tree).items():
        titles.setdefault(reason, []).append(FIGURES[name].title)
    return {reason: "; ".join(named) for reason, named in titles.items()}


def _omitted(models: Sequence[Model]) -> dict[Omission, str]:
    """Say what was left out and why, with the models that it was left out for."""
    found: dict[Omission, list[str]] = {}
    for model in models:
        for omission in omissions_of(model.data):
            found.setdefault(omission, []).append(model.label)
    return {omission: listed(labels) for omission, labels in found.items()}


def _identities(models: Sequence[Model]) -> tables.Table:
    """Say which weights were analysed, and how."""
    names = ("recipe", "backbone", "latent_kind", "source_dtype", "rank_rule", "kernel")
    return tables.Table(
        "The models",
        (
            *("Model", "Recipe", "Backbone", "Latent", "Shape", "Computed in", "Rank rule"),
            *("Kernel", "Checkpoint", "Weights (SHA-256)"),
        ),
        tuple(
            (
                model.label,
                *(str(model.data.attrs[name]) for name in names[:3]),
                model.latent,
                *(str(model.data.attrs[name]) for name in names[3:]),
                str(model.data.attrs["checkpoint"]),
                str(model.data.attrs["weights_sha256"]),
            )
            for model in models
        ),
    )


def _provenance(
    tree: xr.DataTree, models: Sequence[Model], summary: Mapping[str, Any]
) -> dict[str, str]:
    """Give the recorded circumstances as readable JSON."""
    texts = {"Analysis": json.loads(tree.attrs["provenance"])}
    for model in models:
        texts[model.label] = json.loads(model.data.attrs["provenance"])
        if model.opened:
            texts[model.label]["opened"] = model.opened
        if "settings" in model.data.attrs:
            texts[model.label]["settings"] = json.loads(model.data.attrs["settings"])
    texts["summary.json"] = dict(summary)
    return {name: json.dumps(text, indent=2, ensure_ascii=False) for name, text in texts.items()}
