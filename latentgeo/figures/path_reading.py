"""What the figures read from results along paths."""

import xarray as xr

from latentgeo.figures._style import LineStyle
from latentgeo.figures.reading import NothingToDrawError


def path_models(tree: xr.DataTree, variable: str) -> dict[str, xr.Dataset]:
    """Give the models that have a variable, in the order in which they were asked for.

    Parameters
    ----------
    tree : xarray.DataTree
        Results along paths.
    variable : str
        What a figure shows.

    Returns
    -------
    dict of str to xarray.Dataset

    Raises
    ------
    NothingToDrawError
        When no model has it.
    """
    every = {str(label): child.to_dataset() for label, child in tree.children.items()}
    found = {label: data for label, data in every.items() if variable in data}
    if not found:
        raise NothingToDrawError(
            f"these results hold no {variable.replace('_', ' ')}; interpolate anew"
        )
    return found


def style_of(tree: xr.DataTree, label: str) -> LineStyle:
    """Give the style of a model, by its place among all of them."""
    return LineStyle.of(list(tree.children).index(label), "mean")
