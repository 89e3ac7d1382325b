"""Which figures results have, what stands below them, and how they are written."""

from __future__ import annotations

from collections.abc import Container, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from latentgeo.figures import reading
from latentgeo.figures._names import add_key, tagged
from latentgeo.figures._style import style
from latentgeo.figures._svg import save_svg
from latentgeo.files import write_atomically
from latentgeo.lazy import xr
from latentgeo.measures import figure_rows
from latentgeo.progress import announce
from latentgeo.results.levels import level_text

_DPI = 150
#: Kinds of files that a figure can be written as: the report shows SVG, papers take PDF.
ENDINGS = ("svg", "pdf", "png")
WRITTEN = ("svg",)


@dataclass(frozen=True)
class FigureFile:
    """A figure that was drawn, as files.

    Parameters
    ----------
    name : str
        Its name, and the stem of both files.
    title, caption, how_to_read : str
        Its words.
    svg, png, pdf : pathlib.Path
        The files; not every one has to be there.
    """

    name: str
    title: str
    caption: str
    how_to_read: str
    svg: Path
    png: Path
    pdf: Path


def draw_figures(
    tree: xr.DataTree, folder: Path, endings: Iterable[str] = WRITTEN
) -> list[FigureFile]:
    """Draw every figure that the results have data for.

    Parameters
    ----------
    tree : xarray.DataTree
        An analysis, or results along paths.
    folder : pathlib.Path
        Where the files go; it is made if it is missing. Each file is written atomically, and
        the same results give the same bytes (no dates inside).
    endings : iterable of {"svg", "pdf", "png"}, default=("svg",)
        As what; PNG has 150 dpi.

    Returns
    -------
    list of FigureFile
        What was drawn, in the order of the measures. See `undrawn` for the rest.
    """
    drawn, key = tagged(tree)
    for name, row in figure_rows(_kind(tree)).items():
        announce("Figures")
        with suppress(reading.NothingToDrawError):
            figure = row.draw(drawn).plot().figure_
            add_key(figure, key)
            save_figure(figure, folder / name, endings)
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
            *(folder / f"{name}.{ending}" for ending in ("svg", "png", "pdf")),
        )
        for name, row in figure_rows(_kind(tree)).items()
        if any((folder / f"{name}.{ending}").is_file() for ending in ("svg", "png"))
    ]


def undrawn(tree: xr.DataTree, but: Container[str] = ()) -> dict[str, str]:
    """Return the figures that results have no data for, and why.

    Parameters
    ----------
    tree : xarray.DataTree
        The results.
    but : container of str, default=()
        Names of figures that are not asked for.

    Returns
    -------
    dict of str to str
        Name of the figure to the reason in one sentence.
    """
    reasons = {}
    for name, row in figure_rows(_kind(tree)).items():
        if name in but:
            continue
        try:
            row.draw(tree)
        except reading.NothingToDrawError as error:
            reasons[name] = str(error)
    return reasons


def save_figure(figure: Figure, stem: Path, endings: Iterable[str] = ("png", "pdf")) -> None:
    """Write a figure as ``stem.svg`` and so on, atomically and without dates.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to write. Its layout is settled by this: all files show the same one.
    stem : pathlib.Path
        The path without its ending.
    endings : iterable of {"svg", "pdf", "png"}, default=("png", "pdf")
        As what.
    """
    with style():
        _settle(figure)
        for ending in endings:
            write_atomically(
                stem.with_name(f"{stem.name}.{ending}"), partial(_save, figure, ending)
            )


def _settle(figure: Figure) -> None:
    """Lay a figure out once; a layout engine, even one that does nothing, has it drawn twice."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)


_NO_DATES: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def _save(figure: Figure, ending: str, path: Path) -> None:
    if ending == "svg":
        save_svg(figure, path, _DPI)
    else:
        figure.savefig(path, format=ending, dpi=_DPI, metadata=_NO_DATES[ending])


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
