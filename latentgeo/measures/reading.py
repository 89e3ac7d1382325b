"""Read saved results."""

from pathlib import Path

import xarray as xr

from latentgeo.measures.table import MEASURES
from latentgeo.results import Analysis, annotate, read_numbers
from latentgeo.results.model import ordered_labels


def read(folder: str | Path) -> Analysis:
    """Read the results that `analyze`, `compare`, `interpolate` or `lines` saved.

    Parameters
    ----------
    folder : str or pathlib.Path
        The folder that they made.

    Returns
    -------
    Analysis
        In memory; ``found["vae"].hilbert_dimension(noise=0.1)`` reads a number.

    Raises
    ------
    InputError
        When the folder holds no results, or broken ones.
    """
    found = read_numbers(folder)
    # Results from before variables were annotated with how they are read.
    readouts = [one for measure in MEASURES.values() for one in measure.readouts]
    children = {
        f"/{label}": annotate(found.tree[label].to_dataset(), readouts)
        for label in ordered_labels(found.tree)
    }
    tree = xr.DataTree.from_dict({"/": found.tree.to_dataset(), **children})
    return Analysis(tree, found.summary)
