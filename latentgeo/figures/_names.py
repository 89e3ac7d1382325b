"""Long names of models in figures: one letter each, and a key above the panels."""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_uppercase
from textwrap import wrap

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from latentgeo.figures._style import plain_text
from latentgeo.lazy import xr

LONGEST = 24  # letters of a name that legends, titles and axes have room for
_LINE = 0.15  # inches of a line of the key
_LETTERS_OF_AN_INCH = 17


def tagged(tree: xr.DataTree) -> tuple[xr.DataTree, dict[str, str]]:
    """Give models letters for names where one of several names is too long for a figure.

    Parameters
    ----------
    tree : xarray.DataTree
        The results.

    Returns
    -------
    tuple of xarray.DataTree and dict of str to str
        The results under the letters, and the name of each letter; the same results and nothing
        where all names are short.
    """
    names = list(tree.children)
    if len(names) < 2 or max(map(len, names)) <= LONGEST:
        return tree, {}
    letters = dict(zip(names, _letters(len(names)), strict=True))
    found = xr.DataTree.from_dict(
        {f"/{letters[name]}": _renamed(child, letters) for name, child in tree.children.items()}
    )
    found.attrs = dict(tree.attrs)
    return found, {letter: name for name, letter in letters.items()}


def add_key(figure: Figure, key: Mapping[str, str]) -> None:
    """Write the name of each letter above the panels, for which the figure grows.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        A figure with a constrained layout that was not carried out yet.
    key : mapping of str to str
        The name of each letter.
    """
    engine = figure.get_layout_engine()
    if not key or not isinstance(engine, ConstrainedLayoutEngine):
        return
    width, height = figure.get_size_inches()
    most = int(_LETTERS_OF_AN_INCH * width)
    lines = [
        line
        for letter, name in key.items()
        for line in wrap(f"{letter}  {name}", most, subsequent_indent="    ")
    ]
    room = _LINE * len(lines) + 0.1
    figure.set_size_inches(width, height + room)
    engine.set(rect=(0, 0, 1, height / (height + room)))
    figure.text(
        0.01,
        1 - 0.04 / (height + room),
        plain_text("\n".join(lines)),
        va="top",
        fontsize=7,
        linespacing=1.35,
        in_layout=False,
    )


def _letters(count: int) -> list[str]:
    if count <= len(ascii_uppercase):
        return list(ascii_uppercase[:count])
    return [f"M{place}" for place in range(1, count + 1)]


def _renamed(child: xr.DataTree, letters: Mapping[str, str]) -> xr.Dataset:
    data = child.to_dataset()
    if "other_model" not in data.coords:
        return data
    others = [letters.get(name, name) for name in data["other_model"].values.tolist()]
    return data.assign_coords(other_model=others)
