"""Noise levels: which one stands for the noisy ones, and what they are called."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from latentgeo.lazy import xr

SIGMA = "\N{GREEK SMALL LETTER SIGMA}"

_Labelled = TypeVar("_Labelled", "xr.DataArray", "xr.Dataset")


def nearest_level(levels: NDArray[np.float64], wanted: float = 0.1) -> float | None:
    """Return the level above 0 that is nearest to the wanted one.

    Parameters
    ----------
    levels : numpy.ndarray of shape (levels,)
        Noise levels, in any order.
    wanted : float, default=0.1
        The level that one would like to see.

    Returns
    -------
    float or None
        None where there is none above 0.

    Examples
    --------
    >>> import numpy as np
    >>> from latentgeo.results import nearest_level
    >>> nearest_level(np.array([0.0, 0.05, 0.2]))
    0.05
    """
    above = levels[levels > 0]
    return float(above[np.abs(above - wanted).argmin()]) if above.size else None


def at_noise(data: _Labelled, level: float) -> _Labelled:
    """Select a noise level; floating-point neighbours count as equal.

    Parameters
    ----------
    data : xarray.DataArray or xarray.Dataset
        Something with the dimension noise, in any order.
    level : float
        The level.

    Returns
    -------
    xarray.DataArray or xarray.Dataset
        The same without the dimension.

    Examples
    --------
    >>> import xarray as xr
    >>> from latentgeo.results import at_noise
    >>> data = xr.DataArray([20.0, 15.0], coords={"noise": [0.0, 0.1]}, dims="noise")
    >>> float(at_noise(data, 0.1))
    15.0
    """
    return data.isel(noise=int(np.abs(data["noise"].values - level).argmin()))


def level_key(level: float) -> str:
    """Return a noise level as JSON writes it, as short as possible.

    Examples
    --------
    >>> from latentgeo.results import level_key
    >>> level_key(0.10)
    '0.1'
    """
    return f"{float(level):g}"


def perturbation_label(tree: xr.DataTree) -> str:
    """Return the name of the axis along which the images are perturbed."""
    kind = str(tree.attrs.get("perturbation", "gaussian"))
    if kind.startswith("gaussian"):
        clipped = " (clipped)" if kind.endswith("clipped") else ""
        return f"Gaussian noise {SIGMA}{clipped}"
    return f"{kind.replace('-', ' ')}, level"


def level_text(tree: xr.DataTree, level: float) -> str:
    """Return a noise level in words, short enough for a title.

    Parameters
    ----------
    tree : xarray.DataTree
        The analysis.
    level : float
        The level.

    Returns
    -------
    str
        On one line: its spaces do not break.

    Examples
    --------
    >>> import xarray as xr
    >>> from latentgeo.results import level_text
    >>> tree = xr.DataTree(xr.Dataset(attrs={"perturbation": "gaussian"}))
    >>> level_text(tree, 0.1).split()
    ['σ', '=', '0.1']
    """
    if level == 0:
        return "clean"
    kind = str(tree.attrs.get("perturbation", "gaussian"))
    text = f"{SIGMA} = {level:g}" if kind.startswith("gaussian") else f"{kind} {level:g}"
    return text.replace(" ", "\N{NO-BREAK SPACE}")
