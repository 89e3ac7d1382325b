"""How alike the latents of several models are, on the same images under the same noise."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from latentgeo.latents import choose_images
from latentgeo.lazy import xr
from latentgeo.measures.encoding import Encoding
from latentgeo.measures.measure import FigureRow, Measure, Statement, nothing
from latentgeo.metrics import (
    LEAST_IMAGES,
    SIMILARITIES,
    SimilarityScore,
    principal_scores,
    similarities,
)
from latentgeo.results import (
    Column,
    ModelResult,
    Readout,
    Table,
    level_key,
    nearest_level,
    plain,
    table_of,
)
from latentgeo.results.words import NONE, listed, number

SIMILARITY = Readout(
    "similarity",
    "similarity",
    "similarity_ci",
    at={"similarity_measure": "linear-cka"},
    levels="similarity_noise",
)
_POINTS = "similarity_points"
_PERMUTATIONS = 99
_TABLED = ("similarity_noise", "similarity_measure", "other_model")
#: What each measure is called.
NAMES = {
    "linear-cka": "linear CKA",
    "gaussian-cka": "Gaussian CKA",
    "rsa": "RSA",
    "procrustes": "Procrustes",
    "subspace": "principal angles",
    "mutual-neighbours": "mutual neighbours",
}


def compute(encoding: Encoding) -> xr.Dataset:
    """Keep what a comparison with other models needs: latents of some images up to rotation.

    Returns
    -------
    xarray.Dataset
        `similarity_points` (similarity_noise, similarity_sample, component): principal scores of
        the clean latents and of those at the noisy level, about their mean.
    """
    settings, reader = encoding.settings, encoding.readers["mean"]
    chosen = choose_images(encoding.samples, settings.similarity_images, settings.seed)
    levels = encoding.latents["noise"].values
    noisy = nearest_level(levels)
    places = [0] if noisy is None else [0, int(np.flatnonzero(levels == noisy)[0])]
    scores = [principal_scores(reader.read(place, chosen).cpu().numpy()) for place in places]
    return xr.Dataset(
        {
            _POINTS: (
                ("similarity_noise", "similarity_sample", "component_of_scores"),
                np.stack(scores).astype(np.float32),
            )
        },
        coords={
            "similarity_noise": levels[places],
            "similarity_sample": encoding.latents["sample"].values[chosen],
        },
    )


def between_models(models: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Compare every two models by all measures of `SIMILARITIES`.

    Parameters
    ----------
    models : mapping of str to xarray.Dataset
        What was measured of each, on the same images.

    Returns
    -------
    dict of str to xarray.Dataset
        For each of two or more models: `similarity` (similarity_noise, similarity_measure,
        other_model) with `similarity_ci`, `similarity_p_value` of a permutation test and
        `similarity_by_chance`, the mean over random pairings of the images.
    """
    kept = {label: data for label, data in models.items() if _POINTS in data}
    if len(kept) < 2:
        return {}
    first = next(iter(kept.values()))
    seed = json.loads(first.attrs["settings"])["seed"]
    levels = first["similarity_noise"].values
    points = [data[_POINTS].values for data in kept.values()]
    scores = [
        [
            similarities(
                [one[level] for one in points], name, permutations=_PERMUTATIONS, seed=seed
            )
            for name in SIMILARITIES
        ]
        for level in range(len(levels))
    ]
    return {
        label: _variables(place, list(kept), scores, levels) for place, label in enumerate(kept)
    }


def _variables(
    place: int,
    labels: Sequence[str],
    scores: Sequence[Sequence[Mapping[tuple[int, int], SimilarityScore]]],
    levels: np.ndarray,
) -> xr.Dataset:
    """Return the scores of one model with every other one."""
    others = [at for at in range(len(labels)) if at != place]
    found = np.array(
        [
            [[by_pair[min(place, at), max(place, at)] for at in others] for by_pair in of_level]
            for of_level in scores
        ]
    )
    value, low, high, p_value, by_chance = np.moveaxis(found, -1, 0)
    return xr.Dataset(
        {
            "similarity": (_TABLED, value),
            "similarity_ci": ((*_TABLED, "bound"), np.stack([low, np.minimum(high, 1)], axis=-1)),
            "similarity_p_value": (_TABLED, p_value),
            "similarity_by_chance": (_TABLED, by_chance),
        },
        coords={
            "similarity_noise": levels,
            "similarity_measure": list(SIMILARITIES),
            "other_model": [labels[at] for at in others],
            "bound": ["low", "high"],
        },
    )


def _others(model: ModelResult) -> list[str]:
    return model.data["other_model"].values.tolist() if "similarity" in model.data else []


def _measures(model: ModelResult) -> list[str]:
    return [str(name) for name in model.data["similarity_measure"].values]


def _levels(model: ModelResult) -> list[float]:
    return [float(level) for level in model.data["similarity_noise"].values]


def _at(model: ModelResult, other: str, measure: str, level: float) -> xr.Dataset:
    names = ["similarity_p_value", "similarity_by_chance"]
    return model.data[names].sel(
        other_model=other, similarity_measure=measure, similarity_noise=level
    )


