"""What the decoder makes of paths: their length, the geodesic, and how evenly it stretches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from latentgeo.errors import reason_of
from latentgeo.geometry import geodesic, path_length, pullback_statistics
from latentgeo.lazy import xr
from latentgeo.measures.measure import Measure, Statement, nothing
from latentgeo.measures.paths.variables import entry, per_pair, readouts, text
from latentgeo.metrics import MeanInterval, bootstrap_median
from latentgeo.metrics.interpolation import Net
from latentgeo.results import ModelResult, Omission, Readout, Table, with_omissions
from latentgeo.results.words import NONE

if TYPE_CHECKING:
    from latentgeo.measures.paths.model_paths import ImagePaths

READOUTS = (
    *readouts(pairs=["length", "geodesic_excess"]),
    Readout("condition", "condition_median", "condition_ci", over="pairs"),
)
_GEODESICS = "geodesics and the decoder's condition number along paths"
_ITERATIONS = 200
_POINTS = 11
# Floating-point operations for all geodesics, about: some minutes on one core.
_WORK = 1e13
# A pass with gradients costs three without, and a step of the optimiser some 1.25 passes.
_PASSES = 3.75 * _ITERATIONS
_ALL_UP_TO, _DIRECTIONS = 64, 16
_LEAST_PAIRS = 6  # with fewer a median has no interval


class Stretch(NamedTuple):
    """What was measured of the decoder, and what was not."""

    variables: dict[str, Any]
    omissions: list[Omission]


def compute(paths: ImagePaths) -> xr.Dataset:
    """Measure length, geodesics and condition numbers of the paths under the decoder."""
    found = measure_decoder(paths.decode, paths.path, paths.settings.geodesics, paths.seed)
    return with_omissions(paths.dataset(found.variables), found.omissions)


def measure_decoder(decode: Net, path: Tensor, geodesics: int, seed: int) -> Stretch:
    """Measure the length of paths under the decoder, and geodesics between the first ends.

    Parameters
    ----------
    decode : callable
        Latents (b, ...) to images (b, C, H, W), differentiable.
    path : torch.Tensor of shape (pairs, steps, ...)
        Latents along each path.
    geodesics : int
        For how many pairs geodesics are looked for, the first ones; fewer where the decoder is
        large.
    seed : int
        Seeds the bootstrap over pairs.

    Returns
    -------
    Stretch
        Variables, and what was left out.
    """
    length = path_length(decode, path).cpu().numpy()
    variables = per_pair("length", length, seed)
    count, reason = _affordable(decode, path, geodesics)
    if not count:
        return Stretch(variables, [Omission(_GEODESICS, reason)] if reason else [])
    try:
        bent = _bent(decode, path[:count], seed) | _conditions(decode, path, count, seed)
    except (RuntimeError, NotImplementedError) as error:
        reason = f"the decoder cannot be differentiated ({reason_of(error).rstrip('.')})"
        return Stretch(variables, [Omission(_GEODESICS, reason)])
    return Stretch(variables | bent, [Omission(_GEODESICS, reason)] if reason else [])


def _bent(decode: Net, path: Tensor, seed: int) -> dict[str, Any]:
    found = geodesic(decode, path[:, 0], path[:, -1], points=_POINTS, iterations=_ITERATIONS)
    return {
        "geodesic_length": ("geodesic_pair", found.length.cpu().numpy()),
        "line_length": ("geodesic_pair", found.line_length.cpu().numpy()),
        **per_pair("geodesic_excess", found.excess.cpu().numpy(), seed, "geodesic_pair"),
        "geodesic_converged": ("geodesic_pair", found.converged.cpu().numpy()),
    }


def _conditions(decode: Net, path: Tensor, count: int, seed: int) -> dict[str, Any]:
    """Take the condition number at start, middle and end of some paths."""
    places = [0, path.shape[1] // 2, path.shape[1] - 1]
    points = path[:count][:, places].flatten(0, 1)
    directions, description = _directions(path)
    found = pullback_statistics(decode, points, directions=directions)
    condition = found.condition.reshape(count, len(places)).cpu().numpy()
    medians = [_median(each, seed) for each in condition.T]
    axes = ("geodesic_pair", "place")
    return {
        "place": ("place", ["start", "middle", "end"]),
        "condition": (axes, condition, {"directions": description}),
        "condition_median": ("place", np.array([one.mean for one in medians])),
        "condition_ci": (
            ("place", "bound"),
            np.array([(one.low, one.high) for one in medians]),
        ),
    }


def _median(values: NDArray[np.float64], seed: int) -> MeanInterval:
    """Return the median; of too few values the bootstrap's interval would be their range."""
    with np.errstate(invalid="ignore"):  # where a condition number is infinite
        found = bootstrap_median(values, seed=seed)
    none = np.asarray(np.nan)
    return found if len(values) >= _LEAST_PAIRS else MeanInterval(found.mean, none, none)


