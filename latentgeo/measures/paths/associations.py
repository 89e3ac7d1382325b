"""What goes together on paths: what a path is, and what becomes of its images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentgeo.lazy import xr
from latentgeo.measures.measure import Measure, Statement
from latentgeo.measures.paths.model_paths import ModelPaths
from latentgeo.metrics import RankCorrelation, spearman
from latentgeo.results import ModelResult, Readout, Table, plain
from latentgeo.results.words import NONE

GIVEN = ", given the distance between endpoints"
ASSOCIATION = Readout("association", "association", "association_ci", over="pairs")


def compute(paths: ModelPaths) -> xr.Dataset:
    """Correlate what paths are with what becomes of their images."""
    ranks = paths.ranks
    causes = {} if ranks is None else ranks.causes
    return paths.dataset(association_variables(causes, paths.effects, paths.apart, paths.seed))


def association_variables(
    causes: dict[str, NDArray[Any]],
    effects: dict[str, NDArray[Any]],
    apart: NDArray[Any],
    seed: int,
) -> dict[str, Any]:
    """Correlate what paths are with what becomes of their images, pair by pair.

    Each cause has two rows: as it is, and among paths that are as long, for long paths may have
    more of everything.

    Parameters
    ----------
    causes, effects : dict of str to numpy.ndarray of shape (pairs,)
        By name.
    apart : numpy.ndarray of shape (pairs,)
        Distance of the ends.
    seed : int
        Seeds the bootstrap over pairs.

    Returns
    -------
    dict
        Variables `association`, Spearman's correlation over (cause, effect), `association_ci`
        and `association_pairs`, how many pairs it rests on.
    """
    rows: dict[str, tuple[NDArray[Any], NDArray[Any] | None]] = {
        **{
            f"{name}{suffix}": (cause, given)
            for name, cause in causes.items()
            for suffix, given in (("", None), (GIVEN, apart))
        },
        "distance between endpoints": (apart, None),
    }
    found: list[RankCorrelation] = [
        spearman(cause, effect, given=given, seed=seed)
        for cause, given in rows.values()
        for effect in effects.values()
    ]
    shape = (len(rows), len(effects))
    axes = ("cause", "effect")
    ends = np.array([(one.low, one.high) for one in found]).reshape(*shape, 2)
    return {
        "cause": ("cause", list(rows)),
        "effect": ("effect", list(effects)),
        "association": (axes, np.array([one.rho for one in found]).reshape(shape)),
        "association_ci": ((*axes, "bound"), ends),
        "association_pairs": (axes, np.array([one.pairs for one in found]).reshape(shape)),
    }


def _pairs(model: ModelResult) -> list[tuple[str, str]]:
    data = model.data
    return [
        (str(one), str(other)) for one in data["cause"].values for other in data["effect"].values
    ]


def _entry(model: ModelResult) -> dict[str, Any]:
    found = []
    for cause, effect in _pairs(model):
        one = model.estimate(ASSOCIATION, cause=cause, effect=effect)
        found.append(
            {
                "cause": cause,
                "effect": effect,
                "spearman": plain(one.value),
                "interval": one.to_json()["ci95"],
                "pairs": int(model.data["association_pairs"].sel(cause=cause, effect=effect)),
            }
        )
    return {"associations": found}


def _sentences(model: ModelResult) -> list[str]:
    """Name the correlations with ranks whose interval leaves out zero."""
    given = [pair for pair in _pairs(model) if pair[0].endswith(GIVEN)]
    if not given:
        return []
    each = {
        (cause, effect): model.estimate(ASSOCIATION, cause=cause, effect=effect)
        for cause, effect in given
    }
    undefined = sum(bool(np.isnan(one.value)) for one in each.values())
    found = [
        f"{cause.partition(', given')[0]} with {effect} {one.text(2)}"
        for (cause, effect), one in each.items()
        if one.low > 0 or one.high < 0
    ]
    asked = (
        f"Given the distance between endpoints, {len(each) - undefined} correlations between "
        "ranks and image quality are defined"
    )
    if undefined:
        asked += f" ({undefined} more are undefined: constant over all pairs)"
    if not found:
        return [f"{asked}; no interval excludes 0."]
    have = "has" if len(found) == 1 else "have"
    return [
        f"{asked}; {len(found)} {have} an interval that excludes 0: {'; '.join(found)}. About one "
        "in twenty does so by chance."
    ]


def _tables(models: Sequence[ModelResult], between: str) -> list[Table]:
    return [table for model in models for table in [_table(model, between)] if table.rows]


def _table(model: ModelResult, between: str) -> Table:
    effects = [str(effect) for effect in model.data["effect"].values]
    rows = [
        (str(cause), *(_rho(model, str(cause), effect) for effect in effects))
        for cause in model.data["cause"].values
    ]
    return Table(
        f"Correlations along the paths {between}: {model.label}",
        ("Per path", *effects),
        tuple(row for row in rows if set(row[1:]) != {NONE}),
        "Spearman's correlation over pairs, with its 95 % bootstrap interval over them; in "
        "parentheses the number of pairs where it is not all of them. Left out: quantities that "
        "are constant over all pairs.",
    )


def _rho(model: ModelResult, cause: str, effect: str) -> str:
    one = model.estimate(ASSOCIATION, cause=cause, effect=effect)
    if np.isnan(one.value):
        return NONE
    count = int(model.data["association_pairs"].sel(cause=cause, effect=effect))
    some = f" ({count})" if count != model.data.sizes["pair"] else ""
    return one.text(2) + some


MEASURE = Measure(
    "associations",
    compute,
    Statement("neither", "bootstrap over pairs", "linear in the number of pairs"),
    kinds=("interpolation", "lines"),
    readouts=(ASSOCIATION,),
    entry=_entry,
    sentences=_sentences,
    tables=_tables,
    meanings={
        "Spearman's correlation over pairs": "From -1 to 1: whether pairs with more of one "
        "quantity also have more of the other. An interval that contains 0 shows no association. "
        "Distant pairs may have more of everything, so each row is repeated given the distance "
        "between endpoints (partial correlation). Correlation does not imply causation."
    },
)
