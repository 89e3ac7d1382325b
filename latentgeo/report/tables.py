"""The tables of the report that are of all measures, or of the models themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

from latentgeo.measures import measures_of
from latentgeo.results import Column, ModelResult, Table, table_of
from latentgeo.results.words import NONE, number

_LEARNED = {True: "yes", False: "NO", None: "unknown"}


def at_a_glance(models: Sequence[ModelResult], noisy: str) -> Table:
    """Return the numbers that every measure puts first, one row per model and view.

    Parameters
    ----------
    models : sequence of ModelResult
        The models of an analysis.
    noisy : str
        What the noisy level is called.

    Returns
    -------
    Table
    """
    measures = [measure for measure in measures_of("analysis") if measure.glance(noisy)]
    columns = [
        Column("Model", lambda model, view: view.label),
        Column("Latent", lambda model, view: model.latent),
        Column("Learned", lambda model, view: _learned(model)),
        *(column for measure in measures for column in measure.glance(noisy)),
    ]
    notes = ["Square brackets: 95 % intervals over images.", *(one.glance_note for one in measures)]
    return table_of(
        "Ranks, Hilbert dimension, principal angle and PSNR",
        columns,
        [(model, view) for model in models for view in model.views],
        " ".join(filter(None, notes)),
        section="glance",
    )


def by_level(models: Sequence[ModelResult]) -> Table:
    """Return the numbers of every measure at every noise level."""
    columns = [
        Column("Model", lambda view, level: view.label),
        Column("Noise", lambda view, level: f"{level:g}"),
        *(column for measure in measures_of("analysis") for column in measure.by_level),
    ]
    return table_of(
        "Every noise level",
        columns,
        [(view, level) for model in models for view in model.views for level in model.levels],
        "Square brackets: 95 % intervals over images.",
        section="level",
    )


def opened(models: Sequence[ModelResult]) -> Table:
    """Return how models that others trained see images, and whether these come back.

    Parameters
    ----------
    models : sequence of ModelResult
        The models of an analysis; our own are passed over.

    Returns
    -------
    Table
    """
    return Table(
        "How models that others trained were opened",
        (
            "Model",
            "From",
            "What it makes of images in [0, 1]",
            "Where the latent is",
            "Round trip, as opened (dB)",
            "Under other codings (dB)",
            "Images' own mean (dB)",
        ),
        tuple(_opened(model) for model in models if "kind" in model.opened),
        "Round trip: PSNR of decode(encode(x)) on the first images. Noise is added before all of "
        "this, to the images of the data.",
        section="controls",
    )


def identities(models: Sequence[ModelResult]) -> Table:
    """Return which weights were analysed, and how."""
    names = {
        "Recipe": "recipe",
        "Backbone": "backbone",
        "Latent": "latent_kind",
        "Shape": "",
        "Computed in": "source_dtype",
        "Rank rule": "rank_rule",
        "Kernel": "kernel",
        "Checkpoint": "checkpoint",
        "Weights (SHA-256)": "weights_sha256",
    }
    rows = tuple(
        (
            model.label,
            *(str(model.attrs[name]) if name else model.latent for name in names.values()),
        )
        for model in models
    )
    return Table("The models", ("Model", *names), rows)


def _learned(model: ModelResult) -> str:
    doubt = ", with weights that do not fit" if model.opened.get("mismatch") else ""
    return f"{_LEARNED[model.learned]}{doubt}"


def _opened(model: ModelResult) -> tuple[str, ...]:
    card = model.opened.get("card", {})
    trip = model.opened.get("round_trip")
    layers = card.get("layers") or [card.get("encode") or "its encoder"]
    return (
        model.label,
        str(model.opened["kind"]),
        _settings(card.get("preprocessing", {})) or "nothing",
        ", ".join([*layers, _settings(card.get("posterior", {}))]).removesuffix(", "),
        number(trip["psnr_db"]) if trip else NONE,
        ", ".join(f"{name} {number(db)}" for name, db in trip["alternatives_db"].items())
        if trip
        else NONE,
        number(trip["baseline_db"]) if trip else NONE,
    )


def _settings(values: Mapping[str, Any]) -> str:
    """Format settings in a line, such as "size 32, range -1 to 1"."""
    return ", ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in values.items())


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(part if isinstance(part, str) else f"{part:g}" for part in value)
    return str(value)
