"""Measures along paths as variables: each with its mean over pairs and the interval of that."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentgeo.metrics import MeanInterval, bootstrap_mean
from latentgeo.results import ModelResult, Readout, plain
from latentgeo.results.words import NONE

BOUNDS = ["low", "high"]


def readouts(
    *, steps: Sequence[str] = (), pairs: Sequence[str] = (), values: Sequence[str] = ()
) -> tuple[Readout, ...]:
    """Return how the variables that are made here are read.

    Parameters
    ----------
    steps, pairs, values : sequence of str
        Names of those of `along_steps`, of `per_pair` and of `with_interval`.

    Returns
    -------
    tuple of Readout
    """
    return (
        *(Readout(name, f"{name}_mean", f"{name}_ci", over="pairs") for name in (*steps, *pairs)),
        *(
            Readout(name, name, f"{name}_ci", over="pairs")
            for name in (*(f"{name}_inside" for name in steps), *values)
        ),
    )


def entry(found: Sequence[Readout]) -> Callable[[ModelResult], dict[str, Any]]:
    """Return the summary entry of readouts: value and interval, lists where they have steps."""

    def of(model: ModelResult) -> dict[str, Any]:
        data = model.data
        return {
            "measures": {
                one.name: {
                    "value": plain(data[one.value]),
                    "interval": plain(data[one.interval].transpose(..., "bound")),
                }
                for one in found
                if one.value in data
            }
        }

    return of


def text(model: ModelResult, name: str, digits: int) -> str:
    """Format a mean over pairs with its interval; a dash where it was not measured."""
    for one in (*readouts(pairs=[name]), *readouts(values=[name])):
        if one.value in model.data:
            return model.estimate(one).text(digits)
    return NONE


def ends_and_inside(model: ModelResult, name: str, digits: int) -> tuple[str, str]:
    """Format a measure along steps: at both ends, and its mean between them."""
    at_step, inside = readouts(steps=[name])
    first, last = (model.estimate(at_step, step=step).text(digits) for step in (0.0, 1.0))
    return f"{first} and {last}", model.estimate(inside).text(digits)


def along_steps(name: str, values: NDArray[Any], seed: int) -> dict[str, Any]:
    """Return a measure of each image, its mean at each step and between the ends.

    Parameters
    ----------
    name : str
        What the measure is called.
    values : numpy.ndarray of shape (pairs, steps)
        The measure.
    seed : int
        Seeds the bootstrap over pairs.

    Returns
    -------
    dict
        Variables `name`, `name_mean` and `name_ci` over the steps, and `name_inside` with its
        `_ci`: the mean over the steps between the ends.
    """
    return {
        name: (("pair", "step"), values),
        **_mean(name, ("step",), bootstrap_mean(values.T, seed=seed), "_mean"),
        **_mean(f"{name}_inside", (), bootstrap_mean(_inside(values), seed=seed)),
    }


def per_pair(name: str, values: NDArray[Any], seed: int, dimension: str = "pair") -> dict[str, Any]:
    """Return a measure of each pair, and its mean over those where it is defined.

    Parameters
    ----------
    name : str
        What the measure is called.
    values : numpy.ndarray of shape (pairs,)
        NaN where it is undefined.
    seed : int
        Seeds the bootstrap over pairs.
    dimension : str, default="pair"
        Over which it lies.

    Returns
    -------
    dict
        Variables `name`, `name_mean` and `name_ci`; NaN where no pair has it.
    """
    defined = values[~np.isnan(values)]
    none = MeanInterval(*(np.asarray(np.nan),) * 3)
    mean = bootstrap_mean(defined, seed=seed) if len(defined) else none
    return {name: ((dimension,), values), **_mean(name, (), mean, "_mean")}


def with_interval(name: str, value: float, ends: tuple[float, float]) -> dict[str, Any]:
    """Return a number and its interval as variables."""
    return {name: ((), value), f"{name}_ci": ("bound", np.array(ends))}


def against_the_ends(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return what a measure (pairs, steps) is in the middle of each path, relative to its ends.

    Returns
    -------
    numpy.ndarray of shape (pairs,)
        Middle over the mean of the ends, less 1; NaN where the ends have 0. With an even number of
        steps, the middle is the mean of the two in the middle.
    """
    ends = values[:, [0, -1]].mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(ends > 0, middle(values) / ends - 1, np.nan)


def middle(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return a measure (pairs, steps, ...) in the middle of each path: (pairs, ...)."""
    last = values.shape[1] - 1
    halfway: NDArray[np.float64] = values[:, [last // 2, (last + 1) // 2]].mean(axis=1)
    return halfway


def _inside(values: NDArray[Any]) -> NDArray[np.float64]:
    inner = values[:, 1:-1]
    means: NDArray[np.float64] = (
        inner.mean(axis=1) if inner.shape[1] else np.full(len(values), np.nan)
    )
    return means


def _mean(
    name: str, axes: tuple[str, ...], found: MeanInterval, suffix: str = ""
) -> dict[str, Any]:
    return {
        f"{name}{suffix}": (axes, found.mean),
        f"{name}_ci": ((*axes, "bound"), np.stack([found.low, found.high], axis=-1)),
    }