def _entry(model: ModelResult) -> dict[str, Any]:
    others = _others(model)
    if not others:
        return {}

    def at(other: str, measure: str, level: float) -> dict[str, Any]:
        beside = _at(model, other, measure, level)
        found = model.estimate(SIMILARITY, level, other_model=other, similarity_measure=measure)
        return {
            **found.to_json(),
            "p_value": plain(beside["similarity_p_value"]),
            "by_chance": plain(beside["similarity_by_chance"]),
        }

    return {
        "similarity": {
            level_key(level): {
                name: {other: at(other, name, level) for other in others}
                for name in _measures(model)
            }
            for level in _levels(model)
        }
    }


def _points(model: ModelResult, noisy: str) -> list[str]:
    nearest = _nearest(model)
    return [] if not nearest else [f"Similarity of latents to other models: {nearest}."]


def _terminal(model: ModelResult) -> str:
    nearest = _nearest(model)
    return nearest and f"{model.label}: {nearest}"


def _nearest(model: ModelResult) -> str:
    """Return which model is most alike on clean images, by linear CKA."""
    found = {other: model.estimate(SIMILARITY, other_model=other) for other in _others(model)}
    found = {other: one for other, one in found.items() if np.isfinite(one.value)}
    if not found:
        return ""
    other = max(found, key=lambda name: found[name].value)
    beside = _at(model, other, "linear-cka", 0.0)
    return (
        f"most similar to {other} on clean images, linear CKA {found[other].text(2)} (chance "
        f"level {number(float(beside['similarity_by_chance']), 2)}, "
        f"p = {float(beside['similarity_p_value']):.2g})"
    )


def _tables(models: Sequence[ModelResult], noisy: str) -> list[Table]:
    compared = [model for model in models if _others(model)]
    if not compared:
        return []
    columns = (
        Column("Models", lambda one, other, level: f"{one.label} and {other.label}"),
        Column("Images", lambda one, other, level: noisy if level else "clean"),
        *(Column(_headed(name), _cell(name)) for name in _measures(compared[0])),
    )
    rows = [
        (one, other, level) for one, other in combinations(compared, 2) for level in _levels(one)
    ]
    images = compared[0].data.sizes["similarity_sample"]
    note = (
        f"On the same {images} images and the same noise; 1 is the maximum. Square brackets: 95 % "
        "intervals over images (delete-a-group jackknife); then the chance level, the mean over "
        f"{_PERMUTATIONS} random permutations of the images, and “n.s.” where more than 5 % of "
        "them are as similar. Compare a number with its own chance level, not across columns."
    )
    return [
        table_of("Similarity between models", columns, rows, note, section="measured"),
        _definitions(_measures(compared[0])),
    ]


def _headed(measure: str) -> str:
    return NAMES[measure][0].upper() + NAMES[measure][1:]


def _cell(measure: str) -> Any:
    def text(one: ModelResult, other: ModelResult, level: float) -> str:
        found = one.estimate(SIMILARITY, level, other_model=other.label, similarity_measure=measure)
        if not np.isfinite(found.value):
            return NONE
        beside = _at(one, other.label, measure, level)
        unsure = ", n.s." if float(beside["similarity_p_value"]) > 0.05 else ""
        return f"{found.text(2)}; {number(float(beside['similarity_by_chance']), 2)}{unsure}"

    return text


_INVARIANCES = {
    "orthogonal": "rotation and reflection",
    "scaling": "isotropic scaling",
    "shift": "translation",
}


def _definitions(measures: Sequence[str]) -> Table:
    rows = tuple(
        (
            _headed(name),
            row.definition,
            listed([text for key, text in _INVARIANCES.items() if key in row.invariances]),
            row.reference,
        )
        for name, row in ((name, SIMILARITIES[name]) for name in measures)
    )
    columns = ("Similarity", "Definition", "Invariant under", "Reference")
    return Table("Definitions of the similarities", columns, rows, section="measured, details")


MEASURE = Measure(
    "similarity",
    compute,
    Statement(
        "neither",
        "delete-a-group jackknife over images, about the value at this number of images",
        "for each pair of models a few hundred matrix products over the compared images",
        ("shift", "scale", "rotation", "channel order", "reflection"),
    ),
    images=LEAST_IMAGES,
    together=between_models,
    heading="Similarity between models",
    readouts=(SIMILARITY,),
    entry=_entry,
    sentences=nothing,
    points=_points,
    tables=_tables,
    terminal=_terminal,
    figures=(
        FigureRow(
            "similarity",
            "latentgeo.figures.similarity:SimilarityDisplay",
            "Similarity between models",
            "Similarity of the clean latents of each pair of models, by six measures. Grey: not "
            "above 95 % of random permutations of the images.",
            "Read along a row: which models agree on which images are similar. Measures that "
            "disagree weigh the latents differently: CKA and Procrustes emphasise directions of "
            "large variance, principal angles weigh ten directions equally, mutual neighbours "
            "compare only the local structure.",
        ),
    ),
    meanings={
        "Similarity between models": "How similar the latents of two models are on the same "
        "images, whatever their sizes and shapes: 1 is the maximum, and the chance level is given "
        "beside it. All measures are invariant to rotation, reflection, translation and scaling "
        "of the latents."
    },
)
