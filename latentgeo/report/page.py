"""From results to one HTML page."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from latentgeo.figures import figure_rows, found_figures, undrawn
from latentgeo.files import write_text
from latentgeo.foreign import printable
from latentgeo.measures import Measure, Tile, difference, measures_of, tiles_of
from latentgeo.report import tables
from latentgeo.report.assets import page_parts
from latentgeo.report.marks import Marks
from latentgeo.report.paths import section_of_paths
from latentgeo.report.pictures import Gallery, Picture, finding_of
from latentgeo.results import Analysis, ModelResult, Table, level_text
from latentgeo.results.levels import perturbation_label
from latentgeo.results.omission import omissions_by_model
from latentgeo.results.words import listed

_FEW = 3


@dataclass(frozen=True)
class ModelRow:
    """One model: its tiles, and what is said of it.

    Parameters
    ----------
    place : int
        Its place among the models.
    model : ModelResult
        The model.
    kind : str
        Recipe, backbone and latent in words.
    tiles : tuple of Tile
        What is shown at first sight.
    verdict : str
        What the analysis says of it.
    points : tuple of str
        Its numbers in sentences.
    """

    place: int
    model: ModelResult
    kind: str
    tiles: tuple[Tile, ...]
    verdict: str
    points: tuple[str, ...]


@dataclass(frozen=True)
class MeasureSection:
    """What the page shows of one measure.

    Parameters
    ----------
    anchor, title : str
        Its name inside the page, and its heading.
    measure : Measure
        What its numbers mean, and what its intervals cover.
    tables, controls, details : tuple of Table
        Its tables: what was found, what else could make it so, and all the rest.
    pictures : tuple of Picture
        Its figures.
    undrawn : dict of str to str
        Titles of the figures that show nothing here, and why.
    """

    anchor: str
    title: str
    measure: Measure
    tables: tuple[Table, ...]
    controls: tuple[Table, ...]
    details: tuple[Table, ...]
    pictures: tuple[Picture, ...]
    undrawn: dict[str, str]


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
    beside: Sequence[tuple[Analysis, Path]] = (),
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
    beside : sequence of (Analysis, pathlib.Path), default=()
        What was measured along paths between the latents of the same models, and where its figures
        lie.
    sections : sequence of Section, default=()
        Further sections, which stand after those of the measures.
    """
    gallery, models = Gallery(), found.models
    paths = [section_of_paths(one, folder, gallery) for one, folder in beside]
    if found.kind == "analysis":
        context = _context(found, figures_folder, gallery)
        name = "report"
        context |= {"beside": paths, "sections": sections}
    else:
        name = "path_page"
        context = {"section": section_of_paths(found, figures_folder, gallery)}
        context["title"] = f"{context['section'].title} of {_named(models)}"
    marks = Marks(models)
    page = _template(name).render(
        **context, **page_parts(gallery, len(models)), marks=marks, version=version("latentgeo")
    )
    write_text(path, page)


def landing(found: Analysis) -> str:
    """Return what stands on the first screen of a report, as HTML without any style.

    Parameters
    ----------
    found : Analysis
        An analysis.

    Returns
    -------
    str
        Tiles, the sentence on what differs, and the first table.
    """
    models = found.models
    return str(
        _template("landing").render(
            rows=_rows(models, _noisy(found)),
            difference=difference(models),
            glance=tables.at_a_glance(models, _noisy(found)),
            marks=Marks(models),
        )
    )


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
    environment.filters["csv"] = tables.csv_address
    return environment.get_template(f"{name}.html.j2")


def _shown(value: Any) -> Any:
    """Write out what has an effect and is not seen; escaping leaves it as it is."""
    return printable(value) if type(value) is str else value


