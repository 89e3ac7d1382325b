"""Ranks along paths: whether they cross strata, and how flat the latents between are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from latentgeo.geometry import effective_rank, mode_names, path_ranks
from latentgeo.geometry.rank import RankRule
from latentgeo.lazy import xr
from latentgeo.measures.latents import is_vector
from latentgeo.measures.measure import Measure, Statement
from latentgeo.measures.paths.variables import (
    against_the_ends,
    along_steps,
    ends_and_inside,
    entry,
    middle,
    per_pair,
    readouts,
    text,
)
from latentgeo.results import Estimate, ModelResult, Omission, Table
from latentgeo.results.words import span

if TYPE_CHECKING:
    from latentgeo.measures.paths.model_paths import ModelPaths

(JUMP,) = readouts(pairs=["step_at_crossings"])
# Latents of more than four modes have ranks, but no readouts of them.
READOUTS = (
    *readouts(
        steps=[*(f"rank_{mode.lower()}" for mode in mode_names(4)), "effective_rank"],
        pairs=["crossings", "crossings_float32_covariance"],
    ),
    JUMP,
)
#: Rank rules, the one that every count is under first.
RULES: tuple[RankRule, ...] = ("spectrum", "float32-covariance")


class PathRanks(NamedTuple):
    """Ranks along paths.

    Attributes
    ----------
    variables : dict
        For a data set.
    causes : dict of str to numpy.ndarray of shape (pairs,)
        What they say of each path, in words.
    crossed : numpy.ndarray of shape (pairs, steps - 1)
        Whether any of the ranks changes from one step to the next.
    """

    variables: dict[str, Any]
    causes: dict[str, NDArray[np.float64]]
    crossed: NDArray[np.bool_]

    def at_crossings(self, moved: NDArray[np.float64], seed: int) -> dict[str, Any]:
        """Compare how far images move where a path crosses with elsewhere on it.

        Parameters
        ----------
        moved : numpy.ndarray of shape (pairs, steps - 1)
            From each step to the next.
        seed : int
            Seeds the bootstrap over pairs.

        Returns
        -------
        dict
            Variables `crossed` and `step_at_crossings`: the ratio of the means less 1; NaN for
            paths that cross nowhere or everywhere, and those whose images stand still elsewhere.
        """
        at, elsewhere = (_mean_where(moved, here) for here in (self.crossed, ~self.crossed))
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(elsewhere > 0, at / elsewhere - 1, np.nan)
        return {
            "crossed": (("pair", "gap"), self.crossed),
            **per_pair("step_at_crossings", ratio, seed),
        }


def compute(paths: ModelPaths) -> xr.Dataset:
    """Measure ranks along the paths, and how far images move where they change."""
    found = paths.ranks
    if found is None:
        return xr.Dataset()
    return paths.dataset(found.variables | found.at_crossings(paths.moved, paths.seed))


def measure_ranks(path: Tensor, source_dtype: str, seed: int) -> PathRanks | None:
    """Measure ranks and spectra along paths, under both rules.

    Parameters
    ----------
    path : torch.Tensor of shape (pairs, steps, C, ...)
        Latents along each path.
    source_dtype : str
        What they were computed in.
    seed : int
        Seeds the bootstrap over pairs.

    Returns
    -------
    PathRanks or None
        None where the latents are vectors, which have no modes to unfold.
    """
    if is_vector(tuple(path.shape[2:])):
        return None
    latents, modes = path.double().numpy(), mode_names(path.ndim - 2)
    found = {rule: path_ranks(latents, rule, source_dtype=source_dtype) for rule in RULES}
    ranks = np.stack([one.ranks for one in found.values()])
    spectra = found[RULES[0]].singular_values
    effective = np.stack([effective_rank(values) for values in spectra], axis=-1)
    flatness = effective.mean(axis=-1)
    first = ranks[0]
    crossings = {rule: one.crossings.astype(np.float64) for rule, one in found.items()}
    variables = {
        "mode": ("mode", list(modes)),
        "rule": ("rule", list(RULES)),
        "rank": (("rule", "pair", "step", "mode"), ranks),
        **{
            f"singular_value_{mode.lower()}": (
                ("pair", "step", f"direction_{mode.lower()}"),
                values,
            )
            for mode, values in zip(modes, spectra, strict=True)
        },
        **{
            name: value
            for at, mode in enumerate(modes)
            for name, value in along_steps(f"rank_{mode.lower()}", first[..., at], seed).items()
        },
        **along_steps("effective_rank", flatness, seed),
        **per_pair("crossings", crossings[RULES[0]], seed),
        **per_pair("crossings_float32_covariance", crossings[RULES[1]], seed),
    }
    causes = {
        "crossings, rule spectrum": crossings[RULES[0]],
        "crossings, rule float32-covariance": crossings[RULES[1]],
        "rank loss at the midpoint, rule spectrum": _lost(ranks[0]),
        "rank loss at the midpoint, rule float32-covariance": _lost(ranks[1]),
        "effective rank loss at the midpoint": -against_the_ends(flatness),
    }
    return PathRanks(variables, causes, (first[:, 1:] != first[:, :-1]).any(axis=-1))


def _lost(ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return by how much the sum of the ranks (pairs, steps, modes) is lower than at the ends."""
    total = ranks.sum(axis=-1).astype(np.float64)
    lost: NDArray[np.float64] = total[:, [0, -1]].mean(axis=1) - middle(total)
    return lost


