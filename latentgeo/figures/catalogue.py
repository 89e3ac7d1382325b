"""Which figures results have, what stands below them, and how they are written."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from latentgeo.figures import reading
from latentgeo.figures._style import style
from latentgeo.files import write_atomically
from latentgeo.measures import FigureRow, measures_of
from latentgeo.results.levels import level_text

_DPI = 150


@dataclass(frozen=True)
class FigureFile:
    """A figure that was drawn, as files.

    Parameters
    ----------
    name : str
        Its name, and the stem of both files.
    title, caption, how_to_read : str
        Its words.
    png, pdf : pathlib.Path
        The files.
    """

    name: str
    title: str
    caption: str
    how_to_read: str
    png: Path
    pdf: Path


def figure_rows(kind: str = "analysis") -> dict[str, FigureRow]:
    """Return the figures of one kind of results by name, as their measures list them."""
    return {row.name: row for measure in measures_of(kind) for row in measure.figures}


def draw_figures(tree: xr.DataTree, folder: Path) -> list[FigureFile]:
    """Draw every figure that the results have data for, as PNG (150 dpi) and PDF.

    Parameters
    ----------
    tree : xarray.DataTree
        An analysis, or results along paths.
    folder : pathlib.Path
        Where the files go; it is made if it is missing. Each file is written atomically, and
        the same results give the same bytes (no dates inside).

    Returns
    -------
    list of FigureFile
        What was drawn, in the order of the measures. See `undrawn` for the rest.
    """
    for name, row in figure_rows(_kind(tree)).items():
        with suppress(reading.NothingToDrawError):
            save_figure(row.draw(tree).plot().figure_, folder / name)
    return found_figures(tree, folder)


def found_figures(tree: xr.DataTree, folder: Path) -> list[FigureFile]:
    """Return the figures of results that lie in a folder.

    Parameters
    ----------
    tree : xarray.DataTree
        The results that they were drawn from; their numbers go into the captions.
    folder : pathlib.Path
        Where they lie.

    Returns
    -------
    list of FigureFile
        In the order of the measures.
    """
    facts = _facts(tree)
    return [
        FigureFile(
            name,
            row.title,
            row.caption.format_map(facts),
            row.how_to_read,
            folder / f"{name}.png",
            folder / f"{name}.pdf",
        )
        for name, row in figure_rows(_kind(tree)).items()
        if (folder / f"{name}.png").is_file()
    ]


def undrawn(tree: xr.DataTree) -> dict[str, str]:
    """Return the figures that results have no data for, and why.

    Parameters
    ----------
    tree : xarray.DataTree
        The results.

    Returns
    -------
    dict of str to str
        Name of the figure to the reason in one sentence.
    """
    reasons = {}
    for name, row in figure_rows(_kind(tree)).items():
        try:
            row.draw(tree)
        except reading.NothingToDrawError as error:
            reasons[name] = str(error)
    return reasons


def save_figure(figure: Figure, stem: Path) -> None:
    """Write a figure as ``stem.png`` and ``stem.pdf``, atomically and without dates.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to write. Its layout is settled by this: both files show the same one.
    stem : pathlib.Path
        The path without its ending.
    """
    no_dates: dict[str, dict[str, Any]] = {
        "png": {"Software": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }
    for ending, metadata in no_dates.items():
        with style():
            write_atomically(
                stem.with_name(f"{stem.name}.{ending}"),
                lambda path, ending=ending, metadata=metadata: figure.savefig(  # type: ignore[misc]
                    path, format=ending, dpi=_DPI, metadata=metadata
                ),
            )
        figure.set_layout_engine("none")


def _kind(tree: xr.DataTree) -> str:
    return str(tree.attrs.get("kind", "analysis"))


def _facts(tree: xr.DataTree) -> dict[str, Any]:
    """Return the numbers of the results that captions name."""
    if _kind(tree) != "analysis":
        return {name: tree.attrs[name] for name in ("pairs", "steps", "path")}
    noisy = "no noise"
    if (reading.noise_levels(tree) > 0).any():
        noisy = level_text(tree, reading.noisy_level(tree))
    return {"samples": tree.attrs.get("samples", "the"), "noisy": noisy}
