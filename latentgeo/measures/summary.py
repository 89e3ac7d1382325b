"""The results as one JSON document (schema in docs/summary.md)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np

from latentgeo.lazy import xr
from latentgeo.measures.table import measures_of
from latentgeo.results import Analysis, ModelResult, models_of, omissions_of, plain

SCHEMA_VERSION = 1
_ANALYSIS = ("data", "samples", "seed", "perturbation")
_PATHS = ("kind", "data", "pairs", "steps", "path", "seed")


def summarize(tree: xr.DataTree) -> dict[str, Any]:
    """Return the summary of an analysis, or of results along paths.

    Parameters
    ----------
    tree : xarray.DataTree
        From `latentgeo.analyze`, `interpolate_images` or `score_lines`: one child per model.

    Returns
    -------
    dict
        JSON-ready: every number a plain number, NaN as None; noise levels, ranks and strata
        are keys of type str. The schema is documented in docs/summary.md.
    """
    kind = str(tree.attrs.get("kind", "analysis"))
    models = models_of(tree)
    facts = _ANALYSIS if kind == "analysis" else _PATHS
    noise = {"noise": models[0].data["noise"].values.tolist()} if kind == "analysis" else {}
    entry = _model if kind == "analysis" else _path_model
    return {
        "schema_version": SCHEMA_VERSION,
        **{name: plain(np.asarray(tree.attrs[name])) for name in facts},
        **noise,
        "provenance": json.loads(tree.attrs["provenance"]),
        "models": {model.label: entry(model, kind) for model in models},
    }


def together_entries(model: ModelResult) -> dict[str, Any]:
    """Return the entries of a model that are of several models together."""
    found: dict[str, Any] = {}
    for measure in measures_of("analysis"):
        found |= {} if measure.together is None else measure.entry_of(model)
    return found


def in_lines(found: Analysis) -> list[str]:
    """Return what a command prints of results at its end; models that have not learned say so."""
    lines = [
        measure.terminal(replace(model, label=model.marked))
        for model in found.models
        for measure in measures_of(found.kind)
    ]
    return [line for line in lines if line]


def _model(model: ModelResult, kind: str) -> dict[str, Any]:
    attrs, samples = model.attrs, model.data.sizes["sample"]
    found: dict[str, Any] = {
        "recipe": attrs["recipe"],
        "backbone": attrs["backbone"],
        "learned": model.learned,
        "verdict": attrs["verdict"],
        "latent_shape": [int(length) for length in attrs["latent_shape"]],
        "latent_kind": attrs["latent_kind"],
        "compared_images": int(attrs.get("compared_images", samples)),
        "angle_images": int(attrs.get("angle_images", samples)),
        "rank_rule": attrs["rank_rule"],
        "source_dtype": attrs["source_dtype"],
        "kernel": attrs["kernel"],
        "weights_sha256": attrs["weights_sha256"],
        "omitted": json.loads(attrs["omitted"]),
    }
    for view in model.views:
        own = found if view.view == "mean" else found.setdefault("sampled", {})
        for measure in measures_of(kind):
            own |= measure.view_entry_of(view)
    for measure in measures_of(kind):
        found |= measure.entry_of(model)
    return found


def _path_model(model: ModelResult, kind: str) -> dict[str, Any]:
    """Return the numbers of a model's paths, without those of single pairs."""
    kept = ("recipe", "backbone", "stochastic", "weights_sha256", "latent_shape")
    found: dict[str, Any] = {
        **{name: plain(np.asarray(model.attrs[name])) for name in kept},
        "measures": {},
        "associations": [],
        "omitted": [one._asdict() for one in omissions_of(model.data)],
    }
    for measure in measures_of(kind):
        own = measure.entry_of(model)
        found["measures"] |= own.pop("measures", {})
        found |= own
    return found
