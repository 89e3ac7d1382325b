"""What the decoder makes of paths: their length, the geodesic, and how evenly it stretches."""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from latentgeo.analysis import Omission
from latentgeo.errors import reason_of
from latentgeo.geometry import geodesic, path_length, pullback_statistics
from latentgeo.interpolation.variables import per_pair
from latentgeo.metrics import MeanInterval, bootstrap_median
from latentgeo.metrics.interpolation import Net

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
    directions, said = _directions(path)
    found = pullback_statistics(decode, points, directions=directions)
    condition = found.condition.reshape(count, len(places)).cpu().numpy()
    medians = [_median(each, seed) for each in condition.T]
    axes = ("geodesic_pair", "place")
    return {
        "place": ("place", ["start", "middle", "end"]),
        "condition": (axes, condition, {"directions": said}),
        "condition_median": ("place", np.array([one.mean for one in medians])),
        "condition_ci": (
            ("place", "bound"),
            np.array([(one.low, one.high) for one in medians]),
        ),
    }


def _median(values: NDArray[np.float64], seed: int) -> MeanInterval:
    """Give the median; of too few values the bootstrap's interval would be their range."""
    with np.errstate(invalid="ignore"):  # where a condition number is infinite
        found = bootstrap_median(values, seed=seed)
    none = np.asarray(np.nan)
    return found if len(values) >= _LEAST_PAIRS else MeanInterval(found.mean, none, none)


def _directions(path: Tensor) -> tuple[Tensor | None, str]:
    """Give every direction of a latent, or those in which the ends vary most."""
    size = path[0, 0].numel()
    if size <= _ALL_UP_TO:
        return None, f"all {size} directions of the latent"
    ends = path[:, [0, -1]].reshape(-1, size).double()
    basis = torch.linalg.svd(ends - ends.mean(0), full_matrices=False).Vh[:_DIRECTIONS].mT
    said = f"the {basis.shape[1]} directions (of {size}) in which the ends vary most"
    return basis.to(path.dtype), said


@torch.no_grad()
def _affordable(decode: Net, path: Tensor, wanted: int) -> tuple[int, str]:
    """Say how many geodesics a decoder of this size is worth, and why they are fewer."""
    with FlopCounterMode(display=False) as counter:
        decode(path[0, :1])
    each = counter.get_total_flops() * _POINTS * _PASSES
    most = int(_WORK / max(each, 1))
    count = min(wanted, most, len(path))
    if count == wanted or count == len(path):
        return count, ""
    of = "no pair" if not count else f"{count} of {wanted} pairs"
    return count, f"done for {of}: one takes some {each:.0e} floating-point operations"
