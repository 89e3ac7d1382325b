"""What was measured along interpolation paths, and the folder that it lies in."""

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from latentgeo.analysis import omissions_of
from latentgeo.figures import draw_path_figures
from latentgeo.files import write_json
from latentgeo.report import PathSection, section_of_paths, write_path_report
from latentgeo.tree_files import read_tree, write_tree

TREE, SUMMARY, FIGURES, REPORT = "paths.zarr", "summary.json", "figures", "report.html"
#: Folders of an analysis that hold such results, in the order of the report.
KINDS = ("interpolation", "lines")
SCHEMA_VERSION = 1
_FACTS = ("kind", "data", "pairs", "steps", "path", "seed")


class PathResults(NamedTuple):
    """What `interpolate_images` or `score_lines` found.

    Attributes
    ----------
    tree : xarray.DataTree
        Every number: one child per model.
    summary : dict
        What `summary.json` holds.
    """

    tree: xr.DataTree
    summary: dict[str, Any]


def write_path_results(found: PathResults, folder: Path) -> None:
    """Fill a folder with numbers, summary, figures and report.

    Parameters
    ----------
    found : PathResults
        The results.
    folder : pathlib.Path
        Exists; gets `paths.zarr`, `summary.json`, `figures/` and `report.html`.
    """
    write_tree(found.tree, folder / TREE)
    write_json(folder / SUMMARY, found.summary)
    _draw(found.tree, folder)


def redraw_paths(folder: Path) -> None:
    """Draw figures and report anew from the saved numbers.

    Parameters
    ----------
    folder : pathlib.Path
        What `write_path_results` filled.

    Raises
    ------
    InputError
        When the numbers cannot be read.
    """
    _draw(_read(folder), folder)


def read_path_section(folder: Path) -> PathSection:
    """Give the section of a report, with the figures that lie in the folder.

    Takes and raises what `redraw_paths` does.
    """
    return section_of_paths(_read(folder), folder / FIGURES)


def path_folders(folder: Path) -> list[Path]:
    """Find the folders of such results within that of an analysis."""
    return [folder / kind for kind in KINDS if holds_paths(folder / kind)]


def holds_paths(folder: Path) -> bool:
    """Say whether a folder is one that `write_path_results` filled."""
    return (folder / TREE).is_dir()


def summarize_paths(tree: xr.DataTree) -> dict[str, Any]:
    """Give the numbers of each model, without those of single pairs.

    Parameters
    ----------
    tree : xarray.DataTree
        From `interpolate_images` or `score_lines`.

    Returns
    -------
    dict
        JSON-ready: of each measure `value` and `interval`, lists where it has steps; NaN as None.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        **{name: _plain(tree.attrs[name]) for name in _FACTS},
        "provenance": json.loads(tree.attrs["provenance"]),
        "models": {str(label): _model(one.to_dataset()) for label, one in tree.children.items()},
    }


def _read(folder: Path) -> xr.DataTree:
    return read_tree(folder / TREE, again="interpolate anew")


def _draw(tree: xr.DataTree, folder: Path) -> None:
    draw_path_figures(tree, folder / FIGURES)
    write_path_report(
        section_of_paths(tree, folder / FIGURES), list(tree.children), folder / REPORT
    )


def _model(data: xr.Dataset) -> dict[str, Any]:
    measures = {}
    for name in data.data_vars:
        stem = str(name).removesuffix("_ci")
        if stem == name or stem == "association":
            continue
        value = data[f"{stem}_mean"] if f"{stem}_mean" in data else _value(data, stem)
        measures[stem] = {
            "value": _plain(value.values),
            "interval": _plain(data[name].transpose(..., "bound").values),
        }
    kept = ("recipe", "backbone", "stochastic", "weights_sha256", "latent_shape")
    return {
        **{name: _plain(data.attrs[name]) for name in kept},
        "measures": measures,
        "associations": _associations(data),
        "omitted": [one._asdict() for one in omissions_of(data)],
    }


def _value(data: xr.Dataset, stem: str) -> xr.DataArray:
    return data[f"{stem}_median"] if f"{stem}_median" in data else data[stem]


def _associations(data: xr.Dataset) -> list[dict[str, Any]]:
    return [
        {
            "cause": str(cause),
            "effect": str(effect),
            "spearman": _plain(one["association"].values),
            "interval": _plain(one["association_ci"].values),
            "pairs": int(one["association_pairs"]),
        }
        for cause in data["cause"].values
        for effect in data["effect"].values
        for one in [data.sel(cause=cause, effect=effect)]
    ]


def _plain(value: Any) -> Any:
    """Give plain numbers, and None for what is not finite: JSON has no sign for it."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
