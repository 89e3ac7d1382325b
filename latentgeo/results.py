"""The results of an analysis, and the folder that they lie in."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr

from latentgeo.errors import InputError
from latentgeo.figures import draw_figures
from latentgeo.files import write_json
from latentgeo.path_results import path_folders, read_path_section, redraw_paths
from latentgeo.report import write_report
from latentgeo.tree_files import read_tree, write_tree

TREE, SUMMARY, FIGURES, REPORT = "analysis.zarr", "summary.json", "figures", "report.html"


class Analysis(NamedTuple):
    """What `analyze` found.

    Attributes
    ----------
    tree : xarray.DataTree
        Every number: one child per model.
    summary : dict
        What `summary.json` holds.
    """

    tree: xr.DataTree
    summary: dict[str, Any]


def write_analysis(found: Analysis, folder: Path) -> None:
    """Fill a folder with numbers, summary, figures and report.

    Parameters
    ----------
    found : Analysis
        The results.
    folder : pathlib.Path
        Exists; gets `analysis.zarr`, `summary.json`, `figures/` and `report.html`.
    """
    write_tree(found.tree, folder / TREE)
    write_json(folder / SUMMARY, found.summary)
    draw_analysis(found, folder)


def draw_analysis(found: Analysis, folder: Path) -> None:
    """Write `figures/` and `report.html` of an analysis into its folder.

    What was measured along paths and lies in the folder is drawn anew with it.
    """
    draw_figures(found.tree, folder / FIGURES)
    for place in path_folders(folder):
        redraw_paths(place)
    write_page(found, folder)


def write_page(found: Analysis, folder: Path) -> None:
    """Write `report.html` of an analysis from the figures that lie in its folder.

    What was measured along paths and lies there has a section in it.
    """
    beside = [read_path_section(place) for place in path_folders(folder)]
    write_report(found.tree, found.summary, folder / FIGURES, folder / REPORT, beside)


def read_analysis(folder: str | Path) -> Analysis:
    """Read what `write_analysis` wrote.

    Parameters
    ----------
    folder : str or pathlib.Path
        A folder that `analyze` or `compare` made.

    Returns
    -------
    Analysis
        In memory, the models in the order in which they were asked for.

    Raises
    ------
    InputError
        When the folder holds no analysis, or a broken one.
    """
    place = Path(folder)
    missing = [name for name in (TREE, SUMMARY) if not (place / name).exists()]
    if missing:
        raise InputError(
            f"folder {str(place)!r} holds no {missing[0]}; "
            "expected a folder that `latentgeo analyze --out` made"
        )
    summary = _read_summary(place / SUMMARY)
    tree = read_tree(place / TREE)
    lost = next((label for label in summary["models"] if label not in tree.children), None)
    if lost is not None:
        raise InputError(
            f"{str(place / TREE)!r} has no model {lost!r}, which {SUMMARY} lists; copy the folder "
            "again from where it came, or analyse anew"
        )
    return Analysis(tree, summary)


def _read_summary(path: Path) -> dict[str, Any]:
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise InputError(f"{str(path)!r} is not valid JSON; analyse anew") from None
    if not isinstance(summary, dict) or not isinstance(summary.get("models"), dict):
        raise InputError(f"{str(path)!r} lists no models; analyse anew")
    return summary
