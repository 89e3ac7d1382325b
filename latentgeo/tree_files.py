"""Trees of results on disk."""

from pathlib import Path

import xarray as xr

from latentgeo.errors import InputError


def write_tree(tree: xr.DataTree, path: Path) -> None:
    """Write a tree as a zarr folder."""
    _writable(tree).to_zarr(path, consolidated=False)


def read_tree(path: Path, *, again: str = "analyse anew") -> xr.DataTree:
    """Read what `write_tree` wrote.

    Parameters
    ----------
    path : pathlib.Path
        The zarr folder.
    again : str, default="analyse anew"
        What to do where it is broken, for the message.

    Returns
    -------
    xarray.DataTree
        In memory, the models in the order in which they were asked for.

    Raises
    ------
    InputError
        When it cannot be read, or does not say where it comes from.
    """
    try:
        with xr.open_datatree(path, engine="zarr", consolidated=False, chunks=None) as tree:
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


def _writable(tree: xr.DataTree) -> xr.DataTree:
    """Make text coordinates of variable length: zarr has no standard for fixed ones."""

    def convert(dataset: xr.Dataset) -> xr.Dataset:
        texts = [name for name, values in dataset.variables.items() if values.dtype.kind == "U"]
        return dataset.assign({name: dataset[name].astype(object) for name in texts})

    converted = tree.map_over_datasets(convert)
    if not isinstance(converted, xr.DataTree):
        raise TypeError(f"expected one tree, got {type(converted)}")
    return converted
