"""Results on disk: every number as a zarr tree, the summary beside it as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from latentgeo.errors import InputError
from latentgeo.files import write_json
from latentgeo.foreign import read_json
from latentgeo.foreign.zarr_folders import check_zarr
from latentgeo.lazy import xr
from latentgeo.results.analysis import Analysis

SUMMARY = "summary.json"
#: The zarr folder of each kind of results.
TREES = {"analysis": "analysis.zarr", "interpolation": "paths.zarr", "lines": "paths.zarr"}
#: Folders of an analysis that hold results along paths, in the order of the report.
BESIDE = ("interpolation", "lines")
_AGAIN = {"analysis.zarr": "analyse again", "paths.zarr": "interpolate again"}


def write_numbers(found: Analysis, folder: Path) -> None:
    """Write every number and the summary into a folder that exists.

    Examples
    --------
    >>> from pathlib import Path
    >>> from latentgeo.results import read_numbers, write_numbers
    >>> folder = Path("results/again")
    >>> folder.mkdir()
    >>> write_numbers(read_numbers("results/cae"), folder)
    """
    write_tree(found.tree, folder / TREES[found.kind])
    write_json(folder / SUMMARY, found.summary)


def read_numbers(folder: str | Path) -> Analysis:
    """Read what `write_numbers` wrote.

    Parameters
    ----------
    folder : str or pathlib.Path
        A folder that `analyze`, `compare`, `interpolate` or `lines` made.

    Returns
    -------
    Analysis
        In memory, the models in the order in which they were asked for.

    Raises
    ------
    InputError
        When the folder holds no results, or broken ones.

    Examples
    --------
    >>> from latentgeo.results import read_numbers
    >>> list(read_numbers("results/cae"))
    ['cae']
    """
    place = Path(folder)
    name = next((name for name in _AGAIN if (place / name).is_dir()), None)
    if name is None:
        raise InputError(
            f"folder {str(place)!r} holds no analysis.zarr; expected a folder that "
            "`latentgeo analyze --out` made"
        )
    tree = read_tree(place / name, again=_AGAIN[name])
    if not (place / SUMMARY).exists():
        raise InputError(
            f"folder {str(place)!r} holds no {SUMMARY}; expected a folder that "
            "`latentgeo analyze --out` made"
        )
    summary = _read_summary(place / SUMMARY, _AGAIN[name])
    lost = next((label for label in summary["models"] if label not in tree.children), None)
    if lost is not None:
        raise InputError(
            f"{str(place / name)!r} has no model {lost!r}, which {SUMMARY} lists; copy the folder "
            f"again from where it came, or {_AGAIN[name]}"
        )
    return Analysis(tree, summary)


def holds_analysis(folder: Path) -> bool:
    """Return whether a folder holds an analysis, into which results along paths can go."""
    return (folder / TREES["analysis"]).is_dir()


def folders_beside(folder: Path) -> list[Path]:
    """Return the folders of results along paths within that of an analysis."""
    return [folder / kind for kind in BESIDE if (folder / kind / TREES[kind]).is_dir()]


def _read_summary(path: Path, again: str) -> dict[str, Any]:
    summary = read_json(path, again)
    if not isinstance(summary, dict) or not isinstance(summary.get("models"), dict):
        raise InputError(f"{str(path)!r} lists no models; {again}")
    return summary


def write_tree(tree: xr.DataTree, path: Path) -> None:
    """Write a tree as a zarr folder."""
    _encodable(tree).to_zarr(path, consolidated=False)


def read_tree(path: Path, *, again: str = "analyse again") -> xr.DataTree:
    """Read what `write_tree` wrote.

    Parameters
    ----------
    path : pathlib.Path
        The zarr folder.
    again : str, default="analyse again"
        What to do where it is broken, for the message.

    Returns
    -------
    xarray.DataTree
        In memory, the models in the order in which they were asked for.

    Raises
    ------
    InputError
        When it cannot be read, is more than what `check_zarr` lets through, or does not say where
        it comes from.
    """
    check_zarr(path)
    try:
        with xr.open_datatree(
            path, engine="zarr", consolidated=False, chunks=None, zarr_format=3
        ) as tree:
            loaded = tree.load()
    except Exception as error:  # zarr, its codecs and xarray raise many kinds
        raise InputError(
            f"{str(path)!r} cannot be read ({type(error).__name__}); copy the folder again from "
            f"where it came, or {again}"
        ) from error
    if "provenance" not in loaded.attrs:
        raise InputError(f"{str(path)!r} does not say where it comes from; {again}")
    order = [str(label) for label in loaded.attrs.get("models", loaded.children)]
    present = [label for label in order if label in loaded.children]
    children = {f"/{label}": loaded.children[label].to_dataset() for label in present}
    return xr.DataTree.from_dict({"/": loaded.to_dataset(), **children})


def _encodable(tree: xr.DataTree) -> xr.DataTree:
    """Make text coordinates of variable length: zarr has no standard for fixed ones."""

    def convert(dataset: xr.Dataset) -> xr.Dataset:
        texts = [name for name, values in dataset.variables.items() if values.dtype.kind == "U"]
        return dataset.assign({name: dataset[name].astype(object) for name in texts})

    converted = tree.map_over_datasets(convert)
    if not isinstance(converted, xr.DataTree):
        raise TypeError(f"expected one tree, got {type(converted)}")
    return converted