def _mean_where(values: NDArray[np.float64], here: NDArray[np.bool_]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: NDArray[np.float64] = (values * here).sum(axis=1) / here.sum(axis=1)
    return mean


def _crosses(model: ModelResult) -> bool:
    return "crossings" in model.data


def _sentences(model: ModelResult) -> list[str]:
    """Return whether the paths of a model cross strata, and what happens there."""
    if not _crosses(model):
        return ["latents are vectors, which have no ranks; there are no strata to cross."]
    crossing = int((model.data["crossings"] > 0).sum())
    sentence = (
        f"{crossing} of {model.data.sizes['pair']} paths cross strata (spectrum rule), "
        f"{text(model, 'crossings', 2)} crossings per path"
    )
    change = model.estimate(JUMP)
    if np.isfinite(change.value):
        percent = Estimate(100 * change.value, 100 * change.low, 100 * change.high)
        sentence += (
            f"; at a crossing, the image changes {percent.text(0)} % more than elsewhere on the "
            "path"
        )
    return [f"{sentence}."]


def _tables(models: Sequence[ModelResult], between: str) -> list[Table]:
    rows = tuple(
        (
            model.label,
            f"{int((model.data['crossings'] > 0).sum())} of {model.data.sizes['pair']}",
            text(model, "crossings", 2),
            text(model, "crossings_float32_covariance", 2),
            _ranges(model, [0, -1]),
            _ranges(model, slice(1, -1)),
            *ends_and_inside(model, "effective_rank", 2),
        )
        for model in models
        if _crosses(model)
    )
    if not rows:
        return []
    return [
        Table(
            f"Ranks along the paths {between}",
            (
                *("Model", "Paths that cross", "Crossings per path"),
                *("Crossings, float32-covariance", "Ranks, endpoints", "Ranks between"),
                *("Effective rank, endpoints", "Effective rank between"),
            ),
            rows,
            "Ranks: ranges of S1, S2, … over pairs and steps, under the spectrum rule.",
        )
    ]


def _ranges(model: ModelResult, steps: list[int] | slice) -> str:
    ranks = model.data["rank"].isel(rule=0, step=steps).transpose(..., "mode").values
    return ", ".join(span(each) for each in ranks.reshape(-1, len(model.modes)).T)


MEASURE = Measure(
    "path_ranks",
    compute,
    Statement(
        "neither",
        "bootstrap over pairs",
        "one singular value decomposition of each unfolding at each step",
    ),
    kinds=("interpolation", "lines"),
    needs=("tensor",),
    absences={
        "tensor": Omission(
            "ranks along paths", "latents are vectors, and a vector has no modes to unfold"
        )
    },
    readouts=READOUTS,
    entry=entry(READOUTS),
    sentences=_sentences,
    tables=_tables,
    meanings={
        "Crossings": "How often the ranks by mode change along a path, that is, how often it "
        "crosses into another stratum. It depends on the rank rule, so two rules are given. "
        "Latents without exact zeros have full rank almost everywhere; then no stratum is crossed.",
        "Effective rank": "Exponential of the entropy of the singular values, mean of the "
        "modes: a rank without a threshold (Roy and Vetterli 2007).",
    },
)
