"""Where the results of a job go: a folder of their own, or one within that of an analysis."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from latentgeo.files import check_free, folder_in_place
from latentgeo.path_results import PathResults, write_path_results
from latentgeo.results import TREE, read_analysis, write_page


def check_out(out: Path, kind: str, *, force: bool, reads: Iterable[Any]) -> None:
    """Refuse, before anything is computed, what the results would overwrite.

    Parameters
    ----------
    out : pathlib.Path
        What the user named; an analysis may lie in it.
    kind : str
        "interpolation" or "lines".
    force : bool
        Let a folder pass that holds something.
    reads : iterable
        What is read; see `latentgeo.files.check_free`.

    Raises
    ------
    InputError
        When the folder holds something, or that within the analysis, and `force` is false, or it
        holds what is read.
    """
    check_free(_place(out, kind), holds=f"results of {kind}", force=force, reads=reads)


def write_results(found: PathResults, out: Path, kind: str) -> None:
    """Write results into a folder of their own, or into an analysis and its report.

    Parameters
    ----------
    found : PathResults
        The results.
    out : pathlib.Path
        What the user named.
    kind : str
        "interpolation" or "lines".
    """
    with folder_in_place(_place(out, kind)) as folder:
        write_path_results(found, folder)
    if _is_analysis(out):
        write_page(read_analysis(out), out)


def _place(out: Path, kind: str) -> Path:
    return out / kind if _is_analysis(out) else out


def _is_analysis(folder: Path) -> bool:
    return (folder / TREE).is_dir()
