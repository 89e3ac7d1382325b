"""From results to one HTML page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from latentgeo.figures import figure_rows, found_figures, undrawn
from latentgeo.files import write_text
from latentgeo.foreign import printable
from latentgeo.measures import measures_of
from latentgeo.report import tables
from latentgeo.report.paths import PathSection, section_of_paths
from latentgeo.report.pictures import picture_of
from latentgeo.results import Analysis, ModelResult, Table, level_text
from latentgeo.results.levels import perturbation_label
from latentgeo.results.omission import omissions_by_model
from latentgeo.results.words import listed

_FEW = 3


@dataclass(frozen=True)
class ModelSection:
    """One model in words.

    Parameters
    ----------
    model : ModelResult
        The model.
    verdict : str
        What the analysis says of it.
    points : tuple of str
        Its numbers in sentences.
    """

    model: ModelResult
    verdict: str
    points: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """A section that somebody else wrote, as a study that compares with its paper.

    Parameters
    ----------
    anchor : str
        Its name inside the page.
    title : str
        Its heading.
    html : str
        What stands below it, as HTML; whatever is not meant as such has to be escaped.
    """

    anchor: str
    title: str
    html: str


def write_report(
    found: Analysis,
    figures_folder: Path,
    path: Path,
    beside: Sequence[PathSection] = (),
    sections: Sequence[Section] = (),
) -> None:
    """Write results as one HTML page that needs no other file and no network.

    Parameters
    ----------
    found : Analysis
        An analysis, or results along paths.
    figures_folder : pathlib.Path
        Where `latentgeo.figures.draw_figures` wrote the figures; those that are there are
        embedded.
    path : pathlib.Path
        Where the page goes; it is written atomically.
    beside : sequence of PathSection, default=()
        What was measured along paths between the latents of the same models.
    sections : sequence of Section, default=()
        Further sections, which stand after the controls.
    """
    if found.kind == "analysis":
        context = _context(found, figures_folder)
        page = _template("report").render(**context, beside=beside, sections=sections)
    else:
        labels = [model.label for model in found.models]
        named = listed(labels) if len(labels) <= _FEW else f"{len(labels)} models"
        section = section_of_paths(found, figures_folder)
        page = _template("path_page").render(section=section, models=named)
    write_text(path, page)


@cache
def _template(name: str) -> Any:
    """Load a page's template; a name that is missing in it is an error, not a gap."""
    environment = Environment(
        loader=PackageLoader("latentgeo.report"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(f"{name}.html.j2")


def _shown(value: Any) -> Any:
    """Write out what has an effect and is not seen; escaping leaves it as it is."""
    return printable(value) if type(value) is str else value


def _context(found: Analysis, figures_folder: Path) -> dict[str, Any]:
    """Gather what the template sets."""
    models, tree, measures = found.models, found.tree, measures_of("analysis")
    noisy = models[0].noisy
    name = "no noise" if noisy is None else level_text(tree, noisy)
    own = [table for measure in measures for table in measure.tables_of(models, name)]
    return {
        "title": _title(models),
        "facts": _analysed(found, models),
        "unlearned": [model for model in models if model.learned is False],
        "models": [_section(model, name) for model in models],
        "by_level": tables.by_level(models),
        "tables": _by_section([tables.at_a_glance(models, name), tables.opened(models), *own]),
        "pictures": [picture_of(file) for file in found_figures(tree, figures_folder)],
        "undrawn": _undrawn(found),
        "omitted": omissions_by_model({model.label: model.data for model in models}),
        "meanings": {name: text for one in measures for name, text in one.meanings.items()},
        "identities": tables.identities(models),
        "provenance": _provenance(found, models),
    }


def _title(models: Sequence[ModelResult]) -> str:
    """Name the models while they are few."""
    if len(models) > _FEW:
        return f"Latent spaces of {len(models)} models"
    return f"Latent space{'s' * (len(models) > 1)} of {listed([one.label for one in models])}"


def _section(model: ModelResult, noisy: str) -> ModelSection:
    """Return the verdict and the numbers of a model; few where nothing was learned."""
    points = [
        point
        for measure in measures_of("analysis")
        if model.learned is not False or measure.shown_unlearned
        for point in measure.points(model, noisy)
    ]
    return ModelSection(model, str(model.attrs["verdict"]), tuple(points))


def _by_section(every: Sequence[Table]) -> Mapping[str, list[Table]]:
    """Return the tables that have rows by the section that they stand in."""
    found: dict[str, list[Table]] = {name: [] for name in _SECTIONS}
    for table in every:
        if table.rows:
            place = table.section if table.section in found else "measured"
            found[place].append(table.without_empty())
    return found


_SECTIONS = ("glance", "measured", "measured, details", "strata", "rules", "controls")


def _analysed(found: Analysis, models: Sequence[ModelResult]) -> dict[str, str]:
    """Return what was analysed."""
    attrs = found.tree.attrs
    return {
        "Data": str(attrs["data"]),
        "Images": str(attrs["samples"]),
        perturbation_label(found.tree): ", ".join(f"{level:g}" for level in models[0].levels),
        "Seed": str(attrs["seed"]),
        "Models": listed([model.label for model in models]),
    }


def _undrawn(found: Analysis) -> dict[str, str]:
    """Return the titles of the figures that could not be drawn, by the reason."""
    titles: dict[str, list[str]] = {}
    for name, reason in undrawn(found.tree).items():
        titles.setdefault(reason, []).append(figure_rows()[name].title)
    return {reason: "; ".join(named) for reason, named in titles.items()}


def _provenance(found: Analysis, models: Sequence[ModelResult]) -> dict[str, str]:
    """Return the recorded circumstances as readable JSON."""
    texts: dict[str, Any] = {"Analysis": found.provenance}
    for model in models:
        texts[model.label] = json.loads(model.attrs["provenance"])
        if model.opened:
            texts[model.label]["opened"] = model.opened
        if "settings" in model.attrs:
            texts[model.label]["settings"] = json.loads(model.attrs["settings"])
    texts["summary.json"] = dict(found.summary)
    return {name: json.dumps(text, indent=2, ensure_ascii=False) for name, text in texts.items()}
