"""Measures along paths as variables: each with its mean over pairs and the interval of that."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from latentgeo.metrics import MeanInterval, RankCorrelation, bootstrap_mean, spearman

BOUNDS = ["low", "high"]
GIVEN = ", given the distance of the ends"


def along_steps(name: str, values: NDArray[Any], seed: int) -> dict[str, Any]:
    """Give a measure of each image, its mean at each step and between the ends.

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
    """Give a measure of each pair, and its mean over those where it is defined.

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
    """Give a number and its interval as variables."""
    return {name: ((), value), f"{name}_ci": ("bound", np.array(ends))}


def associations(
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
        "distance of the ends": (apart, None),
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


def against_the_ends(values: NDArray[Any]) -> NDArray[np.float64]:
    """Give what a measure (pairs, steps) is in the middle of each path, relative to its ends.

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
    """Give a measure (pairs, steps, ...) in the middle of each path: (pairs, ...)."""
    last = values.shape[1] - 1
    halfway: NDArray[np.float64] = values[:, [last // 2, (last + 1) // 2]].mean(axis=1)
    return halfway


def as_dataset(variables: dict[str, Any], steps: int) -> xr.Dataset:
    """Put variables over named dimensions into one data set."""
    coordinates = {"step": np.linspace(0, 1, steps), "bound": BOUNDS}
    return xr.Dataset(variables, coords=coordinates)


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
