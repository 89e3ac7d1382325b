"""Results along interpolation paths, as a section of a report or a page of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from latentgeo.figures import found_figures
from latentgeo.lazy import xr
from latentgeo.measures import measures_of
from latentgeo.report.pictures import Gallery, Picture, finding_of
from latentgeo.results import Analysis, ModelResult, Omission, Readout, Table
from latentgeo.results.omission import omissions_by_model


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
    answer : mapping of str to str
        Whether paths cross strata and images break there, by the name of the model.
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
    answer: Mapping[str, str]
    tables: Sequence[Table]
    pictures: Sequence[Picture]
    omitted: Mapping[Omission, str]
    meaning: Mapping[str, str]
    provenance: str


_LEADS = {
    "interpolation": (
        "Interpolation between images",
        "Paths between the latents of pairs of test images, decoded step by step: whether the "
        "images in between look realistic, and whether paths change stratum where they do not.",
    ),
    "lines": (
        "The lines benchmark",
        "Paths between the latents of pairs of lines. The correct images in between are known: "
        "lines that rotate uniformly from one angle to the other (Berthelot, Raffel, Roy and "
        "Goodfellow, "
        "ICLR 2019).",
    ),
}


def section_of_paths(found: Analysis, figures_folder: Path, gallery: Gallery) -> PathSection:
    """Build the section.

    Parameters
    ----------
    found : Analysis
        From `latentgeo.interpolation.interpolate_images` or `score_lines`.
    figures_folder : pathlib.Path
        Where its figures lie; those that are there are embedded.
    gallery : Gallery
        The figures of the page.

    Returns
    -------
    PathSection
    """
    models, measures = found.models, measures_of(found.kind)
    title, lead = _LEADS[found.kind]
    between = "between lines" if found.kind == "lines" else "between images"
    answers = {model.marked: _answer(model, found.kind) for model in models}
    present = [measure for measure in measures if any(map(measure.measured, models))]
    return PathSection(
        found.kind,
        title,
        lead,
        _facts(found.tree, models),
        answers,
        [
            table.without_empty()
            for measure in present
            for table in measure.tables_of(models, between)
        ],
        [
            gallery.picture_of(file, finding_of(file, answers))
            for file in found_figures(found.tree, figures_folder)
        ],
        omissions_by_model({model.label: model.data for model in models}),
        {name: text for measure in present for name, text in measure.meanings.items()},
        json.dumps(
            {**found.provenance, "models": {model.label: _identity(model) for model in models}},
            indent=2,
            ensure_ascii=False,
        ),
    )


def _answer(model: ModelResult, kind: str) -> str:
    sentences = [
        text
        for measure in measures_of(kind)
        if not model.doubt or measure.shown_unlearned
        for text in measure.sentences_of(model)
    ]
    return " ".join(sentences)


def _identity(model: ModelResult) -> dict[str, object]:
    kept = ("recipe", "backbone", "weights_sha256")
    return {
        **{name: str(model.attrs[name]) for name in kept},
        **({"opened": model.opened} if model.opened else {}),
    }


def _facts(tree: xr.DataTree, models: Sequence[ModelResult]) -> dict[str, str]:
    attrs = tree.attrs
    facts = {
        "Data": f"{attrs['data']} ({attrs['split']})",
        "Pairs": str(attrs["pairs"]),
        "Steps": f"{attrs['steps']}, both reconstructed endpoints included",
        "Path": str(attrs["path"]),
    }
    if "classes_differ_mean" in tree:
        differ = Readout("classes_differ", "classes_differ_mean", "classes_differ_ci", "pairs")
        share = differ.read(tree.to_dataset()).text(2)
        facts["Pairs of different classes"] = f"share {share}"
    if "real_data" in attrs:
        counts = sorted({int(model.attrs["real_images"]) for model in models})
        text = " to ".join(map(str, counts))
        facts["Compared with"] = f"{text} images of {attrs['real_data']}, in {attrs['space']}"
    if "references" in attrs:
        facts["Compared with"] = f"{attrs['references']} lines, drawn as in {attrs['style']!r}"
    facts["Seed"] = str(attrs["seed"])
    return facts
