"""What the figures read from an analysis tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from latentgeo.errors import InputError
from latentgeo.figures._style import WIDTH, LineStyle, plain_text
from latentgeo.geometry import mode_names, mode_words
from latentgeo.lazy import xr
from latentgeo.results import ModelResult, models_of, nearest_level
from latentgeo.results.model import view_label

VIEWS = ("mean", "sample")
_MOST_TICKS = 10
_LETTERS = 15  # of a note, to an inch


class NothingToDrawError(InputError):
    """The analysis holds nothing that this figure shows."""


@dataclass(frozen=True)
class Series:
    """One model seen in one view: what most figures draw once.

    Parameters
    ----------
    label : str
        What a legend calls it.
    model, view : str
        Which it is.
    style : LineStyle
        How it is drawn.
    data : xarray.Dataset
        The results, without the dimension view.
    """

    label: str
    model: str
    view: str
    style: LineStyle
    data: xr.Dataset


def models(tree: xr.DataTree) -> dict[str, xr.Dataset]:
    """Return the data set of every model in the order of the analysis, noise ascending.

    A model that has not learned bears this in its name, here and so in every figure.

    Parameters
    ----------
    tree : xarray.DataTree
        The analysis.

    Returns
    -------
    dict of str to xarray.Dataset

    Raises
    ------
    NothingToDrawError
        When there is no model.
    """
    found = {model.marked: model.data for model in models_of(tree)}
    if not found:
        raise NothingToDrawError("this analysis holds no model; analyse at least one checkpoint")
    return found


def series(tree: xr.DataTree, views: Sequence[str], variable: str) -> list[Series]:
    """Return each model in each of the wanted views that it has, where the variable exists.

    Parameters
    ----------
    tree : xarray.DataTree
        The analysis.
    views : sequence of str
        The views, in the order wanted.
    variable : str
        What the figure shows.

    Returns
    -------
    list of Series

    Raises
    ------
    NothingToDrawError
        When no model has the variable in any of the views.
    """
    found = list(_series(tree, views, variable))
    if not found:
        raise NothingToDrawError(_nothing(tree, views, variable))
    return found


def modes_of(rows: Sequence[Series]) -> dict[str, str]:
    """Return the modes of those that have most of them, each with its name in a title.

    Parameters
    ----------
    rows : sequence of Series
        Models whose latents are tensors.

    Returns
    -------
    dict of str to str
        What a mode stands for is told where it does in all of them.
    """
    orders = {row.data.sizes["mode"] for row in rows}
    names = mode_names(max(orders))
    words = mode_words(max(orders)) if len(orders) == 1 else [""] * len(names)
    return {
        name: f"$S_{place}$ ({word})" if word and word != f"mode {place}" else f"$S_{place}$"
        for place, (name, word) in enumerate(zip(names, words, strict=True), start=1)
    }


def left_out(tree: xr.DataTree, variable: str) -> list[str]:
    """Name the models that have no such variable.

    Parameters
    ----------
    tree : xarray.DataTree
        The analysis.
    variable : str
        What the figure shows.

    Returns
    -------
    list of str
    """
    return [label for label, data in models(tree).items() if variable not in data]


def left_out_note(
    names: Sequence[str], lack: str = "latents are vectors: no unfoldings", *, inches: float = WIDTH
) -> str:
    """Return in words which models are missing from a figure and why.

    Parameters
    ----------
    names : sequence of str
        From `left_out`.
    lack : str
        What they are or lack.
    inches : float
        Width of the figure, into which the lines are broken.

    Returns
    -------
    str
        Empty when none is missing.
    """
    if not names:
        return ""
    return filled(f"Left out: {', '.join(map(plain_text, names))} ({lack}).", inches)


def filled(text: str, inches: float) -> str:
    """Break a note into lines that are no wider than a figure."""
    return fill(text, int(_LETTERS * inches))


def noise_levels(tree: xr.DataTree) -> NDArray[np.float64]:
    """Return the noise levels of the analysis.

    Parameters
    ----------
    tree : xarray.DataTree
        The analysis.

    Returns
    -------
    numpy.ndarray of shape (levels,), float64
        The clean one (0) first.
    """
    first = next(iter(models(tree).values()))
    return np.asarray(first["noise"].values, dtype=np.float64)


def noisy_level(tree: xr.DataTree, wanted: float = 0.1) -> float:
    """Return the level above 0 that is nearest to the wanted one.

    Parameters
    ----------
    tree : xarray.DataTree
        The analysis.
    wanted : float, default=0.1
        The level that one would like to see.

    Returns
    -------
    float

    Raises
    ------
    NothingToDrawError
        When the analysis has clean images only.
    """
    level = nearest_level(noise_levels(tree), wanted)
    if level is None:
        raise NothingToDrawError(
            "this analysis has the noise level 0 only; analyse with at least one level above 0"
        )
    return level


def set_noise_axis(ax: Axes, levels: NDArray[np.float64], label: str) -> None:
    """Space the levels equally, so that 0 has a place beside levels of several decades.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Whose horizontal axis is set; positions are 0, 1, 2, …
    levels : numpy.ndarray of shape (levels,), float64
        What stands at the positions; thinned where they are many.
    label : str
        Name of the axis.
    """
    every = -(-len(levels) // _MOST_TICKS)
    ax.set_xticks(
        np.arange(len(levels))[::every], [f"{level:g}" for level in levels[::every]], minor=False
    )
    ax.set_xlim(-0.3, max(len(levels) - 0.7, 0.3))
    ax.set_xlabel(f"{label} (levels, not to scale)" if len(levels) > 2 else label)


_NEED_TENSORS = ("rank", "rank_at_tolerance", "singular_value")
_REASONS = {
    **dict.fromkeys(
        _NEED_TENSORS,
        "all latents of this analysis are vectors, and this figure needs latents with rows and "
        "columns; analyse a model with a convolutional backbone",
    ),
    "example_reconstruction": (
        "no model of this analysis has a decoder, so nothing is reconstructed, or what is "
        "reconstructed are sentences"
    ),
    "pullback_condition": "no model of this analysis has a decoder whose metric could be measured",
    "similarity": (
        "models were not compared with one another, which takes two of them and 40 images"
    ),
    "unit_variance": (
        "no model of this analysis has units to count: its latents are deterministic tensors, "
        "whose dead channels are counted with the ranks"
    ),
}


def absence(variable: str) -> str:
    """Return why no model of an analysis has a variable.

    Parameters
    ----------
    variable : str
        What a figure shows.

    Returns
    -------
    str
        A clause without a full stop.
    """
    old = f"this analysis holds no {variable.replace('_', ' ')}; analyse the models again"
    return _REASONS.get(variable, old)


def having(tree: xr.DataTree, variable: str) -> dict[str, xr.Dataset]:
    """Return the models that have a variable, whatever the view.

    Parameters
    ----------
    tree : xarray.DataTree
        The analysis.
    variable : str
        What the figure shows.

    Returns
    -------
    dict of str to xarray.Dataset

    Raises
    ------
    NothingToDrawError
        When no model has it.
    """
    return _having(models(tree), variable, absence(variable))


def _having(every: dict[str, xr.Dataset], variable: str, lack: str) -> dict[str, xr.Dataset]:
    found = {label: data for label, data in every.items() if variable in data}
    if not found:
        raise NothingToDrawError(lack)
    return found


def has_settled(data: xr.Dataset) -> xr.DataArray:
    """Return where the dimension has settled; older analyses, without a word on it, count so."""
    name = "hilbert_dimension_settled"
    return data[name] == "settled" if name in data else xr.DataArray(True)


def _nothing(tree: xr.DataTree, views: Sequence[str], variable: str) -> str:
    """Return why no model can be drawn: it has nothing of the kind, or not in this view."""
    found = [data for data in models(tree).values() if variable in data]
    if not found:
        return absence(variable)
    known = sorted({str(view) for data in found for view in data["view"].values})
    return f"views {list(views)} are in no model of this analysis; choose from {known}"


def _series(tree: xr.DataTree, views: Sequence[str], variable: str) -> Iterator[Series]:
    """Yield models and views."""
    for index, (model, data) in enumerate(models(tree).items()):
        if variable not in data:
            continue
        present = [view for view in views if view in data["view"].values]
        for view in present:
            yield Series(
                view_label(model, view, several=len(present) > 1),
                model,
                view,
                LineStyle.of(index, view, doubtful=is_doubtful(data)),
                data.sel(view=view),
            )


def paths_having(tree: xr.DataTree, variable: str) -> dict[str, xr.Dataset]:
    """Return the models of results along paths that have a variable; as `having` does."""
    lack = f"these results hold no {variable.replace('_', ' ')}; interpolate again"
    return _having({model.marked: model.data for model in models_of(tree)}, variable, lack)


def style_of(tree: xr.DataTree, label: str) -> LineStyle:
    """Return the style of a model, by its place among all of them, from its name in a figure."""
    place, model = next(
        (place, model) for place, model in enumerate(models_of(tree)) if model.marked == label
    )
    return LineStyle.of(place, "mean", doubtful=bool(model.doubt))


def is_doubtful(data: xr.Dataset) -> bool:
    """Return whether a model is known not to have learned."""
    return bool(ModelResult("", data).doubt)
