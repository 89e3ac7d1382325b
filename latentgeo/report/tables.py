"""The tables of the report that are of all measures, or of the models themselves."""

from collections.abc import Mapping, Sequence
from csv import writer
from io import StringIO
from typing import Any
from urllib.parse import quote

from latentgeo.measures import measures_of
from latentgeo.results import Column, ModelResult, Table, table_of
from latentgeo.results.words import ARROW, NONE, number

_MOST_COLUMNS = 7  # a table of more is cut on a page of paper


def at_a_glance(models: Sequence[ModelResult], noisy: str) -> list[Table]:
    """Return the numbers that every measure puts first, one row per model and view.

    Parameters
    ----------
    models : sequence of ModelResult
        The models of an analysis.
    noisy : str
        What the noisy level is called.

    Returns
    -------
    list of Table
        The first one, and more where users' measures add more columns than one table takes.
    """
    measures = [measure for measure in measures_of("analysis") if measure.glance(noisy)]
    known = [
        Column("Model", lambda model, view: view.label),
        Column("Latent", lambda model, view: model.latent),
    ]
    columns = [column for measure in measures for column in measure.glance(noisy)]
    moved = models[0].noisy is not None
    notes = [
        "Square brackets: 95 % intervals over images.",
        f"{ARROW} leads from clean images to those at {noisy}." if moved else "",
        *(one.glance_note for one in measures),
    ]
    rows = [(model, view) for model in models for view in model.views]
    across = _MOST_COLUMNS - len(known)
    return [
        table_of(
            f"Headline numbers of every measure{', continued' * bool(start)}",
            [*known, *columns[start : start + across]],
            rows,
            " ".join(filter(None, notes)) if not start else "",
        ).without_empty()
        for start in range(0, len(columns), across)
    ]


def csv_address(table: Table) -> str:
    """Return a table as CSV in an address that a link can save."""
    text = StringIO()
    writer(text).writerows([table.columns, *table.rows])
    return f"data:text/csv;charset=utf-8,{quote(text.getvalue())}"


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
    ).without_empty()


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
        "How third-party models were loaded",
        (
            "Model",
            "From",
            "Preprocessing of images in [0, 1]",
            "Latent taken from",
            "Round trip, as loaded (dB)",
            "With other preprocessing (dB)",
            "Mean image (dB)",
        ),
        tuple(_opened(model) for model in models if "kind" in model.opened),
        "Round trip: PSNR of decode(encode(x)) on the first images. Noise is added to the images "
        "of the data, before any preprocessing.",
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