def _directions(path: Tensor) -> tuple[Tensor | None, str]:
    """Return every direction of a latent, or those in which the ends vary most."""
    size = path[0, 0].numel()
    if size <= _ALL_UP_TO:
        return None, f"all {size} directions of the latent"
    ends = path[:, [0, -1]].reshape(-1, size).double()
    basis = torch.linalg.svd(ends - ends.mean(0), full_matrices=False).Vh[:_DIRECTIONS].mT
    description = f"the {basis.shape[1]} directions (of {size}) in which the ends vary most"
    return basis.to(path.dtype), description


@torch.no_grad()
def _affordable(decode: Net, path: Tensor, wanted: int) -> tuple[int, str]:
    """Return how many geodesics a decoder of this size is worth, and why they are fewer."""
    with FlopCounterMode(display=False) as counter:
        decode(path[0, :1])
    each = counter.get_total_flops() * _POINTS * _PASSES
    most = int(_WORK / max(each, 1))
    count = min(wanted, most, len(path))
    if count == wanted or count == len(path):
        return count, ""
    of = "no pair" if not count else f"{count} of {wanted} pairs"
    return count, f"done for {of}: one takes some {each:.0e} floating-point operations"


def _tables(models: Sequence[ModelResult], between: str) -> list[Table]:
    rows = tuple(
        (
            model.label,
            text(model, "length", 2),
            text(model, "geodesic_excess", 3),
            _converged(model.data),
            *_stretch(model.data),
        )
        for model in models
        if "length_mean" in model.data
    )
    if not rows:
        return []
    return [
        Table(
            "Paths in the decoder's metric",
            (
                *("Model", "Length", "1 \N{MINUS SIGN} geodesic/line", "Geodesics found"),
                *("Condition number, start", "middle", "end", "Directions measured"),
            ),
            rows,
            "Length in pixel space, mean over pairs. Geodesics and medians of the condition number "
            "rest on few pairs; a median has an interval only where those are enough. For "
            "geodesics that have not converged, the saving is a lower bound.",
        )
    ]


def _converged(data: xr.Dataset) -> str:
    if "geodesic_converged" not in data:
        return NONE
    converged = data["geodesic_converged"].values
    return f"{len(converged)}, {int(converged.sum())} converged"


def _stretch(data: xr.Dataset) -> tuple[str, ...]:
    if "condition_median" not in data:
        return (NONE,) * 4
    medians = (_in_three_digits(data.sel(place=place)) for place in data["place"].values)
    return (*medians, str(data["condition"].attrs["directions"]))


def _in_three_digits(data: xr.Dataset) -> str:
    """Format a condition number, which may be of any size, in three digits."""
    median, (low, high) = float(data["condition_median"]), data["condition_ci"].values
    between = f" [{low:.3g}, {high:.3g}]" if np.isfinite([low, high]).all() else ""
    return f"{median:.3g}{between}" if np.isfinite(median) else "\N{INFINITY}"


MEASURE = Measure(
    "path_metric",
    compute,
    Statement(
        "lower is better",
        "bootstrap over pairs; of medians only with enough pairs",
        "a few hundred decoder passes per geodesic, capped in total",
    ),
    kinds=("interpolation",),
    readouts=READOUTS,
    entry=entry(READOUTS),
    sentences=nothing,
    tables=_tables,
    meanings={
        "Length and geodesic": "Length of the path in pixel space. The geodesic is the shortest "
        "path found between the same endpoints (a local minimum); 1 − geodesic/line is the share "
        "by which it is shorter, 0 where the line is as short.",
        "Condition number along the path": "How unevenly the decoder stretches latent directions "
        "along the path, from the metric JᵀJ; 1 is an isometry up to scale.",
    },
)
