"""Read saved results."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latentgeo.errors import InputError, check_is_path, reason_of
from latentgeo.lazy import xr
from latentgeo.measures.table import MEASURES
from latentgeo.results import Analysis, annotate, read_numbers
from latentgeo.results.model import ordered_labels


@contextmanager
def as_damaged(*folders: str | Path) -> Iterator[None]:
    """Say in one line what a block finds wrong in saved results that others may have changed.

    Parameters
    ----------
    *folders : str or pathlib.Path
        Where they were read.

    Raises
    ------
    InputError
        When something in the block does not find what results hold.
    """
    try:
        yield
    except (InputError, OSError):
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise InputError(
            f"results in {', '.join(repr(str(folder)) for folder in folders)} are not as this "
            f"latentgeo writes them ({type(error).__name__}: {reason_of(error)}); copy them again "
            "from where they came, or analyse again"
        ) from error


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

    Examples
    --------
    >>> import latentgeo
    >>> found = latentgeo.read("results/cae")
    >>> "psnr" in found["cae"].estimates
    True
    """
    check_is_path(folder, "folder", "an Analysis in memory needs no reading")
    with as_damaged(folder):
        return _read(folder)


def _read(folder: str | Path) -> Analysis:
    found = read_numbers(folder)
    # Results from before variables were annotated with how they are read.
    readouts = [one for measure in MEASURES.values() for one in measure.readouts]
    children = {
        f"/{label}": annotate(found.tree[label].to_dataset(), readouts)
        for label in ordered_labels(found.tree)
    }
    tree = xr.DataTree.from_dict({"/": found.tree.to_dataset(), **children})
    return Analysis(tree, found.summary)