def _context(found: Analysis, folder: Path, gallery: Gallery) -> dict[str, Any]:
    """Gather what the template sets."""
    models, noisy = found.models, _noisy(found)
    return {
        "title": f"Latent space{'s' * (len(models) > 1)} of {_named(models)}",
        "facts": _analysed(found, models),
        "difference": difference(models),
        "rows": _rows(models, noisy),
        "glance": tables.at_a_glance(models, noisy),
        "by_level": tables.by_level(models),
        "measured": _sections(found, folder, gallery),
        "omitted": omissions_by_model({model.label: model.data for model in models}),
        "opened": tables.opened(models),
        "identities": tables.identities(models),
        "provenance": _provenance(found, models),
    }


def _noisy(found: Analysis) -> str:
    noisy = found.models[0].noisy
    return "no noise" if noisy is None else level_text(found.tree, noisy)


def _named(models: Sequence[ModelResult]) -> str:
    """Name the models while they are few."""
    if len(models) > _FEW:
        return f"{len(models)} models"
    return listed([model.label for model in models])


def _rows(models: Sequence[ModelResult], noisy: str) -> list[ModelRow]:
    return [
        ModelRow(
            place,
            model,
            _kind(model),
            tuple(tiles_of(model, models)),
            str(model.attrs["verdict"]),
            tuple(_points(model, noisy)),
        )
        for place, model in enumerate(models)
    ]


def _kind(model: ModelResult) -> str:
    recipe, backbone = model.attrs["recipe"], model.attrs["backbone"]
    made = f"{recipe}, made elsewhere" if backbone == "custom" else f"{recipe} on {backbone}"
    return f"{made}, latent {model.latent}"


def _points(model: ModelResult, noisy: str) -> list[str]:
    """Return the numbers of a model in sentences; few where nothing was learned."""
    return [
        point
        for measure in measures_of("analysis")
        if not model.doubt or measure.shown_unlearned
        for point in measure.points(model, noisy)
    ]


def _sections(found: Analysis, folder: Path, gallery: Gallery) -> list[MeasureSection]:
    """Return a section for every measure that has something to show."""
    models, noisy = found.models, _noisy(found)
    files = {file.name: file for file in found_figures(found.tree, folder)}
    lacking = undrawn(found.tree, but=files)
    sections = []
    for measure in measures_of("analysis"):
        own = _by_place(measure.tables_of(models, noisy))
        said = {model.marked: _said(measure, model, noisy) for model in models}
        pictures = tuple(
            gallery.picture_of(files[row.name], finding_of(files[row.name], said))
            for row in measure.figures
            if row.name in files
        )
        titles = figure_rows()
        missing = {
            titles[row.name].title: lacking[row.name]
            for row in measure.figures
            if row.name in lacking
        }
        if own or pictures or missing:
            sections.append(
                MeasureSection(
                    f"measure-{measure.name.replace('_', '-')}",
                    measure.headed,
                    measure,
                    tuple(own[""]),
                    tuple(own["controls"]),
                    tuple(own["details"]),
                    pictures,
                    missing,
                )
            )
    return sections


def _said(measure: Measure, model: ModelResult, noisy: str) -> str:
    """Return what a measure says of a model in a sentence or two."""
    if model.doubt and not measure.shown_unlearned:
        return ""
    return " ".join(list(measure.points(model, noisy))[:2])


def _by_place(every: Sequence[Table]) -> dict[str, list[Table]]:
    """Return the tables that have rows by where they stand in their section."""
    found: dict[str, list[Table]] = defaultdict(list)
    for table in every:
        place = "details" if "details" in table.section else table.section
        if table.rows:
            found[place if place in ("controls", "details") else ""].append(table.without_empty())
    return found


def _analysed(found: Analysis, models: Sequence[ModelResult]) -> dict[str, str]:
    """Return what was analysed."""
    attrs = found.tree.attrs
    return {
        "Data": str(attrs["data"]),
        "Images": str(attrs["samples"]),
        perturbation_label(found.tree): ", ".join(f"{level:g}" for level in models[0].levels),
        "Seed": str(attrs["seed"]),
    }


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
